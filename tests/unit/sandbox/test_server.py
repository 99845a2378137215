"""The practice portal as a process and over HTTP: its own rules, limits and controls."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import requests

from sandbox.servers.hubspot import Portal, serve
from sandbox.world import live

ROOT = Path(__file__).parents[3]
END = date(2026, 11, 2)


@pytest.fixture
def portal() -> Iterator[Portal]:
    with serve(live(7, "tiny", END)) as portal:
        yield portal


@pytest.fixture
def http(portal: Portal) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {portal.token}"
        yield session


def ids(answer: requests.Response) -> list[str]:
    assert answer.status_code in (200, 207), answer.text
    return [row["id"] for row in answer.json()["results"]]


class TestLists:
    def test_a_listing_is_every_record_once_in_order_of_id(self, portal, http) -> None:
        url, seen = f"{portal.url}/crm/v3/objects/contacts?limit=7&properties=email", []
        while url:
            page = http.get(url, timeout=5)
            seen += ids(page)
            url = page.json().get("paging", {}).get("next", {}).get("link")
            assert url is None or (url.startswith(portal.url) and "properties=email" in url)
        live_ids = [int(row.id) for row in portal.world.store.records["contacts"].values() if not row.archived_at]
        assert [int(key) for key in seen] == sorted(live_ids)

    @pytest.mark.parametrize("spelling", ["deals", "deal", "0-3"])
    @pytest.mark.parametrize("family", ["v3/objects", "objects/2026-03"])
    def test_every_spelling_of_a_type_and_version_is_served(self, portal, http, family, spelling) -> None:
        assert len(ids(http.get(f"{portal.url}/crm/{family}/{spelling}/", params={"limit": 3}, timeout=5))) == 3

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/crm/v3/objects/contacts?limit=101", 400),
            ("/crm/v3/objects/contacts?limit=51&propertiesWithHistory=jobtitle", 400),
            ("/crm/v3/objects/contacts?after=x", 400),
            ("/crm/v3/objects/contacts/1", 404),
            ("/crm/v3/objects/unicorns", 404),
            ("/crm/v3/nowhere", 404),
            ("/crm/v3/objects/contacts?properties=" + "x" * 9_000, 414),
        ],
    )
    def test_what_the_vendor_refuses_is_refused(self, portal, http, path, status) -> None:
        assert http.get(portal.url + path, timeout=5).status_code == status

    def test_only_its_own_token_is_let_in(self, portal) -> None:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": portal.token}):
            answer = requests.get(f"{portal.url}/crm/v3/owners", headers=headers, timeout=5)
            assert (answer.status_code, answer.json()["category"]) == (401, "INVALID_AUTHENTICATION")


class TestSearch:
    def search(self, portal: Portal, http: requests.Session, name: str = "contacts", **body: object):
        return http.post(f"{portal.url}/crm/v3/objects/{name}/search", json=body, timeout=5)

    def test_the_wall_at_ten_thousand(self, portal, http) -> None:
        assert self.search(portal, http, limit=200, after="9800").status_code == 200
        assert self.search(portal, http, limit=200, after="9801").status_code == 400
        assert self.search(portal, http, limit=201).status_code == 400

    def test_the_index_lags_when_asked_to(self, portal, http) -> None:
        record = next(iter(portal.world.store.records["deals"].values()))
        portal.world.store.change(record, portal.world.stamp(), {"hs_next_step": "now"})
        filters = [{"propertyName": "hs_next_step", "operator": "EQ", "value": "now"}]
        asked = {"filterGroups": [{"filters": filters}]}
        assert ids(self.search(portal, http, "deals", **asked)) == [record.id]
        portal.index_lag = 60_000
        assert ids(self.search(portal, http, "deals", **asked)) == []

    def test_an_id_is_compared_as_a_number(self, portal, http) -> None:
        filters = [{"propertyName": "hs_object_id", "operator": "GT", "value": "9"}]
        assert self.search(portal, http, filterGroups=[{"filters": filters}]).json()["total"] > 10

    def test_archived_records_are_not_found(self, portal, http) -> None:
        record = next(iter(portal.world.store.records["contacts"].values()))
        before = self.search(portal, http).json()["total"]
        assert http.delete(f"{portal.url}/crm/v3/objects/contacts/{record.id}", timeout=5).status_code == 204
        assert self.search(portal, http).json()["total"] == before - 1

    def test_an_unknown_property_is_an_error(self, portal, http) -> None:
        filters = [{"propertyName": "nope", "operator": "EQ", "value": "1"}]
        assert self.search(portal, http, filterGroups=[{"filters": filters}]).status_code == 400


def test_limits_hold_when_they_are_on(portal, http) -> None:
    portal.limits = True
    path = f"{portal.url}/crm/v3/objects/contacts/search"
    answers = [http.post(path, json={"limit": 1}, timeout=5) for _ in range(8)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused and refused[0].headers["Retry-After"] == "1"
    assert refused[0].json()["policyName"] == "SECONDLY"


def test_a_merged_record_answers_under_its_old_ids(portal, http) -> None:
    a, b = list(portal.world.store.records["companies"].values())[:2]
    body = {"primaryObjectId": a.id, "objectIdToMerge": b.id}
    merged = http.post(f"{portal.url}/crm/v3/objects/companies/merge", json=body, timeout=5).json()
    assert merged["id"] not in (a.id, b.id)
    for old in (a.id, b.id):
        assert http.get(f"{portal.url}/crm/v3/objects/companies/{old}", timeout=5).json()["id"] == merged["id"]
    body = {"inputs": [{"id": a.id}, {"id": merged["id"]}], "properties": ["name"]}
    batch = http.post(f"{portal.url}/crm/v3/objects/companies/batch/read", json=body, timeout=5)
    assert (batch.status_code, ids(batch)) == (207, [merged["id"]])
    assert batch.json()["errors"][0]["context"]["ids"] == [a.id]


class TestControls:
    def test_the_request_log(self, portal, http) -> None:
        http.get(f"{portal.url}/crm/v3/owners", timeout=5)
        http.get(f"{portal.url}/crm/v3/objects/deals/28410000001", timeout=5)
        log = requests.get(f"{portal.url}/__sandbox/calls", timeout=5).json()
        assert log["total"] == 2
        assert log["by_route"] == {"GET /crm/v3/owners": 1, "GET /crm/v3/objects/deals/{id}": 1}
        assert [call["status"] for call in log["calls"]] == [200, 404]
        requests.delete(f"{portal.url}/__sandbox/calls", timeout=5)
        assert requests.get(f"{portal.url}/__sandbox/calls", timeout=5).json()["total"] == 0

    def test_faults_come_and_go(self, portal, http) -> None:
        def set_faults(*names: str) -> requests.Response:
            return requests.post(f"{portal.url}/__sandbox/faults", json={"faults": names}, timeout=5)

        assert set_faults("down").json() == {"faults": ["down"]}
        assert http.get(f"{portal.url}/crm/v3/owners", timeout=5).status_code == 503
        assert set_faults().json() == {"faults": []}
        assert http.get(f"{portal.url}/crm/v3/owners", timeout=5).status_code == 200
        assert set_faults("no such thing").status_code == 400

    def test_a_tick_is_one_day(self, portal) -> None:
        told = requests.post(f"{portal.url}/__sandbox/tick", timeout=5).json()
        assert told["end"] == "2026-11-03"
        assert requests.get(f"{portal.url}/__sandbox/truth", timeout=5).json()["as_of"] == told["now"]


class TestProcess:
    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sandbox", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    def test_serve_tick_and_truth_of_one_company(self, tmp_path: Path) -> None:
        where = ["--state", str(tmp_path)]
        command = [sys.executable, "-m", "sandbox", "serve", *where, "--size", "tiny", "--end", "2026-11-02"]
        server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            ready = json.loads(server.stdout.readline())
            headers = {"Authorization": f"Bearer {ready['token']}"}
            assert ready["pid"] == server.pid and ready["end"] == "2026-11-02"
            assert requests.get(f"{ready['url']}/crm/v3/owners", headers=headers, timeout=5).ok
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(10) == 0
        logged = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text().splitlines()]
        assert [call["route"] for call in logged] == ["/crm/v3/owners"]
        ticked = self.run("tick", *where, "--days", "2")
        assert json.loads(ticked.stdout)["end"] == "2026-11-04"
        assert self.run("truth", *where).returncode == 0
        told = json.loads((tmp_path / "truth.json").read_text())
        assert (told["size"], told["as_of"]) == ("tiny", json.loads(ticked.stdout)["now"])

    def test_it_ends_with_its_parent(self, tmp_path: Path) -> None:
        script = (
            "import subprocess, sys; p = subprocess.Popen([sys.executable, '-m', 'sandbox', 'serve', '--size', 'tiny',"
            f" '--state', {str(tmp_path)!r}], stdout=subprocess.PIPE, text=True); p.stdout.readline(); print(p.pid)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                os.kill(int(done.stdout), 0)
            except ProcessLookupError:
                return
            time.sleep(0.1)
        pytest.fail("the server outlived its parent")

    def test_a_wrong_fault_is_exit_code_two(self, tmp_path: Path) -> None:
        done = self.run("serve", "--state", str(tmp_path), "--size", "tiny", "--fault", "earthquake")
        assert done.returncode == 2 and "rate_limit" in done.stderr
