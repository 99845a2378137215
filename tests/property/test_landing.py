"""Whatever happens in a CRM, in whatever order nights come, break or are lied to: raw ends as the vendor is.

And whatever a record holds: it is landed as it came, once, however its keys are ordered and its pages are cut.
"""

from __future__ import annotations

import json
import random
import tempfile
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from ingestion import hubspot_reader, landing
from ingestion.hubspot import sync_hubspot
from ingestion.hubspot_streams import COUNTERS, STAMPS
from ingestion.landing import Batch, Spool
from ingestion.objects import find
from sandbox.catalogue import MERGEABLE
from sandbox.properties import names
from sandbox.servers.hubspot import Portal, serve
from sandbox.world import World
from tests.unit.ingestion.practice import Warehouse, assert_links_and_history, assert_same_as_vendor, portal_now

TYPES = ("contacts", "companies", "deals", "calls")
START = date(2026, 11, 2)
NEXT_WEEK = timedelta(days=8)  # past the weekly id scan and the weekly reading of all links
SEEN = {"contacts": "jobtitle", "companies": "industry", "deals": "hs_next_step", "calls": "hs_call_title"}
FAULTS = ("down:{0}/search", "truncated:objects/{0}@2x9", "empty_page:{0}/search@1x9", "down:archived=true", "html@7x9")

pick = st.integers(0, 30)
kind = st.sampled_from(TYPES)
events = st.one_of(
    st.tuples(st.just("create"), kind, pick),
    st.tuples(st.just("change"), kind, pick),
    st.tuples(st.just("archive"), kind, pick),
    st.tuples(st.just("restore"), kind, pick),
    st.tuples(st.just("restore_silently"), kind, pick),
    st.tuples(st.just("erase"), kind, pick),
    st.tuples(st.just("merge"), st.sampled_from(MERGEABLE), pick),
    st.tuples(st.just("merge"), st.sampled_from(MERGEABLE), pick),
    st.tuples(st.just("link"), kind, pick),
    st.tuples(st.just("unlink"), kind, pick),
    st.tuples(st.just("hours_pass"), kind, st.integers(1, 60)),
    st.tuples(st.just("lag"), kind, st.sampled_from([0, 5, 10])),
    st.tuples(st.just("night"), kind, pick),
    st.tuples(st.just("killed_night"), kind, st.integers(0, 14)),
    st.tuples(st.just("bad_night"), kind, pick),
)


