"""The practice org against a public client, unmodified but for the host, and against questions a real org refuses."""

from __future__ import annotations

import csv
from datetime import date
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest, SalesforceResourceNotFound

from sandbox.servers.salesforce import CLIENT_ID, CLIENT_SECRET, OrgServer, serve
from sandbox.servers.salesforce_fields import SOBJECTS, describe, org_id, types_of
from sandbox.world import live


class Loopback(HTTPAdapter):
    """The client speaks https to whatever host it was told: all of it goes to the practice org."""

    def __init__(self, org: OrgServer) -> None:
        self.org = org
        super().__init__()

    def send(self, request, **options):
        parts = urlsplit(request.url)
        request.url = self.org.url + parts.path + (f"?{parts.query}" if parts.query else "")
        return super().send(request, **options)


@pytest.fixture(scope="module")
def shared():
    """Also with something of each kind in the bin, and one contact merged into another."""
    world = live(7, "tiny", date(2026, 11, 2))
    for kind in ("deals", "contacts", "companies", "leads"):
        world.store.archive(next(iter(world.store.records[kind].values())), world.stamp())
    first, second = [one for one in world.store.records["contacts"].values() if one.archived_at is None][:2]
    world.store.merge(first, second, world.stamp())
    with serve(world) as org:
        yield org


@pytest.fixture
def org(shared: OrgServer):
    yield shared
    shared.set_faults([])
    shared.batch_size = 2_000
    shared.org.is_multi_currency = True


def client_of(org: OrgServer) -> Salesforce:
    session = requests.Session()
    session.mount("https://", Loopback(org))
    return Salesforce(consumer_key=CLIENT_ID, consumer_secret=CLIENT_SECRET, domain="acme.my", session=session)


@pytest.fixture
def client(org: OrgServer, monkeypatch: pytest.MonkeyPatch) -> Salesforce:
    monkeypatch.setattr("simple_salesforce.bulk2.sleep", lambda seconds: None)  # it polls every few seconds
    return client_of(org)


@pytest.mark.parametrize("sobject", SOBJECTS)
def test_every_object_comes_whole_in_pages_and_in_bulk(org, client, sobject) -> None:
    names = [entry["name"] for entry in getattr(client, sobject).describe()["fields"] if entry["type"] != "address"]
    org.batch_size = 30
    soql = f"SELECT {', '.join(names)} FROM {sobject}"
    found = client.query_all(soql, include_deleted=True)
    expected = sorted(row["Id"] for row in org.org.rows(sobject))
    assert sorted(row["Id"] for row in found["records"]) == expected and found["totalSize"] == len(expected)
    pages = list(getattr(client.bulk2, sobject).query_all(soql, max_records=100))
    in_bulk = [row for page in pages for row in csv.DictReader(page.splitlines())]
    assert sorted(row["Id"] for row in in_bulk) == expected and list(in_bulk[0] if in_bulk else names) == names


def test_queries_without_all_leave_deleted_records_out(org, client) -> None:
    gone = {row["Id"] for row in org.org.rows("Opportunity") if row["IsDeleted"]}
    assert gone and not gone & {row["Id"] for row in client.query_all("SELECT Id FROM Opportunity")["records"]}
    with pytest.raises(SalesforceResourceNotFound):
        client.Opportunity.get(min(gone))


def test_the_survivor_of_a_merge_keeps_its_id(client, org) -> None:
    store = org.world.store
    assert store.absorbed
    accounts = {row["Id"]: row for row in org.org.rows("Account") + org.org.rows("Contact")}
    for (kind, loser), (_, _, merged) in store.absorbed.items():
        if kind == "deals":
            continue
        sobject = {"companies": "Account", "contacts": "Contact"}[kind]
        row = accounts[org_id(sobject, int(loser))]
        master = accounts[row["MasterRecordId"]]
        assert row["IsDeleted"] and master["Id"] != org_id(sobject, int(merged))


