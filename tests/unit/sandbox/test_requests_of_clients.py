"""What other people's clients send, word for word, answered as each needs it: those that are not in the suite itself.

`bench/clients.py` runs the clients; here are their requests, with every quirk: capital True, repeated keys, a slash
before the question mark, joined properties, a locator behind a whole path, microseconds.
"""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ElementTree
from datetime import date
from typing import Any

import pytest
import requests
from pipedrive.client import Client

from sandbox.servers import hubspot, pipedrive, salesforce
from sandbox.world import World, live

AGENT = {"User-Agent": "dlt/1.31.0"}


@pytest.fixture(scope="module")
def world() -> World:
    world = live(7, "tiny", date(2026, 11, 2))
    for kind in ("deals", "contacts"):
        world.store.archive(next(iter(world.store.records[kind].values())), world.stamp())
    return world


def alive(world: World, name: str) -> set[int]:
    return {int(row.id) for row in world.store.records[name].values() if row.archived_at is None}


@pytest.fixture(scope="module")
def portal(world: World):
    with hubspot.serve(world) as portal:
        yield portal


def of_portal(portal: hubspot.Portal, path: str, body: Any = None, status: int = 200) -> Any:
    headers = {"Authorization": f"Bearer {portal.token}"} | AGENT
    method = "GET" if body is None else "POST"
    answer = requests.request(method, portal.url + path, headers=headers, json=body, timeout=10)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize("version", ["v1", "v3", "2026-03"])
def test_a_refresh_token_is_taken_under_every_name_of_the_path(portal, version) -> None:
    form = {
        "grant_type": "refresh_token",
        "redirect_uri": "x",
        "refresh_token": "r",
        "client_id": "c",
        "client_secret": "s",
    }
    answer = requests.post(f"{portal.url}/oauth/{version}/token", data=form, timeout=10).json()
    assert answer["access_token"] == portal.token and answer["expires_in"] == 1800 and answer["refresh_token"]


def test_hubspots_descriptions_have_the_form_of_each_version(portal) -> None:
    for path in ("/properties/v1/deals/properties", "/companies/v2/properties", "/properties/v2/contact/properties"):
        assert {"name", "type", "fieldType", "options"} <= set(of_portal(portal, path)[0]), path
    for name in ("companies", "contacts", "deals", "tickets", "products", "quotes"):
        found = {entry["name"] for entry in of_portal(portal, f"/crm/v3/properties/{name}")["results"]}
        assert "hs_object_id" in found and (name != "quotes" or "hs_title" in found)
    assert of_portal(portal, "/crm/v3/schemas") == {"results": []}
    assert of_portal(portal, "/crm/v3/pipelines/tickets")["results"] == []


def test_v3_lists_take_joined_properties_and_a_capital_true_and_links_keep_them(portal, world) -> None:
    path = "/crm/v3/objects/companies?associations=contacts%2Cdeals%2Cproducts%2Ctickets%2Cquotes"
    path += "&properties=name%2Cdomain&limit=10&archived=False"
    seen, asked = set(), path
    while asked:
        page = of_portal(portal, asked)
        seen |= {int(row["properties"]["hs_object_id"]) for row in page["results"]}
        link = page.get("paging", {}).get("next", {}).get("link", "")
        assert link.startswith(portal.url) or not link
        assert not link or ("properties=name%2Cdomain" in link and "associations=contacts%2Cdeals" in link)
        asked = link.removeprefix(portal.url)
    assert seen == alive(world, "companies")
    gone = of_portal(portal, "/crm/v3/objects/deals?limit=100&properties=dealname&archived=True")["results"]
    assert [row["archived"] for row in gone] == [True] * len(gone) and gone
    history = "/crm/v3/objects/deals?propertiesWithHistory=dealstage%2Camount&limit=50"
    assert {"dealstage", "amount"} == set(of_portal(portal, history)["results"][0]["propertiesWithHistory"])
    tickets = "/crm/v4/objects/tickets?limit=100&associations=contact%2Ccompany%2Cdeals&properties=&archived=False"
    assert of_portal(portal, tickets) == {"results": []}
    assert of_portal(portal, "/crm/v3/owners/?limit=500")["results"][0]["type"] == "PERSON"
    assert all(row["userId"] is None for row in of_portal(portal, "/crm/v3/owners/?archived=True")["results"])


