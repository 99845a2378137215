"""Nights against the practice company as Pipedrive: everything first, then what changed, whatever the vendor does."""

from __future__ import annotations

import copy
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestion import pipedrive as module
from ingestion import pipedrive_reader
from ingestion.objects import PIPEDRIVE
from ingestion.session import CredentialsError
from sandbox.servers.company_server import calls_summary
from sandbox.servers.pipedrive import Portal, serve
from sandbox.store import Record
from tests.unit.ingestion.pipedrive_practice import PipedriveWarehouse, assert_same_as_vendor, vendor_states
from tests.unit.ingestion.practice import portal_now, tiny_world

ROOT = Path(__file__).parents[3]
WEEK = timedelta(days=8)
NEVER_SEEN = "f00dfeedf00dfeedf00dfeedf00dfeedf00dfeed"


@pytest.fixture(scope="module")
def lived():
    return tiny_world()


@pytest.fixture(scope="module")
def first(lived, tmp_path_factory):
    """What one first night landed, its results and what was asked."""
    folder = tmp_path_factory.mktemp("first") / "data"
    warehouse = PipedriveWarehouse(folder)
    with serve(copy.deepcopy(lived)) as portal:
        results = warehouse.night(portal)
        assert_same_as_vendor(warehouse, portal)
        asked = calls_summary(portal)["total"]
    contents = warehouse.contents()
    warehouse.close()
    return folder, results, asked, contents


@pytest.fixture
def portal(lived):
    with serve(copy.deepcopy(lived)) as portal:
        yield portal


@pytest.fixture
def warehouse(first, tmp_path):
    """The warehouse after the first night."""
    shutil.copytree(first[0], tmp_path / "data")
    warehouse = PipedriveWarehouse(tmp_path / "data")
    yield warehouse
    warehouse.close()


def some(portal: Portal, kind: str, count: int = 1, skip: int = 0) -> list[Record]:
    found = [row for row in portal.world.store.records[kind].values() if row.archived_at is None]
    return sorted(found, key=lambda row: int(row.id))[skip : skip + count]


def change(portal: Portal, kind: str, **values: str | None) -> None:
    (record,) = some(portal, kind)
    portal.world.store.change(record, portal.world.stamp(), dict(values))


def appended(results: dict[str, Any]) -> dict[str, tuple[int, int, int]]:
    assert {name: r.reason for name, r in results.items() if r.state != "ok"} == {}
    counts = {n: (r.rows_appended, r.links_appended, r.history_appended) for n, r in results.items()}
    return {name: count for name, count in counts.items() if any(count)}


def busy_day(portal: Portal) -> None:
    """A day on which something of everything happens."""
    store, world = portal.world.store, portal.world
    change(portal, "deals", amount="4711.50", dealstage="closedlost", closed_lost_reason="Price")
    change(portal, "contacts", jobtitle="Buyer")
    change(portal, "companies", numberofemployees="4711")
    won, deleted, merged, other, erased = some(portal, "deals", 5, 3)
    store.change(won, world.stamp(), {"dealstage": "closedwon"})
    store.archive(deleted, world.stamp())
    store.merge(merged, other, world.stamp())
    store.erase(erased, world.stamp())
    for kind in ("contacts", "companies", "calls"):
        store.archive(some(portal, kind, 1, 5)[0], world.stamp())
    store.merge(*some(portal, "contacts", 2, 8), world.stamp())
    store.erase(some(portal, "contacts", 1, 12)[0], world.stamp())


def test_the_first_night_lands_every_object(first) -> None:
    _, results, asked, _ = first
    assert {name: r.reason for name, r in results.items() if r.state != "ok" or r.reason} == {}
    assert set(results) == {entry.name for entry in PIPEDRIVE}
    assert all(r.rows_read == r.rows_appended + r.rows_unchanged + r.rows_quarantined for r in results.values())
    assert sum(r.requests for r in results.values()) == asked


def test_an_unchanged_night_appends_nothing_and_asks_for_little(portal, warehouse, first) -> None:
    results = warehouse.night(portal)
    assert appended(results) == {}
    assert warehouse.contents() == first[3]
    assert calls_summary(portal)["total"] == sum(r.requests for r in results.values()) == 18
    scanned = {name: r.scan_requests for name, r in results.items() if r.scan_requests}
    assert scanned == {"deals": 2, "leads": 2}


def test_custom_fields_keep_their_keys_and_the_lists_say_what_they_are_called(portal, warehouse) -> None:
    names = {key: field["field_name"] for key, (_, field) in warehouse.newest("deal_fields").items()}
    for _, deal in warehouse.newest("deals").values():
        assert {names[key] for key in deal["custom_fields"] if len(key) == 40} >= {"Lead source", "Competitor"}


