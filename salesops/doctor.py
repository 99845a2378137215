"""What is configured, reachable, permitted and stale, and what to do about it. Writes nothing into the data directory.

Exit code: 0 nothing to do; 1 what is published is stale; 2 configuration or credentials; 3 a source is not readable.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from ingestion.reads import ProbeResult
from salesops import config, freshness, practice
from salesops.clock import Clock
from salesops.config import ConfigError, Settings
from salesops.layout import DataDirectory

if TYPE_CHECKING:
    from ingestion.salesforce_client import Login

STALE, CONFIGURATION, SOURCE = 1, 2, 3
CRM_TITLES = {"hubspot": "HubSpot", "salesforce": "Salesforce", "pipedrive": "Pipedrive"}
_READABLE = {"ok": "ok", "absent": "not in this portal"}


@dataclass
class Findings:
    """What is wrong, as exit codes, and what a person can do about it."""

    codes: set[int] = field(default_factory=set)
    advice: list[str] = field(default_factory=list)

    def add(self, code: int, advice: str) -> None:
        self.codes.add(code)
        self.advice.append(advice)

    @property
    def exit_code(self) -> int:
        return next((code for code in (CONFIGURATION, SOURCE, STALE) if code in self.codes), 0)


def main(environ: Mapping[str, str]) -> int:
    """Print the examination and return its exit code. Raises ConfigError where nothing can be examined."""
    settings = config.load(environ)
    data = DataDirectory(config.data_directory(environ))
    findings = Findings()
    _configured(settings, data, environ)
    if settings.is_practice:
        with _practice_copy(settings, data) as company:
            for crm, (url, token) in company.accounts.items():
                EXAMINED[crm](url, token, findings)
            _exchange_rates(company.rates_url, findings)
            _registries(company.registry_urls, findings)
    tokens: dict[str, Callable[[Mapping[str, str]], Any]] = {
        "hubspot": config.hubspot_token,
        "salesforce": partial(config.salesforce_login, settings.sources.salesforce),
        "pipedrive": config.pipedrive_token,
    }
    for crm in [crm for crm in tokens if getattr(settings.sources, crm).enabled]:
        try:
            EXAMINED[crm](getattr(settings.sources, crm).base_url, tokens[crm](environ), findings)
        except ConfigError as error:
            _say(CRM_TITLES[crm], "not asked: no token")
            findings.add(CONFIGURATION, str(error))
    if settings.sources.spreadsheets.enabled:
        _spreadsheets(settings, data, findings)
    if settings.sources.exchange_rates.enabled and not settings.is_practice:
        _exchange_rates(settings.sources.exchange_rates.base_url, findings)
    if settings.sources.registries.enabled and not settings.is_practice:
        registers = settings.sources.registries
        _registries((registers.norway_url, registers.finland_url), findings)
    _alerts(settings, data, environ, findings)
    _published(settings, data, findings)
    print()
    for advice in findings.advice:
        print(f"To do: {advice}")
    if not findings.advice:
        print("Nothing to do.")
    return findings.exit_code


def _configured(settings: Settings, data: DataDirectory, environ: Mapping[str, str]) -> None:
    company, named = settings.company, environ.get("SALESOPS_CONFIG")
    path = Path(named) if named else Path.cwd() / "salesops.toml"
    _say("Configuration", str(path) if path.exists() else "none (salesops.toml): the practice company is used")
    _say("Company", f"{settings.company_name}, {company.timezone}, {company.currency}, country {company.country}")
    _say("Data directory", f"{data.root}{'' if data.root.exists() else ' (not there yet)'}")
    for source, title in (
        *CRM_TITLES.items(),
        ("spreadsheets", "Spreadsheets"),
        ("exchange_rates", "Exchange rates"),
        ("registries", "Registers"),
    ):
        if not settings.is_enabled(source):
            _say(title, "not enabled: not asked")
    if settings.sources.hubspot.enabled:
        from ingestion.hubspot_streams import SCOPES

        _say("HubSpot scopes", ", ".join(sorted(set(SCOPES.values()) - {"oauth"})))
    if (holder := _lock_holder(data)) is not None:
        _say("Night", f"running now (process {holder})")


def _lock_holder(data: DataDirectory) -> str | None:
    """The process that holds the night's lock, or None. Takes a shared lock for a moment and writes nothing."""
    if not data.lock.exists():
        return None
    with data.lock.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return handle.read().strip() or "unknown"
    return None


@contextmanager
def _practice_copy(settings: Settings, data: DataDirectory) -> Iterator[practice.RunningPractice]:
    """The practice company served from a copy: what it lives while it is looked at is forgotten."""
    with tempfile.TemporaryDirectory() as name:
        state = Path(name) / "sandbox"
        state.mkdir()
        if (data.sandbox / "world.json").exists():
            shutil.copyfile(data.sandbox / "world.json", state / "world.json")
        today = Clock().now().astimezone(settings.company.zone).date()
        with practice.running(state, settings.practice, today) as company:
            _say("Practice company", "answers (a copy of it was started for this look)")
            yield company