def test_pairs_that_are_never_linked_are_no_links_and_no_error(portal, world) -> None:
    """A loader that asks every object for every other stops at a 400."""
    company = str(min(alive(world, "companies")))
    for source, target in (("companies", "tickets"), ("line_items", "contacts")):
        path = f"/crm/v4/associations/{source}/{target}/batch/read"
        answer = of_portal(portal, path, {"inputs": [{"id": company}]}, 207)
        assert answer["results"] == [] and answer["errors"][0]["context"]["fromObjectId"] == [company]


def test_deals_of_v1_page_by_offset_with_a_number_and_an_instant_for_each_value(portal, world) -> None:
    path = "/deals/v1/deal/paged?limit=9&includeAssociations=True&includeAllProperties=True"
    path += "&allPropertiesFetchMode=latest_version"
    rows, offset = [], ""
    while True:
        page = of_portal(portal, path + offset)
        rows += page["deals"]
        if not page["hasMore"]:
            break
        offset = f"&offset={page['offset']}"
    assert {row["dealId"] for row in rows} == alive(world, "deals")
    deal = rows[0]
    record = world.store.records["deals"][str(deal["dealId"])]
    stage = deal["properties"]["dealstage"]
    assert (stage["value"], stage["timestamp"]) == (
        record.properties["dealstage"],
        record.revisions("dealstage")[-1].at,
    )
    assert deal["properties"]["hs_lastmodifieddate"]["timestamp"] == record.updated_at
    assert set(stage) == {"value", "timestamp", "source", "sourceId", "versions"}
    linked = {int(key) for key in world.store.linked("deals", record.id, "contacts")}
    assert set(deal["associations"]["associatedVids"]) == linked
    body = {"inputs": [{"id": str(row["dealId"])} for row in rows[:2]], "properties": ["hs_v2_date_entered_1"]}
    again = of_portal(portal, "/crm/v3/objects/deals/batch/read", body)["results"]
    assert [row["id"] for row in again] == [str(row["dealId"]) for row in rows[:2]]
    stages = of_portal(portal, "/deals/v1/pipelines")[0]["stages"]
    assert {"stageId", "label", "probability", "closedWon"} <= set(stages[0]) and stages[0]["probability"] == 0.2


def test_companies_of_v2_page_by_offset_and_come_whole_one_by_one(portal, world) -> None:
    path = "/companies/v2/companies/paged?limit=250&properties=createdate&properties=hs_lastmodifieddate"
    page = of_portal(portal, path)
    assert {row["companyId"] for row in page["companies"]} == alive(world, "companies") and page["has-more"] is False
    assert set(page["companies"][0]["properties"]) == {"createdate", "hs_lastmodifieddate"}
    company = page["companies"][0]["companyId"]
    assert "name" in of_portal(portal, f"/companies/v2/companies/{company}")["properties"]
    of_portal(portal, "/companies/v2/companies/1", status=404)
    linked = of_portal(portal, "/crm/v3/associations/company/contact/batch/read", {"inputs": [{"id": company}]})
    assert linked["results"][0]["from"]["id"] == str(company)


@pytest.mark.parametrize(("path", "cursor"), [("paged", "offset"), ("modified/after", "after")])
def test_engagements_are_all_activities_by_either_path(portal, world, path, cursor) -> None:
    rows, after = [], "0"
    while True:
        page = of_portal(portal, f"/engagements/v1/engagements/{path}?limit=20&{cursor}={after}")
        rows += [row["engagement"] for row in page["results"]]
        after = page[cursor]
        if not page["hasMore"]:
            break
    kinds = ("calls", "emails", "meetings", "notes", "tasks")
    assert sorted(row["id"] for row in rows) == sorted(key for kind in kinds for key in alive(world, kind))
    assert {row["type"] for row in rows} <= {"CALL", "EMAIL", "MEETING", "NOTE", "TASK"}
    assert isinstance(rows[0]["lastUpdated"], int)


def test_what_the_portal_does_not_use_is_empty_in_the_form_that_the_tap_checks(portal) -> None:
    lists = of_portal(portal, "/crm/v3/lists/search", {"count": 250, "offset": 0, "sort": "-HS_UPDATED_AT"})
    assert lists == {"lists": [], "hasMore": False, "offset": 0, "total": 0}
    window = "startTimestamp=1&endTimestamp=2&limit=1000"
    nothing = {
        "/email/public/v1/campaigns/by-id?limit=500": "campaigns", "/automation/v3/workflows": "workflows",
        f"/email/public/v1/subscriptions/timeline?{window}": "timeline", f"/email/public/v1/events?{window}": "events",
    }  # fmt: skip
    for path, key in nothing.items():
        assert of_portal(portal, path)[key] == []
    assert of_portal(portal, "/forms/v2/forms") == []


