"""Secrets of every source, through nights that fail in every way: searched for in all that was written or said."""

from __future__ import annotations

import base64
import itertools
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from rich.console import Console
from urllib3.util.retry import Retry

from dagster_project.ingest import build_ingest
from dagster_project.storage import held_open
from ingestion.salesforce_client import Login
from ingestion.session import SourceSession
from salesops import alerts, summary
from salesops.clock import Clock
from salesops.config import Settings
from salesops.layout import DataDirectory
from salesops.night import Night, Outcome

CANARIES = {name: f"canary-{name}-7f3a9c" for name in ("hubspot", "pipedrive", "salesforce", "session", "alert")}
BASIC = base64.b64encode(f"client:{CANARIES['salesforce']}".encode()).decode()


class Hostile(ThreadingHTTPServer):
    """Fails in another way each time, and says back what it was sent. `refuses`: nobody may sign in."""

    daemon_threads = True

    def __init__(self, refuses: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.refuses, self.url = refuses, f"http://127.0.0.1:{self.server_address[1]}"
        self.turns = itertools.cycle(range(9))
        self.seen: list[str] = []

    def handle_error(self, *_: object) -> None:
        """Connections that are cut are part of it."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hostile

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        echo = f"{dict(self.headers)} {sent}"
        self.server.seen.append(echo)
        status, headers, body = self._answer(echo)
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def _answer(self, echo: str) -> tuple[int, dict[str, str], bytes]:
        told = json.dumps({"message": echo, "error": echo, "error_description": echo, "errorCode": "NO"}).encode()
        if self.server.refuses:
            return 401, {}, told
        if self.path.startswith("/services/oauth2/token"):
            return 200, {}, json.dumps({"access_token": CANARIES["session"], "instance_url": self.server.url}).encode()
        return [
            (403, {}, told),
            (400, {}, told),
            (500, {}, told),
            (302, {"Location": "http://169.254.169.254/?" + echo[:40].replace("\n", " ")}, b""),
            (200, {}, told[:-9]),
            (200, {}, b"<html>" + echo.encode()),
            (429, {"Retry-After": "9999"}, told),
            (200, {"Content-Length": "999999", "Connection": "close"}, b'{"results": ['),
            (404, {}, told),
        ][next(self.server.turns)]


def files_with(root: Path, wanted: list[bytes]) -> list[str]:
    return [
        f"{path.relative_to(root)}: {secret!r}"
        for path in root.rglob("*")
        if path.is_file()
        for secret in wanted
        if secret in path.read_bytes()
    ]


@pytest.mark.parametrize("refuses", [True, False], ids=["nobody may sign in", "everything else"])
def test_no_secret_is_in_anything_that_a_failing_night_leaves(tmp_path, monkeypatch, capfd, caplog, refuses):
    monkeypatch.setattr(Retry, "sleep", lambda *_, **__: None)
    monkeypatch.setattr(SourceSession, "pause", lambda *_: None)
    caplog.set_level(logging.DEBUG)
    server = Hostile(refuses)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    on = {"enabled": True, "base_url": server.url}
    sources = {"hubspot": on, "pipedrive": on, "salesforce": on, "spreadsheets": {"enabled": False}}
    settings = Settings.model_validate({"sources": sources, "alerts": {"enabled": True}})
    data, now = DataDirectory(tmp_path / "data"), Clock().now()
    data.dagster.mkdir(parents=True)
    login = Login("client", CANARIES["salesforce"])
    accounts = {"pipedrive": (server.url, CANARIES["pipedrive"]), "salesforce": (server.url, login)}
    night = Night(
        settings, data, Clock(), now, now, None, data.published, server.url, CANARIES["hubspot"], accounts=accounts
    )
    with held_open(), dg.DagsterInstance.local_temp(str(data.dagster)) as instance:
        result = dg.materialize(
            build_ingest(settings), resources={"night": night}, instance=instance, raise_on_error=False
        )
        events = "\n".join(str(entry) for entry in instance.all_logs(result.run_id))
    failures = [f"{o.source} {o.object}: {o.reason}" for o in night.objects if o.state == "failed"]
    assert {o.source for o in night.objects if o.state == "failed"} == {"hubspot", "pipedrive", "salesforce"}
    dead = {"SALESOPS_ALERT_URLS": f"json://127.0.0.1:9/{CANARIES['alert']}"}
    said = alerts.after_night(night, failures, dead)
    summary.show(Console(width=200), night, Outcome(False, failures, 1), {})
    server.shutdown()
    assert sum(any(CANARIES[name] in echo for echo in server.seen) for name in ("hubspot", "pipedrive")) == 2
    assert any(BASIC in echo for echo in server.seen)
    wanted = [*CANARIES.values(), BASIC]
    printed = "".join(capfd.readouterr()) + caplog.text + said + events
    with duckdb.connect(str(data.warehouse), read_only=True) as connection:
        for table in ("batches", "sync_state", "quarantine"):
            printed += str(connection.execute(f"from raw.{table}").fetchall())
    assert not [secret for secret in wanted if secret in printed]
    assert not files_with(tmp_path, [secret.encode() for secret in wanted])
