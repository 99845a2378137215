"""Pipedrive into raw: a full listing first, then what changed, with deletions, the deals' changelog and their products.

v2 where the vendor has it (cursors), v1 where not (offsets). What the vendor does not report (a merge, a deletion of a
person or an activity, a purge after 30 days) is found by listing every id now and then. A company's daily budget of
tokens is shared with every other app: the changelog, one request a deal, stops at a share of it and goes on next night.
Custom fields stay under their 40-character keys; `deal_fields` and its like say what they are called.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from ingestion.landing import Batch, ObjectResult, prepare
from ingestion.objects import find
from ingestion.pipedrive_reader import FORM, SOURCE, TRACKED, TokenBudget, Walker, changelog_entries, participants_page
from ingestion.reads import Connect, ProbeResult, Read, believable, is_due, land_or_record, living_ids, metered
from ingestion.session import (
    CredentialsError,
    Meter,
    MissingScopeError,
    PermanentSourceError,
    SourceError,
    SourceSession,
)
from ingestion.spool import Spool

__all__ = ["PipedriveSource", "sync_pipedrive"]

TOKEN_NAME = "PIPEDRIVE_API_TOKEN"
THREADS = 4
RATE_PER_SECOND = 8.0  # the smallest plan allows 20 in 2 s
REQUIRED = frozenset({"deals", "persons", "organizations", "users", "pipelines", "stages"})
STATUSES = "open,won,lost,deleted"
COUNTS = "participants_count,products_count"
VOLATILE = ("update_time", "[a-z_]+_count", "next_activity_id", "last_activity_id", "modified", "last_login")
ID_BATCH = 100


@dataclass(frozen=True)
class Stream:
    """An object that is read by what changed; `more_paths` list records that `path` leaves out."""

    name: str
    path: str
    more_paths: tuple[str, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    id_scan: str = "weekly"

    @property
    def is_v2(self) -> bool:
        return self.path.startswith("/api/v2/")

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path, *self.more_paths)


STREAMS = (
    Stream("deals", "/api/v2/deals", ("/api/v2/deals/archived",), {"status": STATUSES, "include_fields": COUNTS},
           id_scan="nightly"),
    Stream("persons", "/api/v2/persons"),
    Stream("organizations", "/api/v2/organizations"),
    Stream("activities", "/api/v2/activities"),
    Stream("leads", "/v1/leads", ("/v1/leads/archived",), id_scan="nightly"),  # one that became a deal leaves the list
    Stream("notes", "/v1/notes"),
)  # fmt: skip
SMALL_LISTS = {  # read whole every night: name -> (path, key of a row)
    "products": ("/api/v2/products", "id"),
    "pipelines": ("/api/v2/pipelines", "id"),
    "stages": ("/api/v2/stages", "id"),
    "deal_fields": ("/api/v2/dealFields", "field_code"),
    "person_fields": ("/api/v2/personFields", "field_code"),
    "organization_fields": ("/api/v2/organizationFields", "field_code"),
    "users": ("/v1/users", "id"),
    "teams": ("/v1/legacyTeams", "id"),
    "activity_types": ("/v1/activityTypes", "id"),
    "account_info": ("/v1/users/me", "company_id"),
}


def opened_session(
    token: str, base_url: str, budget: TokenBudget, rate_per_second: float | None = None, **options: Any
) -> SourceSession:
    """A session with an account, at its smallest plan's rate; its answers tell `budget` what is left."""
    is_vendor = (urlsplit(base_url).hostname or "").endswith("pipedrive.com")
    rate = rate_per_second or (RATE_PER_SECOND if is_vendor else None)
    return SourceSession(
        base_url, token, token_name=TOKEN_NAME, token_header="x-api-token", watch=budget.watch, rate_per_second=rate,
        **options,
    )  # fmt: skip


