"""Nights against the practice portal: everything the first time, what changed afterwards, nothing lost or repeated."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from ingestion import hubspot_reader
from ingestion.hubspot import HubSpotSource
from ingestion.hubspot_streams import STREAMS
from ingestion.objects import HUBSPOT
from sandbox.properties import names
from sandbox.servers import hubspot_search
from sandbox.servers.hubspot import Portal, serve
from sandbox.store import iso
from tests.unit.ingestion.practice import (
    RECORDS,
    Warehouse,
    assert_same_as_vendor,
    change,
    portal_now,
    rendered,
    routes,
    some,
    tiny_world,
    vendor_links,
    vendor_living,
)

WEEK = timedelta(days=8)


def assert_balanced(warehouse: Warehouse) -> None:
    broken = warehouse.query(
        """select object, rows_read, rows_appended, rows_unchanged, rows_quarantined from raw.batches
           where rows_read <> rows_appended + rows_unchanged + rows_quarantined or rows_unchanged < 0"""
    )
    assert broken == []


def assert_nothing_appended(results) -> None:
    assert {name: r.state for name, r in results.items() if r.state != "ok"} == {}
    appended = {name: (r.rows_appended, r.links_appended, r.history_appended) for name, r in results.items()}
    assert {name: counts for name, counts in appended.items() if any(counts)} == {}


@pytest.fixture(scope="module")
def landed(tmp_path_factory):
    """A portal where somebody has left and something of each kind was thrown away, after its first night."""
    with serve(tiny_world()) as portal:
        for name in RECORDS:
            portal.world.store.archive(some(portal, name)[0], portal.world.stamp())
        owner = portal.world.sellers()[0]
        owner.archived_at = owner.updated_at = portal.world.stamp()
        warehouse = Warehouse(tmp_path_factory.mktemp("first"))
        yield portal, warehouse, warehouse.sync(portal)
        warehouse.close()


class TestTheFirstNight:
    def test_lands_every_record_with_every_property(self, landed):
        portal, warehouse, results = landed
        assert {name: r.reason for name, r in results.items() if r.state != "ok"} == {}
        assert set(results) == {entry.name for entry in HUBSPOT}
        for name in RECORDS:
            found = warehouse.living(name)
            assert found == vendor_living(portal, name)
            assert {frozenset(properties) for properties in found.values()} == {names(name)}, name

    def test_archived_records_are_deletions_with_their_values(self, landed):
        portal, warehouse, _ = landed
        archived = [r for name in RECORDS for r in portal.world.store.records[name].values() if r.archived_at]
        assert len(archived) >= len(RECORDS)
        for record in archived:
            is_deleted, payload = warehouse.newest(record.object_type)[record.id]
            assert is_deleted and payload["properties"] == rendered(portal, record)

    def test_counts_balance(self, landed):
        portal, warehouse, results = landed
        assert_balanced(warehouse)
        for name in RECORDS:
            assert results[name].rows_read == len(portal.world.store.records[name])
            assert results[name].rows_appended == results[name].rows_read

    def test_what_was_asked_is_counted(self, landed):
        portal, warehouse, results = landed
        asked = warehouse.query("select sum(requests), sum(retries), min(bytes) from raw.batches")
        assert asked[0][:2] == (len(portal.calls), 0) and asked[0][2] > 0
        assert sum(result.requests for result in results.values()) == len(portal.calls)

    @pytest.mark.parametrize("stream", [s for s in STREAMS if s.history], ids=lambda s: s.name)
    def test_the_history_of_its_properties(self, landed, stream):
        portal, warehouse, _ = landed
        found = warehouse.query(
            f"""select record_id, property, value, changed_at, source_type, changed_by
                from raw.hubspot__{stream.name}_history"""
        )
        expected = {
            (record.id, name, revision.value or "", iso(revision.at), revision.source, text(revision.user))
            for record in portal.world.store.records[stream.name].values()
            if record.archived_at is None
            for name in stream.history
            if name in names(stream.name)
            for revision in record.revisions(name)
        }
        assert len(found) == len(expected) > 0
        assert {(*row[:3], iso(round(row[3].timestamp() * 1000)), *row[4:]) for row in found} == expected

    @pytest.mark.parametrize("stream", [s for s in STREAMS if s.links], ids=lambda s: s.name)
    def test_links_with_their_labels(self, landed, stream):
        portal, warehouse, _ = landed
        for target in stream.links:
            found = warehouse.links(stream.name, target)
            assert found and found == vendor_links(portal, stream.name, target)

    def test_small_lists_come_whole(self, landed):
        portal, warehouse, _ = landed
        owners = {owner.id: owner.archived_at is not None for owner in portal.world.owners}
        assert {key: gone for key, (gone, _) in warehouse.newest("owners").items()} == owners
        assert any(owners.values())
        assert [len(warehouse.newest(name)) for name in ("pipelines", "lead_pipelines", "account_info")] == [2, 1, 1]
        defined = {f"{name}.{key}" for name in RECORDS for key in names(name)}
        assert set(warehouse.newest("properties")) == defined


def text(value: object) -> str | None:
    return None if value is None else str(value)


def test_an_unchanged_night_appends_nothing_and_asks_for_little(portal: Portal, warehouse: Warehouse) -> None:
    warehouse.sync(portal)
    before = warehouse.contents()
    portal.calls.clear()
    results = warehouse.sync(portal)
    assert_nothing_appended(results)
    assert warehouse.contents() == before
    nightly = [s.name for s in STREAMS if s.id_scan == "nightly"]
    expected = Counter(f"GET /crm/v3/objects/{s.name}" for s in STREAMS)  # the archived pass
    expected += Counter(f"GET /crm/v3/objects/{name}" for name in nightly)  # the id scan
    expected += Counter(f"POST /crm/v3/objects/{s.name}/search" for s in STREAMS)  # the overlap
    expected += Counter(f"GET /crm/v3/properties/{s.name}" for s in STREAMS)
    expected += Counter(["GET /crm/v3/owners"] * 2 + [f"GET /crm/v3/pipelines/{name}" for name in ("deals", "leads")])
    expected += Counter(["GET /account-info/v3/details"])
    assert routes(portal) == expected
    assert {name: r.scan_requests for name, r in results.items() if r.scan_requests} == dict.fromkeys(nightly, 1)


def test_a_later_night_reads_what_changed_and_ends_where_a_first_one_would(portal, warehouse, tmp_path) -> None:
    warehouse.sync(portal)
    portal.world.tick(6)
    before = {name: set(warehouse.newest(name)) for name in RECORDS}
    portal.calls.clear()
    results = warehouse.sync(portal)
    assert_same_as_vendor(warehouse, portal)
    assert_balanced(warehouse)
    assert sum(r.rows_appended for r in results.values()) > 5
    assert any(set(warehouse.newest(name)) - before[name] for name in RECORDS)
    fresh = Warehouse(tmp_path / "fresh")
    fresh.sync(portal)
    for stream in STREAMS:
        for target in stream.links:
            assert fresh.links(stream.name, target) <= warehouse.links(stream.name, target)
        if stream.history:
            keys = f"select record_id, property, value, changed_at from raw.hubspot__{stream.name}_history"
            assert set(fresh.query(keys)) <= set(warehouse.query(keys))
    fresh.close()
    assert_nothing_appended(warehouse.sync(portal))


@pytest.mark.usefixtures("small_pages")
def test_records_that_share_an_instant_with_the_cursor_are_never_skipped(portal, warehouse) -> None:
    warehouse.sync(portal)
    at = portal.world.now  # exactly the watermark
    for record in some(portal, "contacts", 23):
        record.properties["jobtitle"] = "Tied"
        record.updated_at = at
        record.properties["lastmodifieddate"] = iso(at)
    results = warehouse.sync(portal)
    assert results["contacts"].rows_appended == 23
    assert_same_as_vendor(warehouse, portal)


@pytest.mark.usefixtures("small_pages")
def test_more_changes_than_one_search_gives_are_all_read(portal, warehouse, monkeypatch) -> None:
    warehouse.sync(portal)
    monkeypatch.setattr(hubspot_search, "CEILING", 10)
    at = portal.world.stamp()
    for record in some(portal, "contacts", 42):  # a bulk update: all at one instant
        record.properties["jobtitle"] = "Bulk"
        record.updated_at = at
        record.properties["lastmodifieddate"] = iso(at)
    assert warehouse.sync(portal)["contacts"].rows_appended == 42
    assert not [call for call in portal.calls if call["status"] == 400]


def test_what_the_search_index_showed_late_is_found_by_the_overlap(portal, warehouse) -> None:
    warehouse.sync(portal)
    (late,) = change(portal, "deals", hs_next_step="Call back")
    portal.index_lag = 10 * 60_000
    portal.world.touches += 60
    assert warehouse.sync(portal)["deals"].rows_appended == 0
    portal.index_lag = 0
    assert warehouse.sync(portal)["deals"].rows_appended == 1
    assert warehouse.living("deals")[late]["hs_next_step"] == "Call back"


@pytest.mark.usefixtures("small_pages")
def test_more_properties_than_a_url_holds_land_the_same(portal, warehouse, tmp_path, monkeypatch) -> None:
    warehouse.sync(portal)
    other = Warehouse(tmp_path / "by_ids")
    monkeypatch.setattr(hubspot_reader, "LONGEST_PROPERTY_LIST", 50)
    other.sync(portal)
    assert other.contents() == warehouse.contents()
    other.close()


@pytest.mark.usefixtures("small_pages")
def test_page_size_does_not_matter(portal, warehouse, tmp_path, monkeypatch) -> None:
    warehouse.sync(portal)
    monkeypatch.setattr(hubspot_reader, "PAGE", 7)
    monkeypatch.setattr(hubspot_reader, "HISTORY_PAGE", 3)
    assert_nothing_appended(warehouse.sync(portal))
    other = Warehouse(tmp_path / "other")
    other.sync(portal)
    assert other.contents() == warehouse.contents()
    other.close()


class TestDeletions:
    def test_an_archived_record_is_found_by_the_archived_pass(self, portal, warehouse) -> None:
        warehouse.sync(portal)
        gone = {name: some(portal, name)[0] for name in RECORDS}
        for record in gone.values():
            portal.world.store.archive(record, portal.world.stamp())
        results = warehouse.sync(portal)
        for name, record in gone.items():
            is_deleted, payload = warehouse.newest(name)[record.id]
            assert is_deleted and payload["properties"] == rendered(portal, record), name
            assert (results[name].rows_appended, results[name].deletions) == (1, 1)
        assert_nothing_appended(warehouse.sync(portal))

    def test_a_restored_record_lives_again(self, portal, warehouse) -> None:
        record = some(portal, "deals")[0]
        portal.world.store.archive(record, portal.world.stamp())
        warehouse.sync(portal)
        assert warehouse.newest("deals")[record.id][0]
        portal.world.store.restore(record, portal.world.stamp())
        warehouse.sync(portal)
        assert_same_as_vendor(warehouse, portal)

    def test_a_record_restored_without_a_new_stamp_lives_again(self, portal, warehouse) -> None:
        record = some(portal, "contacts")[0]
        portal.world.store.archive(record, portal.world.stamp())
        warehouse.sync(portal)
        record.archived_at = None
        portal.world.store.membership["contacts"] += 1
        portal.world.touches += 1000
        warehouse.sync(portal)
        assert_same_as_vendor(warehouse, portal)
        assert_nothing_appended(warehouse.sync(portal))

    @pytest.mark.parametrize("name", ["contacts", "deals"])
    def test_an_erased_record_is_found_by_the_id_scan(self, portal, warehouse, name) -> None:
        warehouse.sync(portal)
        record = some(portal, name)[0]
        portal.world.store.erase(record, portal.world.stamp())
        assert warehouse.sync(portal)[name].deletions == 1
        tombstone = {"id": record.id, "merged_into": None, "tombstone": "erased"}
        assert warehouse.newest(name)[record.id] == (True, tombstone)
        assert_nothing_appended(warehouse.sync(portal))

    def test_an_archived_record_that_is_erased_is_noted_once(self, portal, warehouse) -> None:
        record = some(portal, "contacts")[0]
        portal.world.store.archive(record, portal.world.stamp())
        warehouse.sync(portal)
        portal.world.store.erase(record, portal.world.stamp())
        warehouse.sync(portal)
        assert warehouse.newest("contacts")[record.id][1]["tombstone"] == "erased"
        portal.calls.clear()
        assert_nothing_appended(warehouse.sync(portal))
        assert "POST /crm/v3/objects/contacts/batch/read" not in routes(portal)

    def test_objects_scanned_weekly_are_scanned_after_a_week(self, portal, warehouse) -> None:
        first = portal_now(portal)
        warehouse.sync(portal)
        record = some(portal, "calls")[0]
        portal.world.store.erase(record, portal.world.stamp())
        warehouse.sync(portal, first + timedelta(days=6))
        assert not warehouse.newest("calls")[record.id][0]
        warehouse.sync(portal, first + timedelta(days=7))
        assert warehouse.newest("calls")[record.id][0]

    def test_the_scan_can_be_nightly_by_configuration(self, portal, warehouse) -> None:
        warehouse.sync(portal)
        record = some(portal, "calls")[0]
        portal.world.store.erase(record, portal.world.stamp())
        warehouse.sync(portal, id_scan={"calls": "nightly"})
        assert warehouse.newest("calls")[record.id][0]

    def test_an_owner_who_left_is_a_deletion(self, portal, warehouse) -> None:
        warehouse.sync(portal)
        owner = portal.world.sellers()[0]
        owner.archived_at = owner.updated_at = portal.world.stamp()
        assert warehouse.sync(portal)["owners"].deletions == 1
        assert warehouse.newest("owners")[owner.id][0]


class TestMerges:
    @pytest.mark.parametrize("name", ["contacts", "companies", "deals"])
    def test_everyone_absorbed_names_the_last_survivor(self, portal, warehouse, name) -> None:
        a, b, c = some(portal, name, 3)
        warehouse.sync(portal)
        first = portal.world.store.merge(a, b, portal.world.stamp())
        warehouse.sync(portal)
        for loser in (a, b):
            assert warehouse.newest(name)[loser.id][1]["merged_into"] == first.id
        last = portal.world.store.merge(first, c, portal.world.stamp())
        warehouse.sync(portal)
        for loser in (a, b, c, first):
            is_deleted, payload = warehouse.newest(name)[loser.id]
            assert is_deleted and (payload["merged_into"], payload["tombstone"]) == (last.id, "merged")
        assert_same_as_vendor(warehouse, portal)
        assert_balanced(warehouse)
        assert_nothing_appended(warehouse.sync(portal))

    def test_a_vendor_that_names_direct_losers_only_is_followed_to_the_end(
        self, portal, warehouse, monkeypatch
    ) -> None:
        monkeypatch.setattr(portal.world.store, "_absorbed", lambda record: [])
        a, b, c, d = some(portal, "contacts", 4)
        warehouse.sync(portal)
        first = portal.world.store.merge(a, b, portal.world.stamp())
        warehouse.sync(portal)
        second = portal.world.store.merge(c, d, portal.world.stamp())
        last = portal.world.store.merge(second, first, portal.world.stamp())
        warehouse.sync(portal)
        survivors = {row.id: warehouse.newest("contacts")[row.id][1]["merged_into"] for row in (b, c, d, first, second)}
        assert set(survivors.values()) == {last.id}
        assert_nothing_appended(warehouse.sync(portal))

    def test_merges_from_before_the_first_night_are_landed_too(self, portal, warehouse) -> None:
        a, b = some(portal, "contacts", 2)
        merged = portal.world.store.merge(a, b, portal.world.stamp())
        warehouse.sync(portal)
        assert {warehouse.newest("contacts")[key][1]["merged_into"] for key in (a.id, b.id)} == {merged.id}

    def test_a_survivor_that_is_archived_keeps_its_losers(self, portal, warehouse) -> None:
        a, b = some(portal, "companies", 2)
        warehouse.sync(portal)
        merged = portal.world.store.merge(a, b, portal.world.stamp())
        portal.world.store.archive(merged, portal.world.stamp())
        warehouse.sync(portal)
        assert warehouse.newest("companies")[merged.id][0]
        for loser in (a, b):
            assert warehouse.newest("companies")[loser.id][1]["merged_into"] == merged.id


class TestLinks:
    def test_a_new_link_of_a_changed_record_and_a_removed_one(self, portal, warehouse) -> None:
        warehouse.sync(portal)
        deal, contact = some(portal, "deals")[0], some(portal, "contacts", 1, 20)[0]
        old = portal.world.store.linked("deals", deal.id, "contacts")[0]
        portal.world.store.unlink(deal, portal.world.store.records["contacts"][old])
        portal.world.store.link(deal, contact, portal.world.stamp(), label=37)
        change(portal, "deals", hs_next_step="New buyer")
        warehouse.sync(portal)
        assert warehouse.links("deals", "contacts") == vendor_links(portal, "deals", "contacts")
        assert (deal.id, contact.id, "USER_DEFINED", "37", "Decision maker") in warehouse.links("deals", "contacts")

    def test_a_link_removed_without_a_trace_is_found_after_a_week(self, portal, warehouse) -> None:
        now = portal_now(portal)
        warehouse.sync(portal)
        deal = some(portal, "deals")[0]
        other = portal.world.store.linked("deals", deal.id, "companies")[0]
        portal.world.store.unlink(deal, portal.world.store.records["companies"][other])
        warehouse.sync(portal, now + timedelta(days=1))
        assert (deal.id, other) in {row[:2] for row in warehouse.links("deals", "companies")}
        warehouse.sync(portal, now + WEEK)
        assert warehouse.links("deals", "companies") == vendor_links(portal, "deals", "companies")
        assert_nothing_appended(warehouse.sync(portal, now + WEEK))

    def test_a_record_with_more_links_than_one_answer_holds(self, portal, warehouse) -> None:
        portal.reader.association_page = 2
        contact = some(portal, "contacts")[0]
        for call in some(portal, "deals", 7):
            portal.world.store.link(call, contact, portal.world.stamp())
        deal = some(portal, "deals")[0]
        for person in some(portal, "contacts", 7):
            portal.world.store.link(deal, person, portal.world.stamp())
        warehouse.sync(portal)
        assert warehouse.links("deals", "contacts") == vendor_links(portal, "deals", "contacts")


def test_computed_counters_and_stamps_make_no_version(portal, warehouse) -> None:
    warehouse.sync(portal)
    portal.set_faults(["restamp"])
    results = warehouse.sync(portal)
    assert results["deals"].rows_read >= len(vendor_living(portal, "deals"))
    assert results["deals"].rows_appended == 0


def test_more_histories_by_configuration(portal, warehouse) -> None:
    warehouse.sync(portal, extra_history={"deals": ["dealname", "amount"]})
    asked = {row[0] for row in warehouse.query("select distinct property from raw.hubspot__deals_history")}
    assert {"dealname", "amount"} <= asked


def test_a_new_property_is_asked_for_the_same_night(portal, warehouse, monkeypatch) -> None:
    from sandbox import properties

    warehouse.sync(portal)
    monkeypatch.setitem(properties._PROPERTIES, "deals", properties._PROPERTIES["deals"] + " *champion:string")
    properties.definitions.cache_clear(), properties.names.cache_clear()
    try:
        (changed,) = change(portal, "deals", champion="Åsa")
        warehouse.sync(portal)
        assert warehouse.living("deals")[changed]["champion"] == "Åsa"
        assert "deals.champion" in warehouse.newest("properties")
    finally:
        properties.definitions.cache_clear(), properties.names.cache_clear()


def test_a_property_that_vanished_is_a_deletion_of_its_definition(portal, warehouse, monkeypatch) -> None:
    from sandbox import properties

    warehouse.sync(portal)
    shorter = properties._PROPERTIES["deals"].replace("*competitor:string", "")
    monkeypatch.setitem(properties._PROPERTIES, "deals", shorter)
    properties.definitions.cache_clear(), properties.names.cache_clear()
    try:
        assert warehouse.sync(portal)["properties"].deletions == 1
        is_deleted, payload = warehouse.newest("properties")["deals.competitor"]
        assert is_deleted and payload["label"] == "Competitor"
    finally:
        properties.definitions.cache_clear(), properties.names.cache_clear()


def test_a_clock_that_went_back_loses_nothing(portal, warehouse) -> None:
    now = portal_now(portal)
    warehouse.sync(portal, now)
    change(portal, "deals", hs_next_step="Sign")
    assert warehouse.sync(portal, now - timedelta(days=2))["deals"].rows_appended <= 1
    portal.world.tick(1)
    warehouse.sync(portal)
    assert_same_as_vendor(warehouse, portal)


def test_check_says_what_a_token_may_read(portal: Portal, warehouse: Warehouse) -> None:
    portal.set_faults(["missing_scope:emails", "missing_scope:deals", "not_found:account-info"])
    source = HubSpotSource(portal.token, portal.url, warehouse.folder / "spool", backoff_seconds=0.005)
    probes = {probe.object: probe for probe in source.check()}
    assert (probes["emails"].state, probes["deals"].state) == ("not_permitted", "failed")
    assert "sales-email-read" in (probes["emails"].reason or "") and "crm.objects.deals.read" in probes["deals"].reason
    assert (probes["account_info"].state, probes["contacts"].state) == ("absent", "ok")
    assert probes["deals"].is_required and not probes["emails"].is_required
    assert set(probes) | {"properties"} == set(source.objects)