def test_the_history_tells_each_field_from_the_deals_first_instant(portal, warehouse) -> None:
    """What a field was created with is in no changelog: it is the first change's old value, else the present one."""
    story = {
        str(portal.render.shown_id(record)): portal.render.story(record)
        for record in portal.records("deals")
        if record.archived_at is None
    }
    rows = warehouse.query(
        """select record_id, property, arg_min(value, changed_at), arg_max(value, (changed_at, -position)), count(*)
           from raw.pipedrive__deals_history where property in ('stage_id', 'status') group by 1, 2"""
    )
    assert len(rows) >= 2 * len(story) > 0
    for deal_id, name, oldest, newest, entries in rows:
        if deal_id not in story:
            continue
        changes = [row for row in story[deal_id].rows if row[1] == name]
        present = str(story[deal_id].stage_id) if name == "stage_id" else story[deal_id].status
        assert (oldest, newest) == ((changes[0][2] if changes else present), present)
        assert entries == len(changes) + 1


def test_page_size_does_not_matter(portal, warehouse, first, tmp_path, monkeypatch) -> None:
    for name, size in (("PAGE", 41), ("OFFSET_OVERLAP", 3)):
        monkeypatch.setattr(pipedrive_reader, name, size)
    monkeypatch.setattr(module, "ID_BATCH", 9)
    assert appended(warehouse.night(portal, portal_now(portal) + WEEK)) == {}
    fresh = PipedriveWarehouse(tmp_path / "fresh")
    fresh.night(portal)
    assert fresh.contents() == first[3]
    fresh.close()


def test_what_happened_is_found_that_night_and_what_nobody_reports_by_the_next_scan(portal, warehouse) -> None:
    busy_day(portal)
    results = warehouse.night(portal)
    assert set(appended(results)) >= {"deals", "persons", "organizations"}
    assert results["deals"].deletions == 3
    assert {name: r.deletions for name, r in results.items() if r.deletions}.keys() == {"deals"}
    warehouse.night(portal, portal_now(portal) + WEEK)
    assert_same_as_vendor(warehouse, portal)
    gone = {
        name: [p.get("tombstone") for d, p in warehouse.newest(name).values() if d] for name in ("persons", "deals")
    }
    assert gone["persons"].count("erased") == 2 and gone["persons"].count(None) >= 1
    assert gone["deals"].count("erased") == 2
    assert appended(warehouse.night(portal, portal_now(portal) + 2 * WEEK)) == {}


def test_a_deal_that_is_archived_is_not_deleted_and_comes_back(portal, warehouse) -> None:
    (deal,) = some(portal, "deals")
    portal.archived[int(deal.id)] = portal.world.stamp()
    warehouse.night(portal)
    is_deleted, payload = warehouse.newest("deals")[deal.id]
    assert (is_deleted, payload["is_archived"]) == (False, True)
    portal.archived.clear()
    portal.world.store.change(deal, portal.world.stamp(), {"dealname": "Back"})
    warehouse.night(portal)
    assert_same_as_vendor(warehouse, portal)


def test_a_deletion_that_moves_no_stamp_is_found_by_the_scan(portal, warehouse) -> None:
    (deal,) = some(portal, "deals")
    deal.archived_at = deal.updated_at
    portal.world.touches += 7_200
    warehouse.night(portal)
    assert warehouse.newest("deals")[deal.id][0] is True
    deal.archived_at = None
    warehouse.night(portal)
    assert_same_as_vendor(warehouse, portal)


def test_a_value_that_comes_back_without_a_new_stamp_is_landed_again(portal, warehouse) -> None:
    """A person thrown away takes itself off its deals, and comes back to them: the vendor stamps neither."""
    store = portal.world.store
    deal = next(r for r in some(portal, "deals", 50) if store.linked("deals", r.id, "contacts"))
    person = store.records["contacts"][store.linked("deals", deal.id, "contacts")[0]]
    for act in (store.archive, store.restore):
        act(person, portal.world.stamp())
        results = warehouse.night(portal)
        assert results["deals"].rows_appended > 0
    assert_same_as_vendor(warehouse, portal)


def test_what_was_deleted_longer_than_the_vendor_remembers_is_gone(portal, warehouse) -> None:
    (person,) = some(portal, "contacts")
    portal.world.store.archive(person, portal.world.stamp())
    portal.days_kept = 0
    portal.world.touches += 10
    warehouse.night(portal, portal_now(portal) + WEEK)
    assert warehouse.newest("persons")[person.id] == (True, {"id": person.id, "tombstone": "erased"})