@contextmanager
def _asking(name: str, refused: str, variables: str, base_url: str, findings: Findings, failed: str) -> Iterator[None]:
    """Looking at one CRM: what it refuses, or that it does not answer, is a finding."""
    from ingestion.session import CredentialsError, SourceError

    try:
        yield
    except CredentialsError as error:
        _say(name, f"refuses the {refused}: {error}")
        findings.add(CONFIGURATION, f"check {variables}: {error}")
    except SourceError as error:
        _say(name, f"{failed}: {error}")
        findings.add(SOURCE, f"see whether {base_url} can be reached from here, then try again")


def _hubspot(base_url: str, token: str, findings: Findings) -> None:
    from ingestion.hubspot import HubSpotSource

    with _asking("HubSpot", "token", config.TOKEN_VARIABLE, base_url, findings, "not reachable"):
        source = HubSpotSource(token, base_url, attempts=2)
        _say("HubSpot", _portal(source.session, base_url))
        _probed("hubspot", source.check(), findings)


def _pipedrive(base_url: str, token: str, findings: Findings) -> None:
    from ingestion.pipedrive import PipedriveSource

    with _asking("Pipedrive", "token", config.PIPEDRIVE_VARIABLE, base_url, findings, "not reachable"):
        source = PipedriveSource(token, base_url, attempts=2)
        me = source.greet()
        company = f"{me.get('company_name', 'unknown')}, currency {me.get('default_currency', 'unknown')}"
        _say("Pipedrive", f"{base_url} answers: {company}, {source.budget.left or 'unknown'} tokens left today")
        if not me.get("is_admin"):
            _say("", "the token's user is no admin: what that user may not see is missing")
        _probed("pipedrive", source.check(), findings)


def _salesforce(base_url: str, held: Login | str, findings: Findings) -> None:
    from ingestion.salesforce import SalesforceSource
    from ingestion.salesforce_client import Login

    source = SalesforceSource(Login.of(held), base_url, attempts=2)
    with (
        closing(source.client),
        _asking("Salesforce", "credentials", "the SALESFORCE_ variables", base_url, findings, "not readable"),
    ):
        probes = source.check()
        budget = source.client.budget
        _say("Salesforce", f"{base_url} answers: {budget.used} of {budget.most} requests of 24 hours used")
        _probed("salesforce", probes, findings)


def _probed(crm: str, probes: list[ProbeResult], findings: Findings) -> None:
    """A line for each object, and what to do about those that are not readable."""
    width = max(len(probe.object) for probe in probes)
    for probe in probes:
        needed = ", required" if probe.is_required and probe.state != "ok" else ""
        print(f"  {probe.object:<{width}}  {_READABLE.get(probe.state, probe.reason or probe.state)}{needed}")
        if probe.state not in _READABLE:
            code = SOURCE if probe.is_required or probe.state == "failed" else None
            advice = f"{crm}.{probe.object}: {probe.reason}"
            findings.add(code, advice) if code else findings.advice.append(f"{advice}; the night goes on without it")


def _portal(session: object, base_url: str) -> str:
    """What the account says of itself; a portal that does not say is readable all the same."""
    from ingestion.hubspot_streams import ACCOUNT_INFO
    from ingestion.session import MissingScopeError, PermanentSourceError, SourceSession

    assert isinstance(session, SourceSession)
    try:
        account = session.get(ACCOUNT_INFO, require=None).content
    except MissingScopeError as error:
        return f"{base_url} answers; account information not permitted (scope {error.scope})"
    except PermanentSourceError as error:
        if error.status != 404:
            raise
        return f"{base_url} answers; no account information (404)"
    zone, currency = account.get("timeZone", "unknown"), account.get("companyCurrency", "unknown")
    return f"{base_url} answers: portal {account.get('portalId', 'unknown')}, zone {zone}, currency {currency}"


def _spreadsheets(settings: Settings, data: DataDirectory, findings: Findings) -> None:
    sheets = settings.sources.spreadsheets
    folder = sheets.folder or data.drop
    if not folder.is_dir():
        _say("Spreadsheets", f"{folder} is not there")
        if sheets.folder is not None:
            findings.add(CONFIGURATION, f"make the folder {folder}, or correct sources.spreadsheets.folder")
        return
    files = [path for path in folder.rglob("*") if path.suffix.lower() in (".csv", ".xlsx", ".xls", ".txt")]
    mappings = f"{len(sheets.mappings)} mappings" if sheets.mappings else "the mappings of this repository"
    _say("Spreadsheets", f"{folder}: {len(files)} files, {mappings}")
    for mapping in sheets.mappings:
        if not mapping.is_file():
            findings.add(CONFIGURATION, f"sources.spreadsheets.mappings: there is no file {mapping}")