# Salesforce


@pytest.fixture(scope="module")
def org(world: World):
    with salesforce.serve(world) as org:
        yield org


@pytest.fixture(scope="module")
def session(org: salesforce.OrgServer) -> requests.Session:
    """Logged in as the Singer tap does: by its refresh token, at the host for logins."""
    form = {"grant_type": "refresh_token", "client_id": salesforce.CLIENT_ID, "client_secret": salesforce.CLIENT_SECRET}
    url = f"{org.url}/services/oauth2/token"
    refused = requests.post(url, data=form | {"refresh_token": "another"}, timeout=10)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    token = requests.post(url, data=form | {"refresh_token": salesforce.REFRESH_TOKEN}, timeout=10).json()
    assert token["instance_url"] == org.url
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token['access_token']}"
    session.headers["X-SFDC-Session"] = token["access_token"]
    return session


def test_the_tap_describes_in_a_batch_and_pages_with_its_query_repeated(org, session) -> None:
    batch = [{"method": "GET", "url": f"/services/data/v61.0/sobjects/{name}/describe"} for name in ("Lead", "Nope")]
    body = {"haltOnError": True, "batchRequests": batch}
    answer = session.post(f"{org.url}/services/data/v61.0/composite/batch", json=body, timeout=10).json()
    assert answer["hasErrors"] and [row["statusCode"] for row in answer["results"]] == [200, 404]
    assert "DailyBulkApiBatches" in session.get(f"{org.url}/services/data/v61.0/limits", timeout=10).json()
    query = "SELECT Id,Name,SystemModstamp FROM Contact WHERE SystemModstamp >= 2000-01-01T23:59:50.000000Z  "
    query += "ORDER BY SystemModstamp ASC"
    org.batch_size, url, found = 30, "/services/data/v61.0/queryAll", []
    while url:
        answer = session.get(org.url + url, params={"q": query}, timeout=10)
        assert answer.headers["Sforce-Limit-Info"].startswith("api-usage=")
        found += [row["Id"] for row in answer.json()["records"]]
        url = answer.json().get("nextRecordsUrl")
    org.batch_size = 2_000
    assert sorted(found) == sorted(row["Id"] for row in org.org.rows("Contact"))


def test_a_next_page_asked_behind_the_whole_path_is_not_found(org, session) -> None:
    """What dlt's source does where Bulk 1.0 is refused: its second page fails on the real service too."""
    path = "/services/data/v59.0/query//services/data/v59.0/query/01g000000000001AAA-2000"
    answer = session.get(org.url + path, timeout=10)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (404, "NOT_FOUND")


def test_instants_of_what_was_deleted_keep_their_plus(org, session) -> None:
    path = "/services/data/v59.0/sobjects/Contact/deleted/"
    path += "?start=2026-01-01T00:00:00%2B00:00&end=2027-01-01T00:00:00%2B00:00"
    answer = session.get(org.url + path, timeout=10).json()
    gone = {row["Id"] for row in org.org.rows("Contact") if row["IsDeleted"]}
    assert {row["id"] for row in answer["deletedRecords"]} == gone != set()


def test_bulk_1_in_json_has_instants_as_milliseconds(org, session) -> None:
    """The job as dlt's source makes it, through simple-salesforce."""
    base = f"{org.url}/services/async/59.0"
    job = {"operation": "queryAll", "object": "Opportunity", "concurrencyMode": 0, "contentType": "JSON"}
    key = session.post(f"{base}/job", json=job, timeout=10).json()["id"]
    soql = "SELECT Id, SystemModstamp FROM Opportunity WHERE SystemModstamp > 2000-01-01T00:00:00.000Z"
    soql += " ORDER BY SystemModstamp ASC"
    batch = session.post(f"{base}/job/{key}/batch", data=soql, timeout=10).json()
    assert batch["jobId"] == key
    assert session.post(f"{base}/job/{key}", json={"state": "Closed"}, timeout=10).json()["state"] == "Closed"
    assert session.get(f"{base}/job/{key}/batch/{batch['id']}", timeout=10).json()["state"] == "Completed"
    (result,) = session.get(f"{base}/job/{key}/batch/{batch['id']}/result", timeout=10).json()
    rows = session.get(f"{base}/job/{key}/batch/{batch['id']}/result/{result}", timeout=10).json()
    assert {row["Id"]: row["SystemModstamp"] for row in rows} == {
        row["Id"]: row["SystemModstamp"] for row in org.org.rows("Opportunity")
    }
    late = session.post(f"{base}/job/{key}/batch", data=soql, timeout=10)
    assert (late.status_code, late.json()["exceptionCode"]) == (400, "InvalidJobState")


