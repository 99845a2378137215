"""Messages when somebody has to know: a failed night, a failed check, a stale source, a confirmed trend.

One message for each cause, with the why and a link, sent once while the cause lasts; held back in quiet hours.
Receivers are apprise addresses (Slack, Teams, e-mail, webhook) and hold secrets: they come from the environment, or
from a file that nobody else can read, and are never written or logged. Nothing in here stops a night.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from salesops import config, freshness
from salesops.clock import Clock
from salesops.config import Alerts, ConfigError, Settings, secret_file
from salesops.layout import DataDirectory
from salesops.night import AlreadyRunning, CheckRow, Night
from salesops.publication import reading

VARIABLE, FILE_VARIABLE = "SALESOPS_ALERT_URLS", "SALESOPS_ALERT_URLS_FILE"
TRIES = 12  # of one message to one receiver; a dead one is then left alone until the cause is new
SHOWN = 5  # lines of a list in a message
RUN_BOOK = "docs/operations.md"
METRICS = {
    "win_rate": "Win rate",
    "pipeline_created": "Pipeline created",
    "response_within_sla": "Leads answered in time",
    "bookings": "Bookings",
    "sales_cycle": "Sales cycle",
    "lead_to_sao": "Leads accepted within 28 days",
}
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Alert:
    """Something that somebody has to know. `key` names the cause: the same one is not told twice while it lasts."""

    key: str
    kind: str
    title: str
    body: str


@dataclass
class _Told:
    """A cause as the ledger keeps it; receivers by a digest of their address."""

    alert: Alert
    told: list[str] = field(default_factory=list)
    tries: dict[str, int] = field(default_factory=dict)


def receivers(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Addresses, from the environment or from the file that it names, one a line. Raises ConfigError without them."""
    given = environ.get(VARIABLE, "")
    if named := environ.get(FILE_VARIABLE):
        given += "\n" + secret_file(FILE_VARIABLE, named)
    lines = [line for line in given.splitlines() if not line.lstrip().startswith("#")]
    found = list(dict.fromkeys(" ".join(lines).split()))
    if not found:
        raise ConfigError(f"[alerts] is enabled and {VARIABLE} is not set: addresses as apprise has them, one a line")
    return found


def is_address(address: str) -> bool:
    """Whether apprise knows the form. Asks nobody."""
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it would print addresses, which hold secrets
    return bool(apprise.Apprise().add(address))


def undelivered(data: DataDirectory) -> int:
    """Causes that last and that a receiver could not be told of."""
    return sum(bool(set(cause.tries) - set(cause.told)) for cause in _Ledger(data.alerts).causes.values())


def after_night(night: Night, failures: Sequence[str], environ: Mapping[str, str] = os.environ) -> str:
    """Tell what this night found. A sentence for the summary; "" when alerts are off. Never raises."""
    return _safely(lambda: _told_after(night, failures, environ))