def _exchange_rates(base_url: str, findings: Findings) -> None:
    from ingestion.exchange_rates import ExchangeRateSource
    from ingestion.session import SourceError

    try:
        newest = ExchangeRateSource(base_url, attempts=2).check()
    except SourceError as error:
        _say("Exchange rates", f"not readable: {error}")
        findings.add(SOURCE, f"see whether {base_url} can be reached from here, then try again")
        return
    _say("Exchange rates", f"{base_url} answers: rates up to {newest}; the night asks when an amount needs them")


def _registries(urls: tuple[str, str], findings: Findings) -> None:
    from ingestion.registries import RegistrySource
    from ingestion.session import SourceError

    source = RegistrySource(*urls, attempts=2)
    for register, url in zip(source.registers, urls, strict=True):
        name = register.entry.name.capitalize()
        try:
            register.check()
        except SourceError as error:
            _say("Registers", f"{name}'s is not readable: {error}")
            findings.add(SOURCE, f"see whether {url} can be reached from here, then try again")
        else:
            _say("Registers", f"{name}'s answers at {url}; the night asks about companies that landed")
    source.close()


def _alerts(settings: Settings, data: DataDirectory, environ: Mapping[str, str], findings: Findings) -> None:
    """Whether the receivers' addresses can be used. Nobody is sent anything, and no address is shown."""
    from salesops import alerts

    if not settings.alerts.enabled:
        _say("Alerts", "not enabled: nobody is told of a failed night")
        return
    try:
        addresses = alerts.receivers(environ)
    except ConfigError as error:
        _say("Alerts", "no receivers")
        findings.add(CONFIGURATION, str(error))
        return
    unknown = [place for place, address in enumerate(addresses, 1) if not alerts.is_address(address)]
    waiting = alerts.undelivered(data)
    _say("Alerts", f"{len(addresses)} receivers" + (f", {waiting} messages not delivered" if waiting else ""))
    if unknown:
        places = ", ".join(f"number {place}" for place in unknown)
        findings.add(CONFIGURATION, f"correct {places} of the receivers' addresses: apprise does not know the form")


def _published(settings: Settings, data: DataDirectory, findings: Findings) -> None:
    """The third clock: how old is what people read, and what in it is older than the company allows."""
    from salesops.publication import reading

    path = data.published / "marts.duckdb"
    if not path.exists():
        _say("Published", "nothing yet")
        findings.advice.append("run `salesops nightly`")
        return
    clock = Clock()
    if settings.is_practice:
        clock = Clock.at_least(practice.lived_until(data.sandbox, settings.company.zone) or clock.now())
    with reading(path) as connection:
        publication_id, as_of, built_at = connection.execute(
            "select publication_id, as_of, built_at from meta.publication"
        ).fetchone()  # type: ignore[misc]
        states = _states(connection)
    age = max(clock.now() - built_at, timedelta(0))  # a practice company may have been told to live ahead
    _say("Published", f"{publication_id}, as of {as_of:%Y-%m-%d %H:%M} UTC, {_hours(age)} ago")
    if age > freshness.LATE:
        findings.add(STALE, f"the last publication is {_hours(age)} old: see why the nights since did not publish")
    for source, name, state, reason, extracted in states:
        rule = settings.freshness.rule(source, name)
        hours = None if extracted is None else (clock.now() - extracted) / timedelta(hours=1)
        late = hours is not None and rule.error_hours is not None and hours > rule.error_hours
        if state in ("stale", "failed") or (late and state != "not_needed"):
            findings.add(STALE, f"{source}.{name} is {state}, read {_when(extracted, clock)}: {reason or 'too old'}")
        elif state == "not_permitted":
            findings.advice.append(f"{source}.{name} was not permitted on the last night: {reason}")


def _states(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str, str | None, datetime | None]]:
    try:
        return connection.execute(
            """select source, object, state, state_reason, last_extract_at from meta.data_status
            where state <> 'not_enabled' order by all"""
        ).fetchall()
    except duckdb.CatalogException:  # published before this table existed
        return []


def _when(instant: datetime | None, clock: Clock) -> str:
    return "never" if instant is None else f"{_hours(clock.now() - instant)} ago"


def _hours(age: timedelta) -> str:
    return f"{age / timedelta(hours=1):.1f} h"


def _say(what: str, text: str) -> None:
    print(f"{what + ':':<17} {text}")


EXAMINED = {"hubspot": _hubspot, "salesforce": _salesforce, "pipedrive": _pipedrive}