def test_bulk_1_in_csv_speaks_of_batches_in_xml(org, session) -> None:
    base, space = f"{org.url}/services/async/61.0", "{http://www.force.com/2009/06/asyncapi/dataload}"
    job = {"operation": "queryAll", "object": "Lead", "contentType": "CSV"}
    key = session.post(f"{base}/job", json=job, timeout=10).json()["id"]
    added = session.post(f"{base}/job/{key}/batch", data="SELECT Id,Name FROM Lead", timeout=10)
    batch = ElementTree.fromstring(added.text).findtext(f"{space}id")
    listed = ElementTree.fromstring(session.get(f"{base}/job/{key}/batch", timeout=10).text)
    assert [one.findtext(f"{space}state") for one in listed] == ["Completed"]
    results = ElementTree.fromstring(session.get(f"{base}/job/{key}/batch/{batch}/result", timeout=10).text)
    (result,) = [one.text for one in results]
    text = session.get(f"{base}/job/{key}/batch/{batch}/result/{result}", timeout=10).text
    assert sorted(row["Id"] for row in csv.DictReader(text.splitlines())) == sorted(
        r["Id"] for r in org.org.rows("Lead")
    )
    org.set_faults(["job_failed:batch"])
    failed = session.post(f"{base}/job/{key}/batch", data="SELECT Id FROM Lead", timeout=10)
    batch = ElementTree.fromstring(failed.text).findtext(f"{space}id")
    said = ElementTree.fromstring(session.get(f"{base}/job/{key}/batch/{batch}", timeout=10).text)
    org.set_faults([])
    assert said.findtext(f"{space}state") == "Failed" and "Retried more" in (
        said.findtext(f"{space}stateMessage") or ""
    )
    gone = session.get(f"{base}/job/750000000000000AAA", timeout=10)
    assert (gone.status_code, gone.headers["Content-Type"]) == (400, "application/json")
    assert gone.json()["exceptionCode"] == "InvalidJob"


def test_an_edition_without_bulk_1_says_so(org, session) -> None:
    org.bulk1.is_enabled = False
    answer = session.post(f"{org.url}/services/async/59.0/job", json={"operation": "queryAll"}, timeout=10)
    org.bulk1.is_enabled = True
    assert (answer.status_code, answer.json()["exceptionCode"]) == (400, "FeatureNotEnabled")
    strange = requests.post(f"{org.url}/services/async/59.0/job", json={}, timeout=10)
    assert strange.json()["exceptionCode"] == "InvalidSessionId"


# Pipedrive


@pytest.fixture(scope="module")
def company(world: World):
    with pipedrive.serve(world) as company:
        yield company


