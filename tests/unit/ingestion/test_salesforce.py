"""Nights against the practice org: everything the first time, then what changed; the vendor's faults made good."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ingestion import salesforce
from ingestion.objects import SALESFORCE
from ingestion.salesforce import REQUIRED, columns_of
from ingestion.salesforce_client import CLIENT_SECRET, Login, signed_jwt
from ingestion.session import CredentialsError
from sandbox.servers.salesforce import CLIENT_ID, OrgServer, serve
from sandbox.servers.salesforce_fields import describe
from tests.unit.ingestion.practice import tiny_world
from tests.unit.ingestion.salesforce_practice import OrgWarehouse, asked, assert_same_as_org, org_now
from tests.unit.ingestion.test_hubspot_kill import ROOT, finish

WEEK = timedelta(days=8)


@pytest.fixture(scope="module")
def quiet():
    """An org that nobody changes; each test sets its own faults."""
    with serve(tiny_world()) as org:
        yield org


@pytest.fixture
def quiet_org(quiet: OrgServer):
    quiet.calls.clear()
    quiet.batch_size = 40
    yield quiet
    quiet.set_faults([])
    quiet.daily_limit, quiet.used, quiet.org.is_multi_currency = 100_000, 0, True
    quiet.credentials.public_key = None


@pytest.fixture
def org():
    """An org of its own, to be changed at will."""
    with serve(tiny_world(11)) as org:
        yield org


@pytest.fixture
def warehouse(tmp_path: Path):
    warehouse = OrgWarehouse(tmp_path / "data")
    yield warehouse
    warehouse.close()


@pytest.fixture(scope="module")
def contents(quiet: OrgServer, tmp_path_factory):
    """What an undisturbed first night lands."""
    warehouse = OrgWarehouse(tmp_path_factory.mktemp("undisturbed"))
    results = warehouse.read(quiet)
    assert {name: result.reason for name, result in results.items() if result.state != "ok"} == {}
    assert set(results) == {entry.name for entry in SALESFORCE}
    assert_same_as_org(warehouse, quiet)
    found = warehouse.contents()
    warehouse.close()
    return found


def living(org: OrgServer, kind: str, count: int, skip: int = 0):
    found = [row for row in org.world.store.records[kind].values() if row.archived_at is None]
    return sorted(found, key=lambda row: int(row.id))[skip : skip + count]


def broken(results):
    return {name: result.reason for name, result in results.items() if result.state != "ok"}


def appended(results):
    counts = {name: (result.rows_appended, result.history_appended) for name, result in results.items()}
    return {name: found for name, found in counts.items() if any(found)}


def test_a_second_read_appends_nothing_whatever_the_pages(quiet_org, warehouse, contents) -> None:
    warehouse.read(quiet_org)
    assert warehouse.contents() == contents
    quiet_org.calls.clear()
    quiet_org.batch_size = 7
    results = warehouse.read(quiet_org)
    assert broken(results) == appended(results) == {}
    assert asked(quiet_org)["queryAll"] <= 30
    balances = warehouse.query("select 1 from raw.batches where rows_read <> rows_appended + rows_unchanged")
    assert balances == []


def test_a_bulk_load_lands_what_the_pages_would(quiet_org, warehouse, contents) -> None:
    results = warehouse.read(quiet_org, bulk_above=3)
    assert broken(results) == {}
    assert asked(quiet_org)["jobs/query"] > 15
    assert warehouse.contents() == contents
    quiet_org.calls.clear()
    assert appended(warehouse.read(quiet_org)) == {}


def test_bulk_results_come_in_pages_of_their_own(quiet_org, warehouse, contents, monkeypatch) -> None:
    monkeypatch.setattr("ingestion.salesforce_client.BULK_PAGE", 7)
    assert broken(warehouse.read(quiet_org, bulk_above=3)) == {}
    assert warehouse.contents() == contents


PASSING = [
    "empty_page:FROM Contact@1x2",
    "session_expired:FROM Contact@1x1",
    "session_expired:queryAll/01g@1x1",
    "session_expired:query/01g@2x1",
    "locator_gone:query/01g@1x3",
    "concurrent_limit:FROM Task@1x2",
    "down:FROM Account@1x2",
    "server_errors:query/01g@1x2",
    "truncated:FROM Opportunity@1x1",
    "html:composite@1x1",
    "reset:FROM Contact@1x2",
    "query_timeout:FROM Task@1x1",
]


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_asked_again_and_changes_nothing(quiet_org, warehouse, contents, fault) -> None:
    quiet_org.set_faults([fault])
    results = warehouse.read(quiet_org)
    assert broken(results) == {}
    assert warehouse.contents() == contents


BULK = ["job_failed:jobs/query@1x1", "job_failed:jobs/query@1x99", "truncated:results@2x1"]
BULK += ["session_expired:results@1x1"]


@pytest.mark.parametrize("fault", BULK)
def test_a_job_that_fails_is_done_again_or_read_by_page(quiet_org, warehouse, contents, fault) -> None:
    quiet_org.set_faults([fault])
    assert broken(warehouse.read(quiet_org, bulk_above=3)) == {}
    assert warehouse.contents() == contents


LASTING = [
    ("down:FROM Contact@1x99", "503"),
    ("locator_gone:query/01g@1x999", "INVALID_QUERY_LOCATOR"),
    ("html:FROM Contact@1x99", "HTML"),
    ("empty_page:FROM Contact@1x99", "empty page"),
]


@pytest.mark.parametrize(("fault", "says"), LASTING)
def test_what_lasts_is_reported_and_made_good_later(quiet_org, warehouse, contents, fault, says) -> None:
    quiet_org.set_faults([fault])
    results = warehouse.read(quiet_org, attempts=2)
    failed = {name: result for name, result in results.items() if result.state == "failed"}
    assert failed and all(says in (result.reason or "") for result in failed.values())
    assert warehouse.contents()["salesforce__stages"] == contents["salesforce__stages"]
    quiet_org.set_faults([])
    assert broken(warehouse.read(quiet_org)) == {}
    assert warehouse.contents() == contents


def test_the_orgs_day_is_shared(quiet_org, warehouse, contents) -> None:
    """Others use it too: at the configured share the reading stops, says so, and goes on another night."""
    quiet_org.daily_limit, quiet_org.used = 100, 60
    results = warehouse.read(quiet_org, daily_share=0.7)
    stopped = [result for result in results.values() if result.state == "failed"]
    assert stopped and all("daily_share allows" in (result.reason or "") for result in stopped)
    assert 67 <= quiet_org.used <= 70
    quiet_org.daily_limit = 100_000
    assert broken(warehouse.read(quiet_org)) == {}
    assert warehouse.contents() == contents


def test_a_day_that_is_used_up_is_not_asked_again(quiet_org, warehouse) -> None:
    quiet_org.set_faults(["request_limit:FROM@1x999"])
    results = warehouse.read(quiet_org)
    assert results["opportunities"].state == "failed" and "used up" in (results["opportunities"].reason or "")
    assert len([call for call in quiet_org.calls if "queryAll" in call["path"]]) <= 22


def test_an_org_without_currencies_or_history_is_whole_without(quiet_org, warehouse) -> None:
    quiet_org.org.is_multi_currency = False
    results = warehouse.read(quiet_org)
    empty = {name for name, result in results.items() if result.state == "empty"}
    assert set(broken(results)) == empty == {"currencies", "conversion_rates"}
    assert warehouse.query("select count(*) from raw.sync_state where state <> 'ok'") == [(0,)]


def test_wrong_credentials_write_nothing(quiet_org, warehouse) -> None:
    with pytest.raises(CredentialsError, match=CLIENT_SECRET) as caught:
        warehouse.read(quiet_org, login=Login(CLIENT_ID, "wrong-secret-0123"))
    assert "wrong-secret" not in str(caught.value)
    assert not (warehouse.folder / "spool").exists()


def test_a_session_that_keeps_expiring_ends_in_a_reason(quiet_org, warehouse) -> None:
    quiet_org.set_faults(["session_expired:FROM Contact@1x999"])
    results = warehouse.read(quiet_org)
    assert results["contacts"].state == "failed" and "401" in (results["contacts"].reason or "")


class TestSigningIn:
    @pytest.fixture(scope="class")
    @classmethod
    def key(cls):
        return rsa.generate_private_key(65537, 2048)

    @pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
    def test_an_assertion_is_signed_as_others_check_it(self, key, form) -> None:
        nothing = serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), nothing)
        claims = {"iss": "key", "sub": "reader@example.com", "aud": "https://login.salesforce.com", "exp": 2**33}
        token = signed_jwt(claims, pem.decode())
        assert jwt.decode(token, key.public_key(), ["RS256"], audience=claims["aud"]) == claims

    def test_a_key_lets_in_and_another_one_does_not(self, quiet_org, warehouse, key) -> None:
        numbers = key.public_key().public_numbers()
        quiet_org.credentials.public_key = (numbers.n, numbers.e)
        nothing, pem = serialization.NoEncryption(), serialization.Encoding.PEM
        for one, is_right in ((key, True), (rsa.generate_private_key(65537, 2048), False)):
            text = one.private_bytes(pem, serialization.PrivateFormat.PKCS8, nothing).decode()
            source = warehouse.org_source(quiet_org, login=Login(CLIENT_ID, private_key=text, username="r@example.com"))
            if is_right:
                assert {probe.state for probe in source.check()} == {"ok"}
            else:
                with pytest.raises(CredentialsError, match="invalid_grant"):
                    source.check()

    def test_no_key_is_no_key(self) -> None:
        with pytest.raises(CredentialsError, match="PRIVATE_KEY"):
            signed_jwt({}, "-----BEGIN PRIVATE KEY-----\nbm8=\n-----END PRIVATE KEY-----")


def test_compound_fields_and_files_are_not_read() -> None:
    columns = columns_of(describe("Account"))
    assert "BillingCity" in columns and "BillingAddress" not in columns and "Segment__c" in columns
    described = {"fields": [
        {"name": "Id", "type": "id"}, {"name": "Body", "type": "base64"}, {"name": "Place__c", "type": "location"},
        {"name": "Place__Latitude__s", "type": "double", "compoundFieldName": "Place__c"},
        {"name": "Name", "type": "string"}, {"name": "FirstName", "type": "string", "compoundFieldName": "Name"},
    ]}  # fmt: skip
    assert list(columns_of(described)) == ["Id", "Place__Latitude__s", "Name", "FirstName"]


class TestLaterNights:
    def test_each_kind_of_change_is_read(self, org, warehouse) -> None:
        warehouse.read(org)
        store, stamp = org.world.store, org.world.stamp
        user = org.world.owners[0].user_id
        for deal in living(org, "deals", 5):
            store.change(deal, stamp(), {"amount": "1234567890.5", "hs_next_step": "Call"}, user=user)
        store.archive(living(org, "deals", 1, 8)[0], stamp())
        archived = next(row for row in living(org, "contacts", 60) if row.source != "FORM")
        store.archive(archived, stamp())
        people = [row for row in living(org, "contacts", 60) if row.source != "FORM"]
        first, second, third = [row for row in people if not store.linked("contacts", row.id, "deals")][:3]
        merged = store.merge(first, second, stamp())
        store.merge(merged, third, stamp())
        org.calls.clear()
        results = warehouse.read(org)
        assert broken(results) == {}
        assert_same_as_org(warehouse, org)
        assert results["opportunities"].history_appended > 0
        newest = warehouse.newest("contacts")
        losers = [payload for gone, payload in newest.values() if gone and payload.get("MasterRecordId")]
        assert len(losers) >= 2 and {payload["MasterRecordId"] for payload in losers} <= set(newest)
        store.restore(archived, stamp())
        assert broken(warehouse.read(org)) == {}
        assert_same_as_org(warehouse, org)
        assert appended(warehouse.read(org)) == {}

    def test_days_that_pass_bring_conversions_and_history(self, org, warehouse) -> None:
        warehouse.read(org)
        org.world.tick(45)
        assert broken(warehouse.read(org, org_now(org))) == {}
        assert_same_as_org(warehouse, org)
        whole = OrgWarehouse(warehouse.folder / "whole")
        whole.read(org)
        tables = {entry.history_table.removeprefix("raw.") for entry in SALESFORCE if entry.has_history}
        for name in tables:
            assert dict(whole.contents())[name] == dict(warehouse.contents())[name], name
        whole.close()

    def test_what_was_erased_is_found_by_the_weekly_list_of_ids(self, org, warehouse) -> None:
        warehouse.read(org)
        erased = [row for row in living(org, "contacts", 60) if row.source != "FORM"][5]
        key = org.org.id_of(erased)
        for kind in ("deals", "companies", "calls", "emails", "notes", "tasks", "meetings"):
            for linked in list(org.world.store.linked("contacts", erased.id, kind)):
                org.world.store.unlink(erased, org.world.store.records[kind][linked])
        org.world.store.erase(erased, org.world.stamp())
        warehouse.read(org)
        assert not warehouse.newest("contacts")[key][0]
        results = warehouse.read(org, org_now(org) + WEEK)
        is_deleted, payload = warehouse.newest("contacts")[key]
        assert is_deleted and payload["tombstone"] == "erased" and results["contacts"].deletions == 1
        assert results["contacts"].scan_requests > 0
        assert appended(warehouse.read(org, org_now(org) + 2 * WEEK)) == {}

    def test_a_field_that_becomes_visible_is_read_of_every_record(self, org, warehouse, monkeypatch) -> None:
        fields = [entry for entry in describe("Account")["fields"] if entry["name"] != "Segment__c"]
        hidden = dict(describe("Account"), fields=fields)
        with monkeypatch.context() as patch:
            patched = "sandbox.servers.salesforce._Handler._described"
            patch.setattr(patched, lambda self, name: hidden if name == "Account" else describe(name))
            warehouse.read(org)
        assert all("Segment__c" not in payload for _, payload in warehouse.newest("accounts").values())
        assert warehouse.read(org)["accounts"].rows_appended == len(org.org.rows("Account"))
        assert_same_as_org(warehouse, org)

    def test_a_record_of_too_many_fields_is_read_in_bulk(self, org, warehouse, monkeypatch) -> None:
        monkeypatch.setattr("ingestion.salesforce_client.LONGEST_URI", 450)
        assert broken(warehouse.read(org)) == {}
        assert asked(org)["jobs/query"] >= 3
        assert_same_as_org(warehouse, org)


NIGHT = """
import sys
from contextlib import contextmanager
from datetime import datetime
import duckdb
from ingestion import landing
from ingestion.salesforce import SalesforceSource, sync_salesforce
from ingestion.salesforce_client import Login