class Life:
    """A portal with a handful of records, and the warehouse that follows it."""

    def __init__(self, portal: Portal, folder: Path):
        self.portal, self.store, self.world = portal, portal.world.store, portal.world
        self.warehouse = Warehouse(folder)
        for name in TYPES:
            for _ in range(5):
                self.create(name, 0)

    def records(self, name: str, archived: bool = False) -> list:
        return [row for row in self.store.records[name].values() if bool(row.archived_at) == archived]

    def chosen(self, name: str, number: int, archived: bool = False):
        rows = self.records(name, archived)
        return rows[number % len(rows)] if rows else None

    def create(self, name: str, number: int) -> None:
        values = dict.fromkeys(names(name)) | {SEEN[name]: f"first {number}"}
        self.store.create(name, self.world.stamp(), values)

    def change(self, name: str, number: int) -> None:
        if record := self.chosen(name, number):
            self.store.change(record, self.world.stamp(), {SEEN[name]: f'"{number}", å\n\\'})

    def archive(self, name: str, number: int) -> None:
        if record := self.chosen(name, number):
            self.store.archive(record, self.world.stamp())

    def restore(self, name: str, number: int) -> None:
        if record := self.chosen(name, number, archived=True):
            self.store.restore(record, self.world.stamp())

    def restore_silently(self, name: str, number: int) -> None:
        """Back in the list without a new stamp."""
        if record := self.chosen(name, number, archived=True):
            record.archived_at = None
            self.store.membership[name] += 1

    def erase(self, name: str, number: int) -> None:
        if record := self.chosen(name, number, archived=number % 3 == 0):
            self.store.erase(record, self.world.stamp())

    def merge(self, name: str, number: int) -> None:
        primary, other = self.chosen(name, number), self.chosen(name, number // 2 + 1)
        if primary is not None and primary is not other:
            self.store.merge(primary, other, self.world.stamp())

    def link(self, name: str, number: int) -> None:
        target = "contacts" if name == "companies" else "companies"
        left, right = self.chosen(name, number), self.chosen(target, number // 3)
        if left and right:
            self.store.link(left, right, self.world.stamp(), primary=number % 2 == 0, label=(None, 37, 39)[number % 3])

    def unlink(self, name: str, number: int) -> None:
        record = self.chosen(name, number)
        linked = self.store.linked(name, record.id, "companies") if record and name != "companies" else []
        if linked:
            self.store.unlink(record, self.store.records["companies"][linked[number % len(linked)]])

    def hours_pass(self, _: str, hours: int) -> None:
        self.world.touches += hours * 3_600

    def lag(self, _: str, minutes: int) -> None:
        """The search index falls behind, by less than nights look back."""
        self.portal.index_lag = minutes * 60_000

    def night(self, *_: object) -> None:
        self.warehouse.sync(self.portal)

    def killed_night(self, _: str, objects: int) -> None:
        """A night that ends after it landed so many objects."""
        source = self.warehouse.source(self.portal)
        results = sync_hubspot(self.warehouse.open, source, "killed", portal_now(self.portal))
        for _count, _result in zip(range(objects), results, strict=False):
            pass
        results.close()
        source.session.close()

    def bad_night(self, name: str, number: int) -> None:
        self.portal.set_faults([FAULTS[number % len(FAULTS)].format(name)])
        self.warehouse.sync(self.portal, attempts=2, backoff_seconds=0.0)
        self.portal.set_faults([])


@contextmanager
def small_pages():
    kept = {name: getattr(hubspot_reader, name) for name in ("PAGE", "HISTORY_PAGE", "SEARCH_PAGE", "LINK_PAGE")}
    try:
        for name, size in zip(kept, (3, 2, 2, 3), strict=True):
            setattr(hubspot_reader, name, size)
        yield
    finally:
        for name, size in kept.items():
            setattr(hubspot_reader, name, size)


@given(st.lists(events, min_size=5, max_size=25))
@example([("night", "deals", 0), ("merge", "deals", 3), ("night", "deals", 0), ("merge", "deals", 3)])
@example([("night", "calls", 0), ("archive", "calls", 1), ("night", "calls", 0), ("restore_silently", "calls", 0)])
@example(
    [("night", "deals", 0), ("lag", "deals", 10), ("change", "deals", 2), ("create", "calls", 0), ("night", "deals", 0)]
)
@example([("merge", "contacts", 0), ("night", "deals", 0), ("erase", "contacts", 4), ("killed_night", "deals", 9)])
@settings(
    max_examples=14,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
def test_raw_ends_as_the_vendor_is(life: list[tuple[str, str, int]]) -> None:
    world = World(1, "tiny", START, START)
    with tempfile.TemporaryDirectory() as folder, small_pages(), serve(world) as portal:
        company = Life(portal, Path(folder) / "followed")
        for event, name, number in life:
            getattr(company, event)(name, number)
        portal.index_lag = 0
        followed, now = company.warehouse, portal_now(portal) + NEXT_WEEK
        results = followed.sync(portal, now)
        assert {name: r.reason for name, r in results.items() if r.state != "ok"} == {}
        assert_same_as_vendor(followed, portal)
        assert_links_and_history(followed, portal)
        again = followed.sync(portal, now)
        assert {name for name, r in again.items() if r.rows_appended + r.links_appended + r.history_appended} == set()
        unbalanced = "rows_read <> rows_appended + rows_unchanged + rows_quarantined or rows_unchanged < 0"
        assert followed.query(f"select * from raw.batches where {unbalanced}") == []
        followed.close()


# what a record may hold

value = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=12), st.sampled_from(
    ['"', "\\", '{"a":1}', "1e6", "  ", "\n", "null", "true", '","num_notes":"9', "'", "🙂", "\u2028", "\x7f"]
))  # fmt: skip
name = st.one_of(
    st.sampled_from(["amount", "dealname", "hs_next_step", "it's", 'qu"ote', "ÅÄÖ", "a b", "back\\slash", "x.y"]),
    st.text("abc_", min_size=1, max_size=4),
)
properties = st.dictionaries(name, value, min_size=1, max_size=6)
NOW = datetime(2026, 11, 2, 3, 15, tzinfo=UTC)
VOLATILE = STAMPS + COUNTERS


def page_of(rows: list[dict], draw: random.Random, compact: bool = True) -> bytes:
    """The rows as a vendor may send them: keys in any order, blanks or none, letters escaped or not."""

    def shuffled(record: dict) -> dict:
        keys = draw.sample(sorted(record), len(record))
        return {key: shuffled(record[key]) if isinstance(record[key], dict) else record[key] for key in keys}

    separators = (",", ":") if compact else (", ", ": ")
    return json.dumps({"results": [shuffled(row) for row in rows]}, separators=separators, ensure_ascii=False).encode()


def landed(connection, folder: Path, pages: list[bytes]) -> landing.ObjectResult:
    spool = Spool(folder / "spool")
    for body in pages:
        spool.add_page(body, json.loads(body)["results"])
    return landing.land(connection, Batch(find("hubspot", "deals"), spool, "run", NOW, volatile=VOLATILE))


def record(number: int, values: dict[str, str | None]) -> dict:
    stamp = f"2026-10-0{number % 9 + 1}T10:00:00.000Z"
    counted = {"hs_lastmodifieddate": stamp, "num_notes": "3", "hs_num_of_associated_line_items": None}
    return {
        "id": str(number),
        "properties": values | counted,
        "createdAt": stamp,
        "updatedAt": stamp,
        "archived": False,
    }


@given(st.lists(properties, min_size=1, max_size=5), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_a_record_is_landed_as_it_came_and_once(rows: list[dict[str, str | None]], draw: random.Random) -> None:
    records = [record(number, values) for number, values in enumerate(rows, 1)]
    with tempfile.TemporaryDirectory() as name, duckdb.connect() as connection:
        folder = Path(name)
        landing.prepare(connection)
        first = landed(connection, folder, [page_of(records, draw)])
        assert (first.rows_read, first.rows_appended) == (len(rows), len(rows))
        found = connection.execute("select record_id, payload::varchar from raw.hubspot__deals").fetchall()
        assert {key: json.loads(text) for key, text in found} == {row["id"]: row for row in records}
        assert all(list(json.loads(text)["properties"]) == sorted(json.loads(text)["properties"]) for _, text in found)

        pieces = [page_of([row], draw, compact=draw.random() < 0.5) for row in draw.sample(records, len(records))]
        assert landed(connection, folder, pieces).rows_appended == 0

        for row in records:  # the vendor counted and stamped again: nobody changed anything
            row["updatedAt"] = "2026-11-01T10:00:00.000Z"
            row["properties"] |= {"num_notes": "4", "hs_lastmodifieddate": row["updatedAt"]}
        assert landed(connection, folder, [page_of(records, draw)]).rows_appended == 0

        changed = draw.choice(records)
        key = draw.choice(sorted(set(changed["properties"]) - {"num_notes", "hs_lastmodifieddate"}))
        if key.startswith("hs_num"):
            key = "added"
        changed["properties"][key] = f"{changed['properties'].get(key)} changed"
        assert landed(connection, folder, [page_of(records, draw)]).rows_appended == 1
        newest = connection.execute(
            """select payload::varchar from raw.hubspot__deals where record_id = ? order by version_at desc limit 1""",
            [changed["id"]],
        ).fetchone()
        assert newest is not None and json.loads(newest[0]) == changed