def test_products_and_participants_that_are_taken_off_a_deal_are_deletions(portal, warehouse) -> None:
    store = portal.world.store
    deal = next(r for r in some(portal, "deals", 50) if store.linked("deals", r.id, "line_items"))
    people = [r for r in some(portal, "contacts", 4, 20) if r.id not in store.linked("deals", deal.id, "contacts")]
    for person in people:
        store.link(deal, person, portal.world.stamp())
    change_at = portal.world.stamp()
    store.change(deal, change_at, {"dealname": "With more people"})
    warehouse.night(portal)
    links = "select to_id from raw.pipedrive__deals_persons_links where from_id = ? {}"
    assert {person.id for person in people} <= {row[0] for row in warehouse.query(links.format(""), deal.id)}
    for person in people:
        store.unlink(deal, person)
    (line, *_) = store.linked("deals", deal.id, "line_items")
    store.unlink(deal, store.records["line_items"][line])
    store.change(deal, portal.world.stamp(), {"dealname": "With fewer"})
    warehouse.night(portal)
    gone = {row[0] for row in warehouse.query(links.format("and is_deleted"), deal.id)}
    assert {person.id for person in people} <= gone
    assert warehouse.newest("deal_products")[line] == (True, {"id": line, "tombstone": "removed"})


@pytest.fixture(scope="module")
def changed(lived, first, tmp_path_factory):
    """The raw tables after a busy day and a night without faults: what every night with faults must end in."""
    folder = tmp_path_factory.mktemp("changed") / "data"
    shutil.copytree(first[0], folder)
    warehouse = PipedriveWarehouse(folder)
    with serve(copy.deepcopy(lived)) as portal:
        busy_day(portal)
        warehouse.night(portal)
    contents = warehouse.contents()
    warehouse.close()
    return contents


@pytest.mark.parametrize(
    "fault",
    [
        "rate_limit:deals@2", "rate_limit_silent@3x3", "server_errors@2x4", "html:persons@1x2", "truncated@2x3",
        "null_body:changelog@1x2", "reset:deals@1x3", "cursor_reset:v2/deals@1x2", "cursor_reset:v2/persons@1",
        "empty_page:v2/deals@1x2",
    ],
)  # fmt: skip
def test_what_passes_changes_nothing(portal, warehouse, changed, monkeypatch, fault) -> None:
    monkeypatch.setattr(pipedrive_reader, "PAGE", 1)
    monkeypatch.setattr(pipedrive_reader, "OFFSET_OVERLAP", 0)
    busy_day(portal)
    portal.set_faults([fault])
    results = warehouse.night(portal)
    assert {name: r.reason for name, r in results.items() if r.state != "ok" or r.reason} == {}
    assert warehouse.contents() == changed
    statuses = {call["status"] for call in portal.calls}
    assert sum(r.retries for r in results.values()) > 0 or 400 in statuses


@pytest.mark.parametrize(
    "fault",
    ["down:deals", "down:changelog@2x999", "rate_limit_daily:v2/deals", "repeated_page:v2/deals@1x999",
     "cursor_reset:v2/deals@1x99", "missing_results:v2/deals@1x99", "unauthorized:changelog"],
)  # fmt: skip
def test_what_lasts_fails_its_object_alone_and_a_later_night_lands_the_same(
    portal, warehouse, changed, monkeypatch, fault
) -> None:
    monkeypatch.setattr(pipedrive_reader, "PAGE", 21)
    busy_day(portal)
    portal.set_faults([fault])
    results = warehouse.night(portal, attempts=2)
    assert {name for name, r in results.items() if r.state != "ok"} == {"deals", "deal_products"}
    portal.set_faults([])
    warehouse.night(portal)
    assert warehouse.contents() == changed


@pytest.mark.parametrize("hole", ["changelog", "deals/products", "v2/deals?", "v2/persons?"])
def test_a_page_that_stays_empty_is_made_good_the_next_night(portal, warehouse, changed, monkeypatch, hole) -> None:
    """Nothing is taken for deleted or for known by an answer that has a hole."""
    monkeypatch.setattr(pipedrive_reader, "PAGE", 1)
    monkeypatch.setattr(pipedrive_reader, "OFFSET_OVERLAP", 0)
    busy_day(portal)
    portal.set_faults([f"empty_page:{hole}@1x4"])
    results = warehouse.night(portal)
    assert {r.state for r in results.values()} == {"ok"}
    assert any("empty page" in (r.reason or "") for r in results.values())
    portal.set_faults([])
    warehouse.night(portal)
    assert warehouse.contents() == changed


def test_products_that_could_not_be_read_are_made_good_the_next_night(portal, warehouse, changed) -> None:
    busy_day(portal)
    portal.set_faults(["down:deals/products"])
    results = warehouse.night(portal, attempts=2)
    assert {name for name, r in results.items() if r.state != "ok"} == {"deal_products"}
    portal.set_faults([])
    warehouse.night(portal)
    assert warehouse.contents() == changed