class PipedriveSource:
    """A company's account, its token and how to read it. `id_scan`: object -> "nightly" or "weekly"."""

    name = SOURCE

    def __init__(
        self,
        token: str,
        base_url: str,
        spool_dir: Path | str = "data/spool",
        *,
        id_scan: Mapping[str, str] | None = None,
        tokens_per_night: int | None = None,
        lookback: timedelta = timedelta(hours=1),
        rate_per_second: float | None = None,
        **session_options: Any,
    ):
        self.spool_dir, self.lookback = Path(spool_dir), lookback
        self.id_scan = {stream.name: (id_scan or {}).get(stream.name, stream.id_scan) for stream in STREAMS}
        self.budget = TokenBudget(tokens_per_night)
        self.session = opened_session(token, base_url, self.budget, rate_per_second, **session_options)

    def __repr__(self) -> str:
        return f"PipedriveSource({self.session.base_url!r})"

    @property
    def objects(self) -> tuple[str, ...]:
        return (*(stream.name for stream in STREAMS), "deal_products", *SMALL_LISTS)

    def greet(self) -> dict[str, Any]:
        """What the account says of itself: one small request."""
        return self.walker().ask(SMALL_LISTS["account_info"][0], {})[1][0]

    def check(self) -> list[ProbeResult]:
        """Ask for one record of each object. Raises CredentialsError on 401: then nothing else is worth asking."""
        paths = {"account_info": SMALL_LISTS["account_info"][0]} | {stream.name: stream.path for stream in STREAMS}
        return [self._probe(name, path) for name, path in (paths | {n: p for n, (p, _) in SMALL_LISTS.items()}).items()]

    def _probe(self, name: str, path: str) -> ProbeResult:
        state, reason = "ok", None
        try:
            self.walker().ask(path, {"limit": "1"} if name not in ("account_info", "users", "teams") else {})
        except CredentialsError:
            raise
        except SourceError as error:
            state, reason = _state_of(self, name, error)
        return ProbeResult(name, state, reason, name in REQUIRED)

    def walker(self) -> Walker:
        return Walker(self.session, self.budget)


@dataclass
class Known:
    """What the warehouse holds of an object. `owed`: deals whose changelog is still to be read."""

    watermark: datetime | None = None
    last_id_scan_at: datetime | None = None
    owed: list[str] = field(default_factory=list)
    live: set[str] = field(default_factory=set)


@dataclass
class Changed:
    """Deals met in this run: id -> what their changelog and products need of the record, as JSON: there may be many."""

    deals: dict[str, bytes] = field(default_factory=dict)

    def get(self, deal_id: str) -> dict[str, Any] | None:
        return orjson.loads(self.deals[deal_id]) if deal_id in self.deals else None


def sync_pipedrive(
    open_connection: Connect, source: PipedriveSource, run_id: str, now: datetime
) -> Iterator[ObjectResult]:
    """Read every object and land it; yields each object's result as it is committed. Raises CredentialsError only."""
    account = metered(source.session, _list_read(source, "account_info", run_id, now))
    if isinstance(account.error, CredentialsError):
        raise account.error
    known, lines = _load_known(open_connection, source, now)
    judge = partial(_state_of, source)

    def landed(name: str, read: Read) -> ObjectResult:
        return land_or_record(open_connection, SOURCE, name, read, judge, run_id, now)

    yield landed("account_info", account)
    with ThreadPoolExecutor(THREADS, thread_name_prefix=SOURCE) as pool:
        reads: dict[Any, str] = {}
        for stream in STREAMS:
            if stream.name != "deals":
                read = _stream_read(source, stream, known[stream.name], run_id, now)
                reads[pool.submit(metered, source.session, read)] = stream.name
        for name in SMALL_LISTS.keys() - {"account_info"}:
            reads[pool.submit(metered, source.session, _list_read(source, name, run_id, now))] = name
        deals = pool.submit(_read_deals, source, known, lines, run_id, now)
        for done in as_completed([*reads, deals]):
            for name, outcome in deals.result() if done is deals else [(reads[done], done.result())]:
                yield landed(name, outcome)


def _read_deals(
    source: PipedriveSource, known: dict[str, Known], lines: dict[str, set[str]], run_id: str, now: datetime
) -> list[tuple[str, Read]]:
    """Deals, then the products of those that were met. Each has a watermark of its own and may fail alone."""
    changed = Changed()
    deals = metered(source.session, _stream_read(source, STREAMS[0], known["deals"], run_id, now, changed))
    if deals.error is not None:
        return [("deals", deals), ("deal_products", Read(Meter(), 0.0, None, deals.error))]
    products = _products_read(source, changed, known["deal_products"], lines, run_id, now)
    return [("deals", deals), ("deal_products", metered(source.session, products))]


