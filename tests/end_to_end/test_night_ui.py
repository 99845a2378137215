"""`salesops ui`: the page and the daemon on loopback, the schedule on, and no process left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import ROOT, SALESOPS

pytestmark = pytest.mark.night

QUESTION = """{
  schedulesOrError(repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "salesops"}) {
    ... on Schedules { results { name cronSchedule executionTimezone scheduleState { status } } }
  }
  instance { daemonHealth { allDaemonStatuses { daemonType healthy required } } }
  assetNodes { groupName assetKey { path } description }
  runsOrError { ... on Runs { results { status } } }
}"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port: int) -> dict:
    body = json.dumps({"query": QUESTION}).encode()
    address = f"http://127.0.0.1:{port}/graphql"
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["data"]


def daemons(data: dict) -> dict[str, bool]:
    return {
        d["daemonType"]: d["healthy"] for d in data["instance"]["daemonHealth"]["allDaemonStatuses"] if d["required"]
    }


@pytest.fixture(scope="module")
def page(night_copy, tmp_path_factory):
    """The page over the first night's data: its answer, its port, and the command's process group."""
    night, port = night_copy("ui"), free_port()
    log = (tmp_path_factory.mktemp("ui") / "log").open("w+")
    process = subprocess.Popen(
        [SALESOPS, "ui", "--port", str(port)],
        env=night.environment,
        cwd=ROOT,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    answer, end = {}, time.monotonic() + 120
    while time.monotonic() < end and not (answer and all(daemons(answer).values())):
        time.sleep(1)
        try:
            answer = ask(port)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            continue
    log.seek(0)
    assert answer, log.read()[-3000:]
    yield answer, port, process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def test_the_schedule_is_on_in_the_companys_zone(page):
    answer, _, _ = page
    schedule = {
        "name": "every_night",
        "cronSchedule": "15 3 * * *",
        "executionTimezone": "Europe/Stockholm",
        "scheduleState": {"status": "RUNNING"},
    }
    assert answer["schedulesOrError"]["results"] == [schedule]
    assert daemons(answer)["SCHEDULER"]


def test_the_lineage_is_grouped_by_layer(page):
    answer, _, _ = page
    groups = {node["groupName"] for node in answer["assetNodes"]}
    layers = {"raw", "staging", "crm", "matching", "pipeline", "rules", "forecasts", "sellers", "signals", "kpi"}
    assert groups == layers | {"publish"}
    assert [node["assetKey"] for node in answer["assetNodes"] if not node["description"]] == []


def test_the_night_of_the_command_line_is_in_the_pages_history(page):
    answer, _, _ = page
    assert [run["status"] for run in answer["runsOrError"]["results"]] == ["SUCCESS"]


def test_the_page_listens_on_loopback_only(page):
    _, port, _ = page
    listening = [
        line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"
    ]
    assert [address for address in listening if address.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def test_ending_the_command_ends_the_page_and_the_daemon(page):
    _, _, process = page
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.5)
    pytest.fail("a process of the page is still there")