url, key, secret, folder, now = sys.argv[1:]

@contextmanager
def warehouse():
    with duckdb.connect(f"{folder}/warehouse.duckdb") as connection:
        landing.prepare(connection)
        yield connection

source = SalesforceSource(Login(key, secret), url, f"{folder}/spool", backoff_seconds=0.005)
for result in sync_salesforce(warehouse, source, "killed", datetime.fromisoformat(now)):
    print(result.object, result.state, flush=True)
"""


def test_killed_nights_then_a_whole_one(quiet_org, warehouse, contents) -> None:
    """SIGKILL between pages and between landings leaves nothing that the whole night does not."""
    draw = random.Random(20261102)
    quiet_org.batch_size = 10
    credentials = quiet_org.credentials
    arguments = [quiet_org.url, credentials.client_id, credentials.client_secret, str(warehouse.folder)]
    for calls in (draw.randint(3, 12), draw.randint(12, 60)):
        quiet_org.calls.clear()
        process = subprocess.Popen(
            [sys.executable, "-c", NIGHT, *arguments, org_now(quiet_org).isoformat()],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        while len(quiet_org.calls) < calls and process.poll() is None:
            time.sleep(0.001)
        finish(process)
    assert broken(warehouse.read(quiet_org)) == {}
    assert warehouse.contents() == contents
    assert warehouse.query("select count(*) from raw.sync_state where state <> 'ok'") == [(0,)]


def test_what_must_be_there_is_in_the_catalogue() -> None:
    assert {entry.name for entry in SALESFORCE} >= REQUIRED and salesforce.SOURCE == "salesforce"
