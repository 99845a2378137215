"""Who can reach what we start: servers on loopback alone, and no secret in what a child is started with."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from dagster_project import publish
from ingestion.sheet_books import read_book
from ingestion.sheet_files import SheetError
from salesops import config, practice, web
from salesops.brief import page
from salesops.config import Practice

ROOT = Path(__file__).parents[2]
PRODUCT = ("analysis", "ingestion", "dagster_project", "salesops")
CANARY = "canary-access-5d1e"
STARTERS = {  # what starts a process: each is started below, or its arguments are looked at
    "salesops/web.py",
    "salesops/practice.py",
    "salesops/brief/page.py",
    "ingestion/sheet_books.py",
    "dagster_project/publish.py",
}


def listening(pid: int) -> list[str]:
    """Local addresses of the listening sockets of a process, as the kernel writes them."""
    held = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            held.add(os.readlink(entry))
        except OSError:
            continue
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in held:
                found.append(fields[1].partition(":")[0])
    return found


def children() -> list[int]:
    return [int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


def started_with(pid: int) -> str:
    return "".join((Path("/proc") / str(pid) / name).read_bytes().decode() for name in ("cmdline", "environ"))


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in config.SECRETS:
        monkeypatch.setenv(name, CANARY)


def test_practice_servers_listen_on_loopback_alone_and_are_told_no_secret(tmp_path, secrets):
    company = Practice.model_construct(size="tiny", seed=11, crms=["hubspot", "salesforce", "pipedrive"])
    before = set(children())
    with practice.running(tmp_path, company, date(2026, 11, 2)) as running:
        (pid,) = set(children()) - before
        addresses = listening(pid)
        assert len(addresses) == 5 and set(addresses) == {"0100007F"}, running.accounts
        assert "serve" in started_with(pid) and CANARY not in started_with(pid)


def test_the_dashboard_listens_on_loopback_alone(tmp_path):
    command = [str(Path(sys.executable).with_name("salesops")), "dashboard", "--port", "28719"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SALESOPS_")}
    server = subprocess.Popen(command, cwd=tmp_path, env=plain, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not (addresses := listening(server.pid)) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert addresses == ["0100007F"]
    finally:
        server.terminate()
        server.wait(10)


def test_dagsters_page_is_started_on_loopback_and_without_a_secret_among_its_arguments(tmp_path, monkeypatch, secrets):
    commands: list[list[str]] = []

    def recorded(command: list[str], **_: object) -> None:
        commands.append(command)
        if len(commands) == 2:
            raise OSError("that is enough")

    (tmp_path / "salesops.toml").write_text("")
    monkeypatch.setattr(subprocess, "Popen", recorded)
    environment = {"SALESOPS_DATA": str(tmp_path / "data"), "SALESOPS_CONFIG": str(tmp_path / "salesops.toml")}
    for name in ("DAGSTER_HOME", "SALESOPS_DATA", "SALESOPS_MARTS", "SALESOPS_WAREHOUSE"):  # `serve` sets them for good
        monkeypatch.setenv(name, "")
    with pytest.raises(OSError, match="enough"):
        web.serve(os.environ | environment, 3000)
    served, daemon = commands
    assert served[served.index("-h") + 1] == "127.0.0.1" and "dagster-webserver" in served[0]
    assert daemon[1] == "run" and CANARY not in str(commands)


def test_a_browser_that_prints_and_git_are_told_no_secret(tmp_path, monkeypatch, secrets):
    told = tmp_path / "told"
    for name in (*page.BROWSERS, "git"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "$0 $@" >> {told}\nenv >> {told}\n')
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "brief.html").write_text("<p>")
    assert page.print_pdf(tmp_path / "brief.html") is None
    assert publish._git_commit() == "unknown"
    assert "--headless" in told.read_text() and "rev-parse" in told.read_text() and "PATH=" in told.read_text()
    assert CANARY not in told.read_text()


def test_the_reader_of_a_workbook_has_no_environment_at_all(monkeypatch, secrets):
    seen: list[tuple[object, object]] = []

    def recorded(command: list[str], **named: object) -> None:
        seen.append((command, named["env"]))
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(subprocess, "run", recorded)
    with pytest.raises(SheetError):
        read_book(b"PK", "Blad1", 1, 1)
    ((command, environment),) = seen
    assert environment == {} and CANARY not in str(command)


def test_nothing_else_of_the_product_starts_a_process():
    found = set()
    for folder in PRODUCT:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
                if name.startswith(("subprocess.", "os.exec", "os.spawn", "os.posix_spawn", "os.popen", "os.system")):
                    found.add(str(path.relative_to(ROOT)))
    assert found == STARTERS
