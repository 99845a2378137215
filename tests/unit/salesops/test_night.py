"""What a night decides before and after its job: instants, the lock, exit codes, the clock."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import duckdb
import pytest

from ingestion import landing
from ingestion.landing import ObjectResult
from salesops import backup, publication
from salesops import night as nights
from salesops.backup import BackupError
from salesops.clock import Clock, parse_instant
from salesops.config import ConfigError, Settings
from salesops.layout import DataDirectory
from salesops.publication import Publication

NOW = datetime(2026, 3, 31, 1, 15, tzinfo=UTC)


def night(tmp_path: Path, **changes) -> nights.Night:
    data = DataDirectory(tmp_path)
    values = {
        "settings": Settings(), "data": data, "clock": Clock(), "began": NOW, "as_of": Clock().now(),
        "known_as_of": None, "publish_to": data.published, "base_url": "", "token": "",
    }  # fmt: skip
    return nights.Night(**values | changes)


@pytest.mark.parametrize(
    ("credentials", "published", "states", "code"),
    [
        (None, True, ["ok", "empty"], 0),
        (None, True, ["ok", "not_permitted"], 0),
        (None, True, ["ok", "failed"], 3),
        (None, False, ["ok"], 1),
        (None, False, ["failed"], 1),
        ("401", True, ["failed"], 2),
        ("401", False, ["failed"], 2),
    ],
)
def test_when_several_exit_codes_apply_credentials_come_first_then_refusal_then_a_source(
    tmp_path, credentials, published, states, code
):
    one = night(tmp_path)
    one.credentials_error = credentials
    one.objects = [ObjectResult("hubspot", f"object{n}", state) for n, state in enumerate(states)]
    assert nights._exit_code(one, published) == code


def test_a_second_process_is_kept_out_and_a_dead_holder_frees_the_lock(tmp_path):
    data = DataDirectory(tmp_path)
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys, time, pathlib; from salesops.layout import DataDirectory as D\n"
         "from salesops.night import locked\n"
         "with locked(D(pathlib.Path(sys.argv[1]))): print('held', flush=True); time.sleep(60)", str(tmp_path)],
        stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(nights.AlreadyRunning, match=str(holder.pid)), nights.locked(data):
        pass
    holder.kill()
    holder.wait()
    with nights.locked(data):
        assert data.lock.read_text() == str(os.getpid())


@pytest.mark.parametrize("text", ["2026-03-31", "2026-03-31T22:00:00", "yesterday", ""])
def test_an_instant_needs_its_zone(text):
    with pytest.raises(ValueError):
        parse_instant(text)


def test_an_instant_of_another_zone_is_the_same_instant():
    assert parse_instant("2026-03-31T22:00:00+02:00") == datetime(2026, 3, 31, 20, tzinfo=UTC)


def test_a_clock_set_ahead_goes_on_from_there():
    clock = Clock.at_least(datetime.now(UTC) + timedelta(days=3))
    before = clock.now()
    time.sleep(0.01)
    assert timedelta(0) < clock.now() - before < timedelta(seconds=5)
    assert Clock.at_least(NOW).offset == timedelta(0), "never behind real time"


def test_a_night_that_looks_back_knows_it(tmp_path):
    now = Clock().now()
    assert not night(tmp_path, as_of=now - timedelta(hours=1)).looks_back
    assert night(tmp_path, as_of=now - timedelta(days=1)).looks_back
    assert night(tmp_path, known_as_of=now).looks_back


def test_a_spreadsheet_folder_or_mapping_that_is_not_there_stops_before_anything_is_written(tmp_path):
    configuration = tmp_path / "salesops.toml"
    environment = {"SALESOPS_CONFIG": str(configuration), "SALESOPS_DATA": str(tmp_path / "data")}
    for text, message in (("folder = 'absent'", "no folder"), ("mappings = ['absent.toml']", "no file")):
        configuration.write_text(f"[sources.spreadsheets]\n{text}\n")
        with pytest.raises(ConfigError, match=message), nights.opened(environment):
            pass
    assert not (tmp_path / "data").exists()


def test_dbt_is_told_every_setting_that_models_read(tmp_path):
    """A variable that the project declares and the night forgets would silently keep its default."""
    import duckdb
    import yaml

    from ingestion import landing

    one = night(tmp_path)
    with duckdb.connect(str(one.data.warehouse)) as connection:
        landing.prepare(connection)
    project = yaml.safe_load((nights.DBT / "dbt_project.yml").read_text())
    fixed = {"calendar_start", "calendar_end", "duplicates"}
    assert set(project["vars"]) - fixed == set(one.dbt_vars())


def test_an_instant_whose_versions_were_taken_out_is_refused(tmp_path, monkeypatch):
    """That day's marts would come out otherwise than they were: the contacts' values of then are gone."""
    data = DataDirectory(tmp_path / "data")
    data.root.mkdir()
    cut = datetime(2026, 6, 1, tzinfo=UTC)
    with duckdb.connect(str(data.warehouse)) as connection:
        landing.prepare(connection)
        connection.execute("insert into raw.retention values ('raw.hubspot__contacts', 3, ?, ?)", [cut, cut])
    (tmp_path / "salesops.toml").write_text("[sources.spreadsheets]\nenabled = true\n")
    environ = {"SALESOPS_CONFIG": str(tmp_path / "salesops.toml"), "SALESOPS_DATA": str(data.root)}
    for option in ("as_of", "known_as_of"):
        with pytest.raises(ConfigError, match="taken out"), nights.opened(environ, **{option: "2026-05-31T00:00:00Z"}):
            raise AssertionError("the night began")
    with nights.opened(environ, as_of="2026-06-02T00:00:00Z"):
        pass


class AnHourAgo(BaseHTTPRequestHandler):
    """A CRM whose clock is an hour behind ours, or ours an hour ahead."""

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b'{"results": [], "access_token": "t"}'
        self.send_response_only(200)
        self.send_header("Date", format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(("crm", "others"), [("hubspot", ""), ("salesforce", "[sources.hubspot]\nenabled = false\n")])
def test_a_clock_that_is_not_the_vendors_stops_the_night_before_anything_is_written(tmp_path, crm, others):
    with HTTPServer(("127.0.0.1", 0), AnHourAgo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        configuration = tmp_path / "salesops.toml"
        url = f"http://127.0.0.1:{server.server_port}"
        configuration.write_text(f'{others}[sources.{crm}]\nenabled = true\nbase_url = "{url}"\n')
        environ = {"SALESOPS_CONFIG": str(configuration), "SALESOPS_DATA": str(tmp_path / "data")}
        environ |= {"HUBSPOT_ACCESS_TOKEN": "x", "SALESFORCE_CLIENT_ID": "x", "SALESFORCE_CLIENT_SECRET": "x"}
        told = pytest.raises(ConfigError, match="set the machine's clock")
        with told, nights.opened(environ):
            pass
        server.shutdown()
    assert not (tmp_path / "data").exists()


def test_a_clock_that_is_set_during_a_night_moves_none_of_its_instants(monkeypatch):
    from salesops import clock

    running, wall = Clock(), datetime.now(UTC)

    class Set(datetime):
        @classmethod
        def now(cls, tz=None):
            return wall + timedelta(days=400)

    monkeypatch.setattr(clock, "datetime", Set)
    assert abs(running.now() - wall) < timedelta(minutes=5)
    assert Clock().now() > wall + timedelta(days=399)


def test_all_but_the_published_is_for_nobody_else_to_read(tmp_path):
    def modes(root: Path) -> dict[str, int]:
        return {str(p.relative_to(root)): p.stat().st_mode & 0o077 for p in root.rglob("*")}

    data = DataDirectory(tmp_path / "data")
    data.dagster.mkdir(parents=True)
    data.warehouse.write_bytes(b"of an earlier version")
    data.warehouse.chmod(0o644)
    data.drop.mkdir()
    with nights.locked(data):
        data.spool.mkdir()
        (data.spool / "page").write_text("Ann")
        data.marts.parent.mkdir()
        with duckdb.connect(str(data.marts)) as connection:
            connection.execute("create schema kpi; create table kpi.win_rate as select 1 as n")
        now = Clock().now()
        told = Publication("p", now, None, now, "c0ffee", 1, "Å AB", "SEK", "Europe/Oslo", False, "run")
        publication.write_meta(data.marts, told, [], {})
        publication.publish(data.marts, data.published, "p")
    found = modes(data.root)
    open_to_others = {name for name, bits in found.items() if bits}
    private = {"warehouse.duckdb", "dagster", "spool", "spool/page", "build", "build/marts.duckdb"}
    assert private <= found.keys() - open_to_others
    assert open_to_others == {n for n in found if n.startswith(("published", "drop"))} | {"night.lock"}


def test_a_broken_warehouse_stops_the_night_before_anybody_is_asked(tmp_path):
    data = DataDirectory(tmp_path / "data")
    data.root.mkdir()
    data.warehouse.write_bytes(b"not what DuckDB wrote" * 999)
    configuration = tmp_path / "salesops.toml"
    configuration.write_text("[practice]\nsize = 'small'\n")
    environ = {"SALESOPS_CONFIG": str(configuration), "SALESOPS_DATA": str(data.root)}
    with pytest.raises(ConfigError, match="salesops restore"), nights.opened(environ):
        pass
    assert not data.sandbox.exists()
    with pytest.raises(BackupError, match="is broken"):
        backup.write(data, tmp_path / "to", NOW, None)


def test_a_warehouse_that_another_program_holds_stops_the_night_in_words(tmp_path):
    data = DataDirectory(tmp_path / "data")
    data.root.mkdir()
    hold = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(data.warehouse)]
    configuration = tmp_path / "salesops.toml"
    configuration.write_text("[practice]\nsize = 'small'\n")
    environ = {"SALESOPS_CONFIG": str(configuration), "SALESOPS_DATA": str(data.root)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match=r"warehouse\.duckdb cannot be opened: .*lock"), nights.opened(environ):
            pass
        holder.stdin.close()
