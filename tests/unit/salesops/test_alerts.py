"""Messages to people, to a real receiver on loopback: one for each cause, once, and never in the night's way."""

from __future__ import annotations

import json
import os
import threading
import typing
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from dagster_project.resources import night_resource
from salesops import alerts, doctor
from salesops import night as nights
from salesops.clock import Clock
from salesops.config import AlertKind, Alerts, ConfigError, Settings
from salesops.layout import DataDirectory
from salesops.night import ROOT, CheckRow, Night
from salesops.publication import Publication

NOW = datetime(2026, 11, 23, 4, 15, tzinfo=UTC)  # 05:15 in Stockholm
SECRET = "s3cr3t"


class Receiver:
    def __init__(self) -> None:
        self.messages: list[dict] = []
        self.is_down = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not outer.is_down:
                    outer.messages.append(json.loads(body))
                self.send_response(503 if outer.is_down else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"json://user:{SECRET}@127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def titles(self) -> list[str]:
        return [message["title"].removeprefix("[Firm] ") for message in self.messages]


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


class House:
    """A data directory, and nights that end in it."""

    def __init__(self, root: Path, receiver: Receiver):
        self.data = DataDirectory(root)
        self.environ = {"SALESOPS_ALERT_URLS": receiver.address}
        self.settings = self.with_alerts()
        self.checks: list[CheckRow] = []
        self.stale: list[tuple] = []
        self.signals: list[tuple] = []
        self.built_at = NOW

    @staticmethod
    def with_alerts(**options) -> Settings:
        return Settings.model_validate(
            {"company": {"name": "Firm"}, "alerts": {"enabled": True, "link": "https://marts.example"} | options}
        )

    def publish(self) -> None:
        path = self.data.published / "marts.duckdb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with duckdb.connect(str(path)) as marts:
            marts.execute("create schema meta; create schema kpi")
            marts.execute("create table meta.publication (built_at timestamptz)")
            marts.execute("insert into meta.publication values (?)", [self.built_at])
            marts.execute(
                "create table meta.data_status (source varchar, object varchar, state varchar, state_reason varchar,"
                " stale_since timestamptz)"
            )
            marts.execute(
                "create table kpi.signals (metric varchar, dimension varchar, week_start date, verdict varchar,"
                " is_alarm boolean, since_week date, series_count bigint)"
            )
            marts.execute(
                "create table kpi.signal_causes (metric varchar, week_start date, place bigint, kind varchar,"
                " dimension varchar, member varchar, value_before double, value_since double, counted_before bigint,"
                " counted_since bigint)"
            )
            for row in self.stale:
                marts.execute("insert into meta.data_status values (?, ?, ?, ?, ?)", row)
            for row in self.signals:
                marts.execute("insert into kpi.signals values (?, 'company', ?, ?, ?, ?, 40)", row)
                cause = [row[0], row[1], "rate", "source", "web", 0.3, 0.1, 500, 80]
                marts.execute("insert into kpi.signal_causes values (?, ?, 1, ?, ?, ?, ?, ?, ?, ?)", cause)

    def night(self, *, at: datetime = NOW, published: bool = True) -> str:
        class Fixed(Clock):
            def now(self) -> datetime:
                return at

        night = Night(self.settings, self.data, Fixed(), at, at, None, self.data.published, "", "")
        night.checks = list(self.checks)
        if published:
            self.publish()
            night.publication = Publication.__new__(Publication)
        failures = [f"{c.asset} {c.name}: {c.reason}" for c in self.checks if c.is_blocking and c.state == "failed"]
        return alerts.after_night(night, failures, self.environ)


@pytest.fixture
def house(tmp_path, receiver) -> House:
    return House(tmp_path / "data", receiver)


BROKEN = CheckRow("kpi/win_rate", "deals_balance", "failed", "3 rows break it", False, ("deal 1", "deal 2"))
REFUSED = CheckRow("meta/data_status", "hubspot_deals_are_fresh", "failed", "60 h old", True)
STALE = ("hubspot", "leads", "stale", "last successful extraction is older than allowed", NOW - timedelta(days=3))


def fallen(week: str, is_alarm: bool, since: str = "2026-11-02") -> tuple:
    return ("win_rate", week, "confirmed", is_alarm, since)


def test_a_quiet_night_tells_nobody(house, receiver):
    assert house.night() == ""
    assert receiver.messages == []


def test_a_refused_night_is_one_message_with_its_reasons(house, receiver):
    house.checks = [REFUSED, BROKEN]
    assert house.night(published=False) == "1 alert sent"
    assert receiver.titles == ["The night did not publish"]
    assert "hubspot_deals_are_fresh: 60 h old" in receiver.messages[0]["message"]
    assert receiver.messages[0]["message"].splitlines()[-2] == "https://marts.example"


def test_each_message_says_where_the_run_book_is_and_it_has_every_kind(house, receiver):
    house.checks = [REFUSED]
    house.night(published=False)
    assert receiver.messages[0]["message"].endswith("docs/operations.md#failed_night")
    headings = (ROOT / alerts.RUN_BOOK).read_text().splitlines()
    assert [kind for kind in typing.get_args(AlertKind) if f"### {kind}" not in headings] == []


def test_a_cause_is_told_once_while_it_lasts_and_again_when_it_comes_back(house, receiver):
    house.checks = [BROKEN]
    assert house.night() == "1 alert sent"
    assert house.night() == ""
    house.checks = []
    house.night()
    house.checks = [BROKEN]
    assert house.night() == "1 alert sent"
    assert receiver.titles == ["Check failed: deals_balance"] * 2
    assert "deal 1" in receiver.messages[0]["message"]


def test_a_stale_source_is_one_message_for_all_of_its_objects(house, receiver):
    house.stale = [STALE, ("hubspot", "deals", "failed", "401", None)]
    house.checks = [CheckRow("raw/hubspot__deals", "was_read", "failed", "401", False)]
    house.night()
    assert receiver.titles == ["hubspot is not up to date"]
    assert "leads stale" in receiver.messages[0]["message"]
    assert "deals failed: 401" in receiver.messages[0]["message"]


def test_a_confirmed_trend_is_told_with_its_why_and_not_every_week(house, receiver):
    house.signals = [fallen("2026-11-09", True), fallen("2026-11-16", False)]
    house.night()
    assert receiver.titles == ["Win rate is worse than usual since the week of 2026-11-02"]
    text = receiver.messages[0]["message"]
    assert "It sits in source web. 10.0% of 80 against 30.0% of 500 before." in text
    assert "40 series were looked at." in text
    assert "because" not in text
    house.signals += [fallen("2026-11-23", False)]
    assert house.night() == ""


def test_an_improvement_or_a_doubt_is_no_alert(house, receiver):
    house.signals = [("win_rate", "2026-11-16", "confirmed", False, "2026-11-02")]  # confirmed, and never an alarm
    house.night()
    house.signals = [("win_rate", "2026-11-16", "check_first", False, "2026-11-02")]
    house.night()
    assert receiver.messages == []


def test_quiet_hours_hold_a_message_back_until_they_are_over(house, receiver):
    house.settings = house.with_alerts(quiet_from="22:00", quiet_to="07:00")
    house.checks = [BROKEN]
    assert house.night() == "1 alert held back until 07:00"
    assert receiver.messages == []
    later = NOW + timedelta(hours=3)
    assert alerts.catch_up(house.settings, house.data, later, house.environ) == "1 alert sent"
    assert alerts.catch_up(house.settings, house.data, later, house.environ) == ""
    assert len(receiver.messages) == 1


@pytest.mark.parametrize(
    ("begin", "end", "at", "quiet"),
    [
        ("22:00", "07:00", "23:10", True),
        ("22:00", "07:00", "06:59", True),
        ("22:00", "07:00", "07:00", False),
        ("12:00", "13:00", "12:30", True),
        ("12:00", "13:00", "11:59", False),
    ],
)
def test_quiet_hours_may_span_midnight(begin, end, at, quiet):
    hour, minute = map(int, at.split(":"))
    given = Alerts.model_validate({"quiet_from": begin, "quiet_to": end})
    assert alerts.is_quiet(given, datetime(2026, 11, 23, hour, minute, tzinfo=UTC)) is quiet


def test_a_dead_receiver_stops_nothing_and_is_tried_again(house, receiver):
    receiver.is_down = True
    house.checks = [BROKEN]
    assert house.night() == "0 alerts sent, 1 not delivered: they are tried again"
    receiver.is_down = False
    assert alerts.catch_up(house.settings, house.data, NOW, house.environ) == "1 alert sent"
    assert receiver.titles == ["Check failed: deals_balance"]


def test_a_dead_receiver_does_not_keep_another_from_hearing(house, receiver):
    house.environ["SALESOPS_ALERT_URLS"] = f"json://127.0.0.1:9/ {receiver.address} nonsense"
    house.checks = [BROKEN]
    assert house.night() == "1 alert sent, 2 not delivered: they are tried again"
    for _ in range(2 * alerts.TRIES):
        alerts.catch_up(house.settings, house.data, NOW, house.environ)
    assert alerts.catch_up(house.settings, house.data, NOW, house.environ) == ""  # given up, not for ever asked
    assert len(receiver.messages) == 1


def test_a_missing_night_is_told(house, receiver):
    house.night()
    late = NOW + timedelta(hours=31)
    assert alerts.catch_up(house.settings, house.data, late, house.environ) == "1 alert sent"
    assert receiver.titles == ["No night was published lately"]
    assert alerts.catch_up(house.settings, house.data, late, house.environ) == ""


def test_addresses_are_written_nowhere(house, receiver, caplog):
    house.checks = [BROKEN]
    house.environ["SALESOPS_ALERT_URLS"] += f" json://user:{SECRET}@127.0.0.1:9/"
    told = house.night()
    written = [path.read_bytes() for path in house.data.root.rglob("*") if path.is_file()]
    assert len(receiver.messages) == 1
    assert not any(SECRET.encode() in content for content in written)
    assert SECRET not in told + caplog.text


def test_a_file_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "receivers"
    path.write_text("# who hears\njson://127.0.0.1:1/\n")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        alerts.receivers({"SALESOPS_ALERT_URLS_FILE": str(path)})
    path.chmod(0o600)
    assert alerts.receivers({"SALESOPS_ALERT_URLS_FILE": str(path)}) == ["json://127.0.0.1:1/"]


def test_without_receivers_the_night_says_so_and_goes_on(house):
    house.environ = {}
    assert house.night().startswith("No alert was sent: [alerts] is enabled and SALESOPS_ALERT_URLS is not set")


def test_a_broken_ledger_or_publication_stops_nothing(house, receiver):
    house.checks = [BROKEN]
    house.data.root.mkdir(parents=True)
    house.data.alerts.write_text("{half a file")
    assert house.night() == "1 alert sent"
    (house.data.published / "marts.duckdb").write_bytes(b"no database")
    told = alerts.catch_up(house.settings, house.data, NOW, house.environ)
    assert told.startswith("No alert was sent: ")


def test_alerts_that_are_off_tell_nobody(house, receiver):
    house.settings = Settings()
    house.checks = [REFUSED]
    assert house.night(published=False) == ""
    assert not house.data.alerts.exists()


def test_one_quiet_hour_alone_is_refused():
    with pytest.raises(ValueError, match="quiet_from and quiet_to go together"):
        Alerts.model_validate({"quiet_from": "22:00"})


@pytest.fixture
def configured(house, tmp_path, monkeypatch) -> House:
    """The same house as an environment that commands read: HubSpot is enabled, and its token is nowhere."""
    path = tmp_path / "salesops.toml"
    path.write_text('[company]\nname = "Firm"\n[sources.hubspot]\nenabled = true\n[alerts]\nenabled = true\n')
    house.environ |= {"SALESOPS_CONFIG": str(path), "SALESOPS_DATA": str(house.data.root)}
    for name, value in house.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN", raising=False)
    return house


def test_a_night_that_could_not_begin_is_told_once(configured, receiver):
    for _ in range(2):
        with pytest.raises(ConfigError), alerts.told_if_refused(), nights.opened(os.environ):
            raise AssertionError("a night began without its token")
    assert receiver.titles == ["The night did not publish"]
    assert "HUBSPOT_ACCESS_TOKEN" in receiver.messages[0]["message"]


def test_a_night_that_another_one_keeps_out_is_no_failure(configured, receiver):
    with pytest.raises(nights.AlreadyRunning), alerts.told_if_refused():
        raise nights.AlreadyRunning("another night is running")
    assert receiver.messages == []


def test_a_run_of_the_schedule_tells_of_a_step_that_broke(configured, receiver, monkeypatch):
    """Nobody reads a command's summary then: the resource that the run opened tells what it saw."""
    now = Clock().now()
    opened = Night(configured.settings, configured.data, Clock(), now, now, None, configured.data.published, "", "")
    monkeypatch.setattr(nights, "opened", lambda _: nullcontext(opened))

    @dg.asset(required_resource_keys={"night"})
    def transform() -> None:
        raise OSError("No space left on device")

    with dg.DagsterInstance.ephemeral() as instance:
        resources = {"night": night_resource()}
        ended = dg.materialize([transform], resources=resources, instance=instance, raise_on_error=False)
    assert not ended.success
    assert receiver.titles == ["The night did not publish"]
    assert "step transform" in receiver.messages[0]["message"]
    assert "No space left on device" in receiver.messages[0]["message"]


def test_the_doctor_finds_an_address_that_nobody_could_be_reached_at(configured, receiver, monkeypatch, capsys):
    findings = doctor.Findings()
    addresses = {"SALESOPS_ALERT_URLS": f"{receiver.address} nonsense://{SECRET}"}
    doctor._alerts(configured.settings, configured.data, addresses, findings)
    assert findings.exit_code == doctor.CONFIGURATION and "number 2" in findings.advice[0]
    assert SECRET not in capsys.readouterr().out + findings.advice[0]
    assert receiver.messages == []
