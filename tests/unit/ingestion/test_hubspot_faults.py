"""A vendor that is down, limiting or lying: asked again within bounds, reported, and made good by a later run."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from ingestion.hubspot_streams import REQUIRED
from ingestion.session import CredentialsError
from sandbox.servers import hubspot as server_module
from sandbox.servers.answers import Answer
from sandbox.servers.hubspot import Portal, serve
from tests.unit.ingestion.practice import Warehouse, change, portal_now, some, tiny_world

TOKEN = "pat-eu1-never-to-be-seen-0123456789"
PATIENCE = {"timeout_seconds": (5.0, 0.9), "attempts": 4}

pytestmark = pytest.mark.usefixtures("small_pages")


@pytest.fixture(scope="module")
def shared_portal():
    """One portal that nobody changes; each test sets its own faults."""
    with serve(tiny_world()) as portal:
        yield portal


@pytest.fixture
def quiet_portal(shared_portal: Portal):
    shared_portal.calls.clear()
    yield shared_portal
    shared_portal.set_faults([])


@pytest.fixture(scope="module")
def contents(shared_portal: Portal, tmp_path_factory):
    """What an undisturbed first night lands."""
    warehouse = Warehouse(tmp_path_factory.mktemp("undisturbed"))
    shared_portal.set_faults([])
    warehouse.sync(shared_portal)
    found = warehouse.contents()
    warehouse.close()
    return found


PASSING = [
    "rate_limit:objects/contacts@3x1",
    "rate_limit_silent:objects/contacts@1x3",
    "server_errors:objects/contacts@2x3",
    "server_errors:properties@1x3",
    "html:objects/contacts@1x3",
    "truncated:objects/contacts@2x3",
    "truncated:associations@2x3",
    "missing_results:objects/contacts@2x3",
    "missing_results:owners@1x1",
    "null_body:objects/contacts@2x3",
    "reset:objects/contacts@2x3",
    "hang:objects/contacts@2x1",
    "slow:objects/contacts@2x2",
    "locked:objects/contacts@2x3",
    "moved:objects/contacts@2x1",
    "empty_page:objects/contacts@2x3",
    "empty_page:owners@1x2",
]


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_asked_again_and_changes_nothing(quiet_portal, warehouse, contents, fault) -> None:
    quiet_portal.set_faults([fault])
    results = warehouse.sync(quiet_portal, **PATIENCE)
    assert {name: r.reason for name, r in results.items() if r.state != "ok" or r.reason} == {}
    if not fault.startswith("empty_page:owners"):  # owners fit one page: there is nothing to empty
        assert sum(result.retries for result in results.values()) >= 1
    assert warehouse.contents() == contents


LASTING = [  # fault, what the report must say, how many requests of the route are enough
    ("down:objects/contacts", "503", 4),
    ("rate_limit_daily:objects/contacts@2x999", "daily", 2),
    ("html_block:objects/contacts@2x999", "403", 2),
    ("html:objects/contacts@2x999", "HTML", 5),
    ("truncated:objects/contacts@2x999", "truncated", 5),
    ("missing_results:objects/contacts@2x999", "results", 5),
    ("null_body:objects/contacts@2x999", "not an object", 5),
    ("foreign_next:objects/contacts", "another host", 1),
    ("repeated_page:objects/contacts@2x999", "sent twice", 4),
    ("expired:objects/contacts@2x999", "401", 2),
    ("not_found:objects/contacts", "404", 1),
]


@pytest.mark.parametrize(("fault", "says", "requests"), LASTING, ids=[row[0] for row in LASTING])
def test_what_lasts_is_bounded_reported_and_made_good_later(
    quiet_portal, warehouse, contents, fault, says, requests
) -> None:
    quiet_portal.set_faults([fault])
    results = warehouse.sync(quiet_portal, attempts=4)
    assert {name for name, result in results.items() if result.state != "ok"} == {"contacts"}
    assert results["contacts"].state == "failed"
    assert says in (results["contacts"].reason or "")
    asked = [call for call in quiet_portal.calls if "objects/contacts" in call["path"]]
    assert len(asked) <= requests
    landed = warehouse.contents()
    assert landed["hubspot__contacts"] == [] and landed["hubspot__deals"] == contents["hubspot__deals"]
    state = warehouse.query("select state, state_reason, cursor from raw.sync_state where object = 'contacts'")
    assert state == [("failed", results["contacts"].reason, None)]
    quiet_portal.set_faults([])
    assert warehouse.sync(quiet_portal)["contacts"].state == "ok"
    assert warehouse.contents() == contents


@pytest.mark.parametrize("fault", ["reset:objects/contacts@1x999", "hang:objects/contacts@1x999"])
def test_a_dead_line_is_bounded(quiet_portal, warehouse, fault) -> None:
    quiet_portal.set_faults([fault])
    results = warehouse.sync(quiet_portal, timeout_seconds=(5.0, 0.6), attempts=2)
    assert {name for name, result in results.items() if result.state != "ok"} == {"contacts"}
    assert len([call for call in quiet_portal.calls if "objects/contacts" in call["path"]]) <= 8


def test_pages_get_smaller_when_answers_are_slow(quiet_portal, warehouse, contents, monkeypatch) -> None:
    from ingestion import hubspot_reader

    monkeypatch.setattr(hubspot_reader, "HISTORY_PAGE", 40)
    quiet_portal.set_faults(["hang:objects/contacts@1x2"])
    warehouse.sync(quiet_portal, timeout_seconds=(5.0, 0.6), attempts=2)
    paths = [call["path"] for call in quiet_portal.calls if "objects/contacts?" in call["path"]]
    assert ["limit=40" in path for path in paths[:2]] == [True, True]
    assert "limit=20" in paths[2]
    assert warehouse.contents() == contents


def test_a_page_that_stays_empty_is_reported_and_its_records_come_later(quiet_portal, warehouse, contents) -> None:
    quiet_portal.set_faults(["empty_page:objects/calls@2x4"])
    results = warehouse.sync(quiet_portal)
    assert results["calls"].state == "ok" and "empty page" in (results["calls"].reason or "")
    assert len(warehouse.newest("calls")) < len(some(quiet_portal, "calls", 999))
    quiet_portal.set_faults([])
    assert warehouse.sync(quiet_portal)["calls"].reason is None
    assert warehouse.contents() == contents


@pytest.fixture(scope="module")
def second_night(tmp_path_factory):
    """A portal that changed after a first night, that warehouse, and what an undisturbed second night makes of it."""
    folder = tmp_path_factory.mktemp("nights")
    with serve(tiny_world()) as portal:
        first = Warehouse(folder / "first")
        first.sync(portal)
        first.close()
        change(portal, "contacts", 17, jobtitle="Buyer")
        archived, erased, *merged = some(portal, "contacts", 4, 30)
        portal.world.store.archive(archived, portal.world.stamp())
        portal.world.store.erase(erased, portal.world.stamp())
        portal.world.store.merge(*merged, portal.world.stamp())
        shutil.copytree(first.folder, folder / "second")
        second = Warehouse(folder / "second")
        second.sync(portal)
        yield portal, first.folder, second.contents()
        second.close()


class TestLaterNights:
    @pytest.fixture
    def night(self, second_night, tmp_path: Path):
        portal, first, changed = second_night
        warehouse = Warehouse(Path(shutil.copytree(first, tmp_path / "data")))
        yield portal, warehouse, changed
        warehouse.close()
        portal.set_faults([])

    @pytest.mark.parametrize(
        "fault",
        [
            "server_errors:contacts/search@2x3",
            "html:contacts/search@2x3",
            "empty_page:contacts/search@2x3",
            "reset:contacts/batch/read@1x2",
            "truncated:archived=true@1x3",
            "server_errors:objects/contacts/@8x3",
        ],
    )
    def test_what_passes_changes_nothing(self, night, fault) -> None:
        portal, warehouse, changed = night
        portal.set_faults([fault])
        results = warehouse.sync(portal, **PATIENCE)
        assert {name: r.reason for name, r in results.items() if r.state != "ok" or r.reason} == {}
        assert sum(result.retries for result in results.values()) >= 1
        assert warehouse.contents() == changed

    @pytest.mark.parametrize(
        "fault",
        [
            "down:contacts/search@2x999",
            "empty_page:contacts/search@2x999",
            "down:contacts/batch/read@2x999",
            "foreign_next:objects/contacts?",
            "repeated_page:objects/contacts?@2x999",
            "down:associations/contacts",
        ],
    )
    def test_what_lasts_keeps_the_cursor_and_a_later_night_lands_the_same(self, night, fault) -> None:
        portal, warehouse, changed = night
        cursor = "select cursor, last_success_at from raw.sync_state where object = 'contacts'"
        before, rows = warehouse.query(cursor), warehouse.contents()["hubspot__contacts"]
        portal.set_faults([fault])
        results = warehouse.sync(portal, **PATIENCE)
        assert {name for name, result in results.items() if result.state != "ok"} == {"contacts"}
        assert warehouse.query(cursor) == before
        assert warehouse.contents()["hubspot__contacts"] == rows
        portal.set_faults([])
        warehouse.sync(portal)
        assert warehouse.contents() == changed


SCOPES = {
    "contacts": "crm.objects.contacts.read",
    "companies": "crm.objects.companies.read",
    "deals": "crm.objects.deals.read",
    "owners": "crm.objects.owners.read",
    "pipelines": "crm.objects.deals.read",
    "leads": "crm.objects.leads.read",
    "line_items": "crm.objects.line_items.read",
    "emails": "sales-email-read",
    "calls": "crm.objects.contacts.read",
    "meetings": "crm.objects.contacts.read",
    "notes": "crm.objects.contacts.read",
    "tasks": "crm.objects.contacts.read",
}


@pytest.mark.parametrize("missing", [["deals"], ["emails"], sorted(SCOPES)], ids=["deals", "emails", "all"])
def test_a_missing_scope_is_named_and_the_others_go_on(quiet_portal, warehouse, contents, missing) -> None:
    quiet_portal.set_faults([f"missing_scope:{name}" for name in missing])
    results = warehouse.sync(quiet_portal)
    states = {name: "failed" if name in REQUIRED else "not_permitted" for name in missing}
    if "pipelines" in missing:
        states["lead_pipelines"] = "not_permitted"
    assert {name: result.state for name, result in results.items() if result.state != "ok"} == states
    for name in missing:
        reason = results[name].reason or ""
        assert SCOPES[name] in reason and "403" in reason
        assert (results[name].retries, results[name].rows_appended) == (0, 0)
        recorded = warehouse.query("select state, state_reason from raw.sync_state where object = ?", name)
        assert recorded == [(states[name], reason)]
    quiet_portal.set_faults([])
    warehouse.sync(quiet_portal)
    assert warehouse.contents() == contents


def test_a_portal_without_leads_is_not_a_failure(quiet_portal, warehouse) -> None:
    quiet_portal.set_faults(["not_found:leads", "not_found:account-info"])
    results = warehouse.sync(quiet_portal)
    assert {name for name, r in results.items() if r.state == "empty"} == {"leads", "lead_pipelines", "account_info"}
    assert {name for name, r in results.items() if r.state == "failed"} == set()
    assert "404" in (results["account_info"].reason or "")
    assert warehouse.query("select distinct state from raw.sync_state") == [("ok",)]


def test_property_definitions_of_another_form_fail_that_object_only(quiet_portal, warehouse, monkeypatch) -> None:
    real = server_module.Reader.properties

    def lying(self, spelling, rest, query):
        return (
            Answer(200, {"results": [None, {"nom": "x"}]}) if spelling == "calls" else real(self, spelling, rest, query)
        )

    monkeypatch.setattr(server_module.Reader, "properties", lying)
    results = warehouse.sync(quiet_portal)
    assert {name for name, result in results.items() if result.state == "failed"} == {"calls"}
    assert "calls" in (results["properties"].reason or "")


@pytest.mark.parametrize("value", ["maybe", {"really": 1}], ids=str)
def test_an_answer_that_the_tables_cannot_hold_fails_that_object_only(
    quiet_portal, warehouse, contents, monkeypatch, value
) -> None:
    real = server_module.Reader.page

    def lying(self, object_type, *rest):
        answer = real(self, object_type, *rest)
        if object_type == "deals":
            answer.body["results"] = [row | {"archived": value} for row in answer.body["results"]]
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(server_module.Reader, "page", lying)
        results = warehouse.sync(quiet_portal)
    assert {name for name, result in results.items() if result.state == "failed"} == {"deals"}
    assert results["deals"].reason
    warehouse.sync(quiet_portal)
    assert warehouse.contents() == contents


def test_records_that_are_none_are_quarantined_and_counted(quiet_portal, warehouse, monkeypatch) -> None:
    real = server_module.Reader.page

    def lying(self, object_type, *rest):
        answer = real(self, object_type, *rest)
        if object_type == "deals" and answer.body["results"]:
            answer.body["results"][:4] = [None, {"properties": {"a": "1"}}, {"id": "5"}, "text"]
        return answer

    monkeypatch.setattr(server_module.Reader, "page", lying)
    deals = warehouse.sync(quiet_portal)["deals"]
    assert deals.state == "ok" and deals.rows_quarantined > 0 and deals.rows_quarantined % 4 == 0
    assert deals.rows_read == deals.rows_appended + deals.rows_unchanged + deals.rows_quarantined
    reasons = warehouse.query(
        "select reason, count(*) from raw.quarantine where object = 'deals' group by 1 order by 1"
    )
    each = deals.rows_quarantined // 4
    assert reasons == [("no id", each), ("no properties", each), ("not a record", 2 * each)]


class TestCredentials:
    @pytest.mark.parametrize("fault", [[], ["unauthorized"]], ids=["wrong token", "revoked"])
    def test_a_refused_token_ends_the_source_before_anything_is_written(self, quiet_portal, warehouse, fault) -> None:
        quiet_portal.set_faults(fault)
        with pytest.raises(CredentialsError, match="HUBSPOT_ACCESS_TOKEN") as caught:
            warehouse.sync(quiet_portal, token=TOKEN)
        assert TOKEN not in str(caught.value)
        assert not warehouse.path.exists()
        assert len(quiet_portal.calls) == 1

    def test_check_raises_it_too(self, quiet_portal, warehouse) -> None:
        with pytest.raises(CredentialsError):
            warehouse.source(quiet_portal, token=TOKEN).check()

    @pytest.mark.parametrize("token", ["", "two words"])
    def test_a_token_that_cannot_be_one_is_never_sent(self, quiet_portal, warehouse, token) -> None:
        with pytest.raises(CredentialsError, match="HUBSPOT_ACCESS_TOKEN"):
            warehouse.source(quiet_portal, token=token)
        assert quiet_portal.calls == []

    def test_the_token_is_in_no_error_no_log_and_no_file(self, quiet_portal, warehouse, monkeypatch, caplog) -> None:
        """A vendor that echoes the token in its errors must not bring it into ours."""
        caplog.set_level(logging.DEBUG)
        monkeypatch.setattr(quiet_portal, "token", TOKEN)
        echo = {"status": "error", "message": f"bad token {TOKEN}", "policyName": "DAILY"}
        table = {"html": 500, "locked": 401, "moved": 429, "down": 400}
        monkeypatch.setattr(
            server_module,
            "answer_of_fault",
            lambda fault: Answer(table[fault.name], echo) if fault is not None and fault.name in table else None,
        )
        routes = (
            "html:objects/contacts@1x999",
            "locked:objects/deals@1x999",
            "moved:objects/calls@1x999",
            "down:leads",
        )
        quiet_portal.set_faults(routes)
        results = warehouse.sync(quiet_portal, attempts=2)
        failed = {name for name, result in results.items() if result.state == "failed"}
        assert {"contacts", "deals", "calls", "leads"} <= failed
        warehouse.close()
        written = [path for path in warehouse.folder.rglob("*") if path.is_file()]
        assert warehouse.path in written
        for path in written:
            assert TOKEN.encode() not in path.read_bytes(), path
        assert TOKEN not in repr(results) + caplog.text

    def test_an_echoed_cursor_or_link_shows_no_token(self, quiet_portal, warehouse, monkeypatch) -> None:
        def spoiled(answer, fault):
            if fault is not None:
                answer.body["paging"] = {"next": {"after": TOKEN, "link": f"http://{TOKEN}.test/{TOKEN}"}}
                if fault.argument == "objects/deals":
                    del answer.body["paging"]["next"]["link"]
            return answer

        monkeypatch.setattr(quiet_portal, "token", TOKEN)
        monkeypatch.setattr(server_module, "spoiled", spoiled)
        quiet_portal.set_faults(["repeated_page:objects/contacts", "repeated_page:objects/deals"])
        results = warehouse.sync(quiet_portal)
        assert {name for name, result in results.items() if result.state == "failed"} >= {"contacts"}
        assert TOKEN not in repr(results)


def test_a_night_within_the_vendors_limits_is_never_refused(portal, warehouse) -> None:
    warehouse.sync(portal)
    portal.limits = True
    results = warehouse.sync(portal, rate_per_second=9.0)
    assert {name for name, result in results.items() if result.state != "ok"} == set()
    assert not [call for call in portal.calls if call["status"] == 429]


def test_a_night_past_the_vendors_limits_waits_as_told(portal, warehouse) -> None:
    warehouse.sync(portal)
    portal.limits = True
    results = warehouse.sync(portal)
    assert {name: result.reason for name, result in results.items() if result.state != "ok"} == {}
    assert [call for call in portal.calls if call["status"] == 429]


def test_the_night_keeps_its_own_time(quiet_portal, warehouse) -> None:
    now = portal_now(quiet_portal)
    warehouse.sync(quiet_portal, now)
    assert warehouse.query("select distinct landed_at = ? from raw.hubspot__deals", now) == [(True,)]