@contextmanager
def told_if_refused(environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Around the opening of a night: configuration or credentials that keep it from beginning are a failed night too.

    The ConfigError goes on to the caller. Another night that is running tells of itself.
    """
    try:
        yield
    except AlreadyRunning:
        raise
    except ConfigError as error:
        reason = str(error)

        def run() -> str:
            settings = config.load(environ)  # itself broken: then nobody can be told, and it says so
            if not settings.alerts.enabled:
                return ""
            ledger = _Ledger(DataDirectory(config.data_directory(environ)).alerts)
            ledger.keep("failed_night", [_not_published([reason], settings.alerts.link)])
            return _deliver(ledger, settings, Clock().now(), environ)

        if said := _safely(run):
            _LOG.warning("%s", said)
        raise


def catch_up(settings: Settings, data: DataDirectory, now: datetime, environ: Mapping[str, str] = os.environ) -> str:
    """Tell what was held back or not delivered, and that a night is missing. Never raises."""

    def run() -> str:
        if not settings.alerts.enabled:
            return ""
        ledger = _Ledger(data.alerts)
        ledger.keep("missing_night", _missing_night(settings, data, now))
        return _deliver(ledger, settings, now, environ)

    return _safely(run)


def _safely(tell: Callable[[], str]) -> str:
    try:
        return tell()
    except ConfigError as error:
        return f"No alert was sent: {error}"
    except Exception as error:  # noqa: BLE001  whatever a message meets, the night is over and stays as it is
        return f"No alert was sent: {type(error).__name__}"


def _told_after(night: Night, failures: Sequence[str], environ: Mapping[str, str]) -> str:
    if not night.settings.alerts.enabled or night.looks_back:
        return ""
    ledger = _Ledger(night.data.alerts)
    link = night.settings.alerts.link
    ledger.keep("failed_night", _failed_night(night, failures, link))
    ledger.keep("missing_night", [])
    stale = _stale_sources(night, link)
    if stale is not None:
        ledger.keep("stale_source", stale)
        ledger.keep("signal", _signals(night, link))
    ledger.keep("failed_check", _failed_checks(night, link))
    return _deliver(ledger, night.settings, night.clock.now(), environ)


def _failed_night(night: Night, failures: Sequence[str], link: str) -> list[Alert]:
    if night.publication is not None:
        return []
    listed = list(dict.fromkeys(failures)) or [night.credentials_error or "no step says why: see the run's log"]
    return [_not_published(listed, link)]


def _not_published(listed: Sequence[str], link: str) -> Alert:
    cause = hashlib.sha256("\n".join(sorted(line.split(":")[0] for line in listed)).encode()).hexdigest()[:16]
    body = [*_some(listed), "Readers keep the last publication.", link]
    return Alert(f"failed_night:{cause}", "failed_night", "The night did not publish", _lines(body))


def _failed_checks(night: Night, link: str) -> list[Alert]:
    """Of a night that published: those that refused it are the failed night's reasons."""
    if night.publication is None:
        return []
    by_name: dict[str, list[CheckRow]] = defaultdict(list)
    for check in night.checks:
        if check.state == "failed":
            by_name[check.name].append(check)
    return [
        Alert(
            f"failed_check:{name}",
            "failed_check",
            f"Check failed: {name}",
            _lines([*_some([f"{check.asset}: {check.reason}" for check in checks]), *checks[0].worst[:SHOWN], link]),
        )
        for name, checks in sorted(by_name.items())
        if name != "was_read"  # its source's own message says so
    ]


def _stale_sources(night: Night, link: str) -> list[Alert] | None:
    """From what was published; None when nothing was."""
    if night.publication is None:
        return None
    with reading(night.publish_to / "marts.duckdb") as marts:
        rows = marts.execute(
            "select source, object, state, coalesce(state_reason, ''), stale_since from meta.data_status"
            " where state in ('stale', 'failed') order by source, object"
        ).fetchall()
    by_source: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        by_source[row[0]].append(row)
    return [
        Alert(
            f"stale_source:{source}",
            "stale_source",
            f"{source} is not up to date",
            _lines([
                *_some([
                    f"{name} {state}: {reason}" + (f" (since {since:%Y-%m-%d %H:%M} UTC)" if since else "")
                    for _, name, state, reason, since in found
                ]),
                "Figures made from it are as old as it is.",
                link,
            ]),
        )
        for source, found in by_source.items()
    ]  # fmt: skip


def _signals(night: Night, link: str) -> list[Alert]:
    """Headlines that are confirmed to be worse in the newest week, while that lasts."""
    with reading(night.publish_to / "marts.duckdb") as marts:
        rows = marts.execute(
            """
            with newest as (select max(week_start) as week from kpi.signals)
            select now.metric, now.since_week, now.series_count
            from kpi.signals as now join newest on now.week_start = newest.week
            where now.dimension = 'company' and now.verdict = 'confirmed' and exists (
                select 1 from kpi.signals as alarm
                where alarm.is_alarm and alarm.metric = now.metric and alarm.since_week = now.since_week
            )
            order by now.metric
            """
        ).fetchall()
        alerts = []
        for metric, since, series_count in rows:
            causes = marts.execute(
                "select kind, dimension, member, value_before, value_since, counted_before, counted_since"
                " from kpi.signal_causes where metric = ? and place = 1 order by week_start desc limit 1",
                [metric],
            ).fetchone()
            why = _why(causes) if causes else "Where it sits is not known."
            looked = f"{series_count} series were looked at."
            title = f"{METRICS.get(metric, metric)} is worse than usual since the week of {since}"
            alerts.append(Alert(f"signal:{metric}", "signal", title, _lines([why, looked, link])))
    return alerts


def _why(cause: Sequence[Any]) -> str:
    """Where it sits: never what it is due to."""
    kind, dimension, member, before, since, n_before, n_since = cause
    place = {
        "mix": f"It is the mix: shares of {dimension} moved; that the rates within changed is not shown.",
        "everywhere": "It sits in no single part: all changed alike.",
        "stage": f"It sits in the stage {member}.",
        "size": f"It sits in the size of deals{'' if member == 'all' else f' of {dimension} {member}'}.",
        "volume": f"There are fewer of {dimension} {member}.",
    }.get(kind, f"It sits in {dimension} {member}.")
    if kind in ("rate", "stage", "everywhere") and before is not None and since is not None and 0 <= before <= 1:
        place += f" {since:.1%} of {n_since} against {before:.1%} of {n_before} before."
    return place


def _missing_night(settings: Settings, data: DataDirectory, now: datetime) -> list[Alert]:
    path = data.published / "marts.duckdb"
    if not path.exists():
        return []
    with reading(path) as marts:
        ((built_at,),) = marts.execute("select built_at from meta.publication").fetchall()
    if now - built_at < freshness.LATE:
        return []
    body = _lines([f"The last publication is of {built_at:%Y-%m-%d %H:%M} UTC.", settings.alerts.link])
    return [Alert("missing_night", "missing_night", "No night was published lately", body)]


def _deliver(ledger: _Ledger, settings: Settings, now: datetime, environ: Mapping[str, str]) -> str:
    """Send what is not told yet, unless it is a quiet hour; what fails is tried again by the next caller."""
    waiting = [told for told in ledger.causes.values() if told.alert.kind in settings.alerts.kinds]
    addresses = receivers(environ)
    names = {hashlib.sha256(address.encode()).hexdigest()[:16]: address for address in addresses}
    due = [
        (told, name) for told in waiting for name in names if name not in told.told and told.tries.get(name, 0) < TRIES
    ]
    if not due:
        ledger.write()
        return ""
    if is_quiet(settings.alerts, now.astimezone(settings.company.zone)):
        ledger.write()
        held = _count(len({told.alert.key for told, _ in due}), "alert")
        return f"{held} held back until {settings.alerts.quiet_to:%H:%M}"
    sent = failed = 0
    for told, name in due:
        body = f"{told.alert.body}\nWhat to do: {RUN_BOOK}#{told.alert.kind}"
        if _send(names[name], f"[{settings.company_name}] {told.alert.title}", body):
            told.told.append(name)
            sent += 1
        else:
            told.tries[name] = told.tries.get(name, 0) + 1
            failed += 1
        ledger.write()  # after each: a night that is killed here tells nobody twice
    text = f"{_count(sent, 'alert')} sent"
    return text + (f", {failed} not delivered: they are tried again" if failed else "")


def is_quiet(alerts: Alerts, local: datetime) -> bool:
    """Whether a local time lies in the quiet hours, which may span midnight."""
    begin, end, at = alerts.quiet_from, alerts.quiet_to, local.time()
    if begin is None or end is None or begin == end:
        return False
    return begin <= at < end if begin < end else at >= begin or at < end


def _send(address: str, title: str, body: str) -> bool:
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it would print addresses, which hold secrets
    try:
        messenger = apprise.Apprise()
        return bool(messenger.add(address)) and bool(messenger.notify(title=title, body=body))
    except Exception as error:  # noqa: BLE001  a receiver's plugin may raise anything
        _LOG.warning("an alert was not delivered: %s", type(error).__name__)
        return False


class _Ledger:
    """Causes that last, and who was told of each: a small file that is replaced whole."""

    def __init__(self, path: Path):
        self.path = path
        self.causes: dict[str, _Told] = {}
        if path.exists():
            try:
                content = json.loads(path.read_text())
                self.causes = {
                    key: _Told(Alert(**entry["alert"]), list(entry["told"]), dict(entry["tries"]))
                    for key, entry in content.items()
                }
            except (ValueError, KeyError, TypeError, AttributeError):  # a broken ledger tells again, which harms less
                _LOG.warning("%s cannot be read and begins anew", path)

    def keep(self, kind: str, alerts: list[Alert]) -> None:
        """These are the causes of the kind now: new ones are to be told, those that are over are forgotten."""
        now = {alert.key: alert for alert in alerts}
        for key in [key for key, told in self.causes.items() if told.alert.kind == kind and key not in now]:
            del self.causes[key]
        for key, alert in now.items():
            self.causes.setdefault(key, _Told(alert)).alert = alert

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".new")
        beside.write_text(json.dumps({key: asdict(told) for key, told in self.causes.items()}, indent=1))
        beside.replace(self.path)


def _some(lines: Sequence[str]) -> list[str]:
    more = [f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return [*lines[:SHOWN], *more]


def _lines(lines: Sequence[str]) -> str:
    return "\n".join(line for line in lines if line)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