def _stream_read(
    source: PipedriveSource, stream: Stream, known: Known, run_id: str, now: datetime, changed: Changed | None = None
) -> Callable[[], Batch]:
    def read() -> Batch:
        spool, walker = Spool(source.spool_dir / f"{SOURCE}__{stream.name}", form=FORM), source.walker()
        since = None if known.watermark is None else known.watermark - source.lookback
        scan = since is None or is_due(known.last_id_scan_at, now, source.id_scan[stream.name])
        walk = walker.everything if scan or since is None else partial(walker.changes, since=since, until=now)
        listed: set[str] = set()
        is_id_scan = scan and since is not None  # a first night has nothing to miss
        with source.session.scanning() if is_id_scan else nullcontext():
            for path in stream.paths:
                for body, rows in walk(path, stream.params):
                    spool.add_page(body, rows)
                    if since is not None:
                        listed.update(str(row["id"]) for row in rows if isinstance(row, dict) and row.get("id"))
                    if changed is not None:
                        _note_changed(changed, rows, since, known.live)
            if is_id_scan and not walker.lost:
                _find_out(spool, walker, stream, sorted(known.live - listed), now)
        is_whole = not walker.lost  # else the same window is read again
        owed = _read_histories(spool, walker, source.budget, changed, known) if changed is not None else []
        if owed:
            why = "" if source.budget.allows_more() else ": the tokens of this day are spoken for"
            walker.gaps.append(f"the changelog of {len(owed)} deals waits for the next night{why}")
        until = max(now, known.watermark or now) if is_whole else known.watermark
        return Batch(
            find(SOURCE, stream.name), spool, run_id, now,
            volatile=VOLATILE, cursor=_cursor_text(until, owed), window_from=since,
            window_to=now, id_scan_at=now if scan and is_whole else None, reason="; ".join(walker.gaps) or None,
        )  # fmt: skip

    return read


def _note_changed(changed: Changed, rows: list[Any], since: datetime | None, live: set[str]) -> None:
    """Remember the deals whose changelog, products and participants may be new: a scan meets the unchanged ones too."""
    kept = ("add_time", "person_id", "won_time", "lost_time", *COUNTS.split(","), *TRACKED)
    for row in rows:
        if not isinstance(row, dict) or not row.get("id"):
            continue
        if since is None or _moved(row) >= since or (live and str(row["id"]) not in live and not row.get("is_deleted")):
            changed.deals[str(row["id"])] = orjson.dumps({name: row.get(name) for name in kept})