def test_an_object_outside_the_plan_or_the_users_rights_is_named_and_the_rest_goes_on(portal, warehouse) -> None:
    portal.set_faults(["not_found:legacyTeams", "html_block:v1/notes@1x99", "missing_scope:persons"])
    results = warehouse.night(portal)
    states = {name: r.state for name, r in results.items() if r.state != "ok"}
    assert states == {"teams": "empty", "notes": "not_permitted", "persons": "failed"}
    assert "403" in (results["persons"].reason or "")


def test_the_changelog_stops_at_its_share_of_the_days_tokens_and_goes_on_the_next_night(
    portal, first, tmp_path
) -> None:
    """A company's tokens are shared with its other apps; a big account's changelog takes several nights."""
    warehouse = PipedriveWarehouse(tmp_path / "slow")
    nights = 0
    while True:
        portal.tokens_left = portal.daily_tokens = 800
        results = warehouse.night(portal)
        nights += 1
        assert {r.state for r in results.values()} == {"ok"}
        assert portal.tokens_left >= 100
        if not results["deals"].reason:
            break
        assert "tokens" in results["deals"].reason
    assert nights > 2
    assert warehouse.contents() == first[3]
    warehouse.close()


def test_a_night_takes_no_more_tokens_than_it_may(portal, tmp_path) -> None:
    warehouse = PipedriveWarehouse(tmp_path / "modest")
    before = portal.tokens_left
    results = warehouse.night(portal, tokens_per_night=600)
    assert "tokens" in (results["deals"].reason or "")
    assert 600 <= before - portal.tokens_left < 900
    warehouse.close()


class TestCredentials:
    def test_a_refused_token_ends_the_source_before_anything_is_written(self, portal, tmp_path) -> None:
        warehouse = PipedriveWarehouse(tmp_path / "none")
        with pytest.raises(CredentialsError, match="PIPEDRIVE_API_TOKEN") as caught:
            warehouse.night(portal, token=NEVER_SEEN)
        assert NEVER_SEEN not in str(caught.value)
        assert not warehouse.path.exists() and len(portal.calls) == 1

    def test_the_token_is_in_no_address_no_error_no_log_and_no_file(
        self, portal, warehouse, caplog, monkeypatch
    ) -> None:
        caplog.set_level(logging.DEBUG)
        monkeypatch.setattr(portal, "token", NEVER_SEEN)
        portal.set_faults(["down:persons", "html_block:activities"])
        results = warehouse.night(portal, attempts=2)
        warehouse.close()
        written = b"".join(path.read_bytes() for path in warehouse.folder.rglob("*") if path.is_file())
        said = repr(results) + caplog.text + repr(portal.calls)
        assert NEVER_SEEN not in said and NEVER_SEEN.encode() not in written


NIGHT = """
import sys
from contextlib import contextmanager
from datetime import datetime
import duckdb
from ingestion import landing, pipedrive_reader
from ingestion.pipedrive import PipedriveSource, sync_pipedrive

url, token, folder, now = sys.argv[1:]
pipedrive_reader.PAGE = 20

@contextmanager
def warehouse():
    with duckdb.connect(f"{folder}/warehouse.duckdb") as connection:
        landing.prepare(connection)
        yield connection

source = PipedriveSource(token, url, f"{folder}/spool", backoff_seconds=0.005)
for result in sync_pipedrive(warehouse, source, "killed", datetime.fromisoformat(now)):
    print(result.object, flush=True)
"""


def test_killed_between_pages_and_between_objects_it_leaves_nothing_behind(portal, warehouse, changed) -> None:
    busy_day(portal)
    warehouse.close()
    command = [sys.executable, "-c", NIGHT, portal.url, portal.token, str(warehouse.folder)]
    for calls, objects in ((12, 0), (30, 0), (0, 3), (0, 12)):
        portal.calls.clear()
        process = subprocess.Popen(
            [*command, portal_now(portal).isoformat()], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        for _ in range(objects):
            assert process.stdout.readline()
        while len(portal.calls) < calls and process.poll() is None:
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    warehouse.night(portal)
    assert warehouse.contents() == changed
    assert warehouse.query("select count(*) from raw.sync_state where source = 'pipedrive' and state <> 'ok'") == [(0,)]


def test_the_portal_shows_what_the_practice_company_is(portal) -> None:
    """The server's own word: as many deals of each state as the company has."""
    states = [deal["status"] for deal in vendor_states(portal, "deals").values()]
    assert {"open", "won", "lost"} == set(states)