def of_company(company: pipedrive.Portal, path: str) -> Any:
    sign = "&" if "?" in path else "?"
    answer = requests.get(f"{company.url}{path}{sign}api_token={company.token}", timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_python_library_reads_every_list_to_its_end(company, world) -> None:
    """pipedrive-python-lib as it is; only `domain` is given, as its paths have no version without."""
    client = Client(domain=f"{company.url}/")
    client.set_api_token(company.token)
    wanted = {name: [r for r in company.records(name) if r.archived_at is None] for name in pipedrive.TYPES}
    for name, records in wanted.items():
        ids, start = [], 0
        while start is not None:
            page = getattr(getattr(client, name), f"get_all_{name}")(params={"start": start, "limit": 20})
            ids += [row["id"] for row in page["data"] or []]
            start = page["additional_data"]["pagination"].get("next_start")
        assert sorted(ids) == sorted(company.render.shown_id(record) for record in records), name
        one = {"deals": "deal", "persons": "person", "organizations": "organization"}[name]
        assert getattr(getattr(client, name), f"get_{one}")(ids[0])["data"]["id"] == ids[0]
    deal = next(record for record in wanted["deals"] if company.render.products_of(record))
    shown = company.render.shown_id(deal)
    assert len(client.deals.get_deal_updates(shown)["data"]) == min(100, len(company.render.changelog(deal)))
    assert len(client.deals.get_deal_products(shown)["data"]) == len(company.render.products_of(deal))
    assert client.users.get_user(client.users.get_me()["data"]["id"])["data"]["email"]
    assert client.recents.get_recent_changes({"since_timestamp": "2026-10-20 00:00:00", "items": "deal"})["data"]
    assert {row["key"] for row in client.deals.get_deal_fields()["data"]} >= {"title", "value"}
    assert [row["id"] for row in client.stages.get_all_stages()["data"]] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert client.pipelines.get_pipeline(2)["data"]["name"] == "Partner/Expansion"


def test_recents_have_every_item_that_dlt_asks_for(company) -> None:
    ask = "/v1/recents?since_timestamp=1970-01-01+00%3A00%3A00&items={}&start=0&limit=500"
    for item in ("activity", "activityType", "deal", "file", "filter", "note", "person", "organization", "pipeline",
                 "product", "stage", "user"):  # fmt: skip
        answer = of_company(company, ask.format(item))
        assert {row["item"] for row in answer["data"] or []} <= {item}, item
        assert answer["additional_data"]["pagination"]["more_items_in_collection"] is False
    (users,) = of_company(company, ask.format("user"))["data"]
    assert isinstance(users["data"], list)
    for name in ("activity", "deal", "organization", "person", "product", "note"):
        for field in of_company(company, f"/v1/{name}Fields?start=0&limit=500")["data"]:
            assert field.get("options", []) is not None  # dlt's source goes through them where the key is there


def test_flow_rows_of_all_deals_have_ids_of_their_own_that_stay(company, world) -> None:
    """The tap's key of the stream is the row's id alone."""
    deals = [record for record in company.records("deals") if record.archived_at is None]
    before = {}
    for deal in deals:
        shown = company.render.shown_id(deal)
        flow = of_company(company, f"/v1/deals/{shown}/flow?start=0&limit=500")["data"]
        assert not set(before) & {row["data"]["id"] for row in flow}
        before |= {row["data"]["id"]: row for row in flow}
        assert all({"item_id", "log_time", "field_key"} <= set(row["data"]) for row in flow)
    world.store.change(deals[0], world.stamp(), {"amount": "4711"})
    shown = company.render.shown_id(deals[0])
    later = of_company(company, f"/v1/deals/{shown}/flow?start=0&limit=500")["data"]
    assert [row["data"]["id"] in before for row in later].count(False) == 1
    assert all(before.get(row["data"]["id"], row) == row for row in later)


@pytest.mark.parametrize(
    "path",
    ["/api/v2/deals?limit=100&updated_since=2000-01-01T00%3A00%3A00Z&sort_by=update_time&status=open%2Cwon%2Clost%2Cdeleted"
     "&include_fields=next_activity_id%2Cproducts_count",
     "/api/v2/activities?limit=100&updated_since=2000-01-01T00%3A00%3A00Z&sort_by=update_time&include_fields=attendees",
     "/api/v2/persons?limit=500&sort_by=update_time&sort_direction=desc&updated_since=1970-01-01T00%3A00%3A00%2B00%3A00",
     "/api/v2/stages?limit=100&sort_by=update_time&sort_direction=desc",
     "/v1/notes?start=0&limit=100&sort=update_time+desc", "/v1/leads?start=0&limit=500&sort=update_time+DESC",
     "/v1/currencies?start=0&limit=100", "/v1/noteFields?limit=100&start=0"],
)  # fmt: skip
def test_lists_of_the_tap_and_of_dlt_have_rows(company, path) -> None:
    answer = of_company(company, path)
    assert answer["success"] and answer["data"]
    if "sort_direction=desc" in path or "sort=update_time" in path:
        stamps = [row["update_time"] for row in answer["data"]]
        assert stamps == sorted(stamps, reverse=True)


def test_files_and_filters_are_lists_of_nothing(company) -> None:
    for name in ("files", "filters"):
        assert of_company(company, f"/v1/{name}?start=0&limit=100")["data"] is None