def _moved(row: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(str(row.get("update_time") or row.get("add_time") or "9999-01-01T00:00:00Z"))


def _find_out(spool: Spool, walker: Walker, stream: Stream, ids: list[str], now: datetime) -> None:
    """Records that no list has any more: asked for by id, then one by one; what is not there at all is gone."""
    missing = set(ids)
    if stream.is_v2:
        for start in range(0, len(ids), ID_BATCH):
            some = {"ids": ",".join(ids[start : start + ID_BATCH])}
            for body, rows in walker.everything(stream.path, dict(stream.params) | some):
                spool.add_page(body, rows)
                missing -= {str(row["id"]) for row in rows}
    for record_id in sorted(missing):
        row = walker.one(f"{stream.path}/{record_id}")
        if row is None:
            spool.add_row(record_id, {"id": record_id, "tombstone": "erased"}, version_at=now, is_deleted=True)
        else:
            spool.add_page(orjson.dumps({FORM.rows: [row]}), [row])


def _read_histories(spool: Spool, walker: Walker, budget: TokenBudget, changed: Changed, known: Known) -> list[str]:
    """The changelog of each deal that was met or is owed, newest deals first.

    Gives the ids that wait: the budget left them over, or a page of theirs stayed empty with more behind it.
    """
    waiting = sorted(changed.deals.keys() | set(known.owed), key=int, reverse=True)
    asked: list[str] = []
    linked: list[dict[str, Any]] = []
    owed: list[str] = []
    for place, deal_id in enumerate(waiting):
        if not budget.allows_more():
            owed += waiting[place:]
            break
        holes = len(walker.gaps)
        deal = changed.get(deal_id) or walker.one(f"/api/v2/deals/{deal_id}", {"include_fields": COUNTS})
        rows = None if deal is None else walker.maybe(f"/v1/deals/{deal_id}/changelog")
        if deal is None or rows is None:
            continue  # gone since: the next scan of ids says so
        persons: list[Any] = []
        if is_shared := int(deal.get("participants_count") or 0) > (1 if deal.get("person_id") else 0):
            persons = walker.maybe(f"/v1/deals/{deal_id}/participants") or []
        if len(walker.gaps) > holes:  # half a changelog gives a field another first value
            owed.append(deal_id)
            continue
        entries = changelog_entries(deal, rows)
        spool.add_histories(orjson.dumps({"results": [{"id": deal_id, "propertiesWithHistory": entries}]}))
        asked.append(deal_id)
        if is_shared:
            linked.append({"id": deal_id, "rows": persons})
    if asked:
        spool.add_links("persons", asked, participants_page(linked))
    return owed


def _products_read(
    source: PipedriveSource, changed: Changed, known: Known, lines: dict[str, set[str]], run_id: str, now: datetime
) -> Callable[[], Batch]:
    """The product lines of the deals that were met; a line of theirs that is not there any more is a deletion."""

    def read() -> Batch:
        spool, walker = Spool(source.spool_dir / f"{SOURCE}__deal_products", form=FORM), source.walker()
        ids = [key for key in changed.deals if key in lines or (changed.get(key) or {}).get("products_count")]
        for start in range(0, len(ids), ID_BATCH):
            some = ids[start : start + ID_BATCH]
            gone = set[str]().union(*(lines.get(key, set()) for key in some))
            for body, rows in walker.everything("/api/v2/deals/products", {"deal_ids": ",".join(some)}):
                spool.add_page(body, rows)
                gone -= {str(row["id"]) for row in rows}
            for line_id in sorted(gone) if not walker.lost else ():  # an answer with a hole deletes nothing
                spool.add_row(line_id, {"id": line_id, "tombstone": "removed"}, version_at=now, is_deleted=True)
        return Batch(
            find(SOURCE, "deal_products"), spool, run_id, now, volatile=VOLATILE,
            cursor=_cursor_text(known.watermark if walker.lost else max(now, known.watermark or now), []),
            window_from=known.watermark, window_to=now,
            reason="; ".join(walker.gaps) or None,
        )  # fmt: skip

    return read


def _list_read(source: PipedriveSource, name: str, run_id: str, now: datetime) -> Callable[[], Batch]:
    def read() -> Batch:
        path, key = SMALL_LISTS[name]
        spool, walker = Spool(source.spool_dir / f"{SOURCE}__{name}"), source.walker()
        for row in walker.whole(path):
            if isinstance(row, dict) and row.get(key) is not None:
                hashed = {k: v for k, v in row.items() if k not in ("update_time", "modified", "last_login")}
                at = row.get("update_time") or row.get("modified")
                deleted = name != "account_info" and bool(row.get("is_deleted") or row.get("deleted_flag"))
                spool.add_row(str(row[key]), row, hashed=hashed, version_at=at, is_deleted=deleted)
            else:
                spool.refuse(f"no {key}", column_name=key, value=orjson.dumps(row).decode()[:500])
        spool.is_complete = spool.rows_read > 0 and not walker.gaps  # an empty answer never deletes a whole table
        return Batch(find(SOURCE, name), spool, run_id, now, window_to=now, reason="; ".join(walker.gaps) or None)

    return read


def _state_of(source: PipedriveSource, name: str, error: Exception) -> tuple[str, str]:
    """(state, reason) of an object that was not read. Required objects have no soft landing."""
    state, reason = "failed", f"{type(error).__name__}: an answer of an unknown form ({str(error)[:200]})"
    if isinstance(error, MissingScopeError):
        reason = "not permitted (403): the user whose token this is may not read it"
        state = "failed" if name in REQUIRED else "not_permitted"
    elif isinstance(error, PermanentSourceError) and error.status in (402, 404, 415) and name not in REQUIRED:
        state, reason = "absent", f"not in this account's plan ({error.status})"
    elif isinstance(error, SourceError):
        reason = str(error)
    return state, source.session.scrub(reason)


def _load_known(
    open_connection: Connect, source: PipedriveSource, now: datetime
) -> tuple[dict[str, Known], dict[str, set[str]]]:
    """What is landed of every stream, and the living product lines of each deal."""
    known = {name: Known() for name in (*(stream.name for stream in STREAMS), "deal_products")}
    lines: dict[str, set[str]] = {}
    newest = "(version_at, landed_at, batch_id)"
    with open_connection() as connection:
        prepare(connection)
        for name, cursor, scanned_at in connection.execute(
            "select object, cursor, last_id_scan_at from raw.sync_state where source = ? and cursor is not null",
            [SOURCE],
        ).fetchall():
            held = json.loads(cursor)
            watermark = believable(datetime.fromisoformat(held["watermark"]), now)
            known[name] = Known(watermark, scanned_at, [str(key) for key in held.get("owed", [])])
            if name in source.id_scan and is_due(scanned_at, now, source.id_scan[name]):
                known[name].live = living_ids(connection, find(SOURCE, name))
        for deal_id, line_id in connection.execute(
            f"""select arg_max(payload ->> '$.deal_id', {newest}), record_id from raw.{SOURCE}__deal_products
                group by record_id having not arg_max(is_deleted, {newest})"""
        ).fetchall():
            lines.setdefault(str(deal_id), set()).add(line_id)
    deals, products = known["deals"], known["deal_products"]
    if deals.watermark and (products.watermark is None or products.watermark < deals.watermark):
        deals.watermark = products.watermark  # what was met for nothing last time is met again
    return known, lines


def _cursor_text(watermark: datetime | None, owed: list[str]) -> str | None:
    """None: nothing was ever read whole, so the next night begins anew."""
    if watermark is None:
        return None
    held: dict[str, Any] = {"watermark": watermark.astimezone(UTC).isoformat()}
    return json.dumps(held | ({"owed": [int(key) for key in owed]} if owed else {}))