def test_stages_statuses_and_users_explain_what_records_name(org) -> None:
    rows = org.org.rows
    stages = {row["MasterLabel"] for row in rows("OpportunityStage")}
    assert {row["StageName"] for row in rows("Opportunity")} <= stages
    assert {row["Status"] for row in rows("Lead")} <= {row["MasterLabel"] for row in rows("LeadStatus")}
    users = {row["Id"] for row in rows("User")}
    assert {row["OwnerId"] for row in rows("Opportunity")} <= users
    assert all(row["IsConverted"] == (row["ConvertedContactId"] is not None) for row in rows("Lead"))
    assert any(row["IsConverted"] for row in rows("Lead"))


def test_the_newest_snapshot_and_the_newest_change_agree_with_the_record(org) -> None:
    for sobject, key in (("OpportunityHistory", None), ("OpportunityFieldHistory", "StageName")):
        newest: dict[str, tuple[int, object]] = {}
        for row in org.org.rows(sobject):
            if key in (None, row.get("Field")):
                value = row["StageName"] if key is None else row["NewValue"]
                newest[row["OpportunityId"]] = max(
                    newest.get(row["OpportunityId"], (0, "")), (row["CreatedDate"], value)
                )
        present = {row["Id"]: row["StageName"] for row in org.org.rows("Opportunity")}
        assert newest and all(present[key] == value for key, (_, value) in newest.items()), sobject


def test_rows_have_no_field_that_the_description_lacks(org) -> None:
    for sobject in SOBJECTS:
        for row in org.org.rows(sobject):
            assert set(row) - set(types_of(sobject)) <= {"IsDeleted", "CreatedDate"}, sobject


def test_compound_fields_name_their_parts() -> None:
    parts = {entry["compoundFieldName"] for entry in describe("Account")["fields"]} - {None}
    assert parts == {"BillingAddress"}


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Id, Nope FROM Lead", "INVALID_FIELD"),
        ("SELECT Id FROM Unicorn", "INVALID_TYPE"),
        ("SELECT * FROM Lead", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE SystemModstamp >= '2026-01-01'", "INVALID_FIELD"),
        ("SELECT Id FROM Lead LIMIT 5 OFFSET 5", "MALFORMED_QUERY"),
    ],
)
def test_wrong_queries_are_refused_in_the_vendors_words(client, soql, code) -> None:
    with pytest.raises(SalesforceMalformedRequest) as caught:
        client.query(soql)
    assert caught.value.content[0]["errorCode"] == code


def test_windows_are_half_open_and_ordered(client, org) -> None:
    stamps = sorted(row["SystemModstamp"] for row in org.org.rows("Account"))
    from sandbox.store import iso

    low, high = iso(stamps[5]), iso(stamps[-3])
    window = "SystemModstamp >= {} AND SystemModstamp < {}"
    soql = f"SELECT Id, SystemModstamp FROM Account WHERE {window} ORDER BY SystemModstamp, Id"
    rows = client.query_all(soql.format(low, high), include_deleted=True)["records"]
    assert len(rows) == sum(stamps[5] <= stamp < stamps[-3] for stamp in stamps) > 0
    assert [row["SystemModstamp"] for row in rows] == sorted(row["SystemModstamp"] for row in rows)
    assert client.query("SELECT COUNT() FROM Account WHERE Name = 'nobody\\'s'")["totalSize"] == 0


def test_single_currency_orgs_have_no_currency_objects(client, org) -> None:
    org.org.is_multi_currency = False
    with pytest.raises(SalesforceMalformedRequest, match="INVALID_TYPE"):
        client.query("SELECT Id FROM CurrencyType")


def test_faults_are_the_vendors_own(org) -> None:
    client = client_of(org)
    org.batch_size = 10
    org.set_faults(["locator_gone:query/01g"])
    with pytest.raises(SalesforceMalformedRequest, match="INVALID_QUERY_LOCATOR"):
        client.query_all("SELECT Id FROM Contact")
    org.set_faults(["session_expired:query@1"])
    client.query("SELECT Id FROM Contact")  # the client lets itself in again
    org.daily_limit = org.used
    with pytest.raises(Exception, match="REQUEST_LIMIT_EXCEEDED"):
        client.query("SELECT Id FROM Contact")
    org.daily_limit = 100_000
    wrong = requests.get(f"{org.url}/services/data/v59.0/query", {"q": "SELECT Id FROM Lead"}, timeout=5)
    assert wrong.status_code == 401 and wrong.json()[0]["errorCode"] == "INVALID_SESSION_ID"
