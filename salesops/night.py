"""One night: what it needs before it starts, the lock that keeps a second one out, and the run of the Dagster job.

`opened()` is also what a run launched from the web page or the schedule goes through.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion import landing
from ingestion.objects import ALL_OBJECTS
from salesops import config, practice
from salesops.clock import Clock, parse_instant
from salesops.config import ConfigError, SalesforceSettings, Settings
from salesops.layout import DataDirectory, private

if TYPE_CHECKING:
    import duckdb

    from salesops.publication import Publication

CLOCKS_APART = timedelta(minutes=10)  # less than any reader's lookback
A_MOMENT = timedelta(minutes=1)  # less than the reader's lookback: what happened then is read tonight
ROOT = Path(__file__).resolve().parent.parent
DBT = ROOT / "dbt"
# Two models at once share one memory limit: of a company this large both then wrote tens of gigabytes beside the marts.
LARGE_WAREHOUSE_BYTES = 2 * 1024**3


class AlreadyRunning(ConfigError):
    """Another night holds the lock of this data directory."""


@dataclass(frozen=True)
class CheckRow:
    """One check's outcome, as meta.check_results keeps it. State: passed, warned or failed. `worst`: lines to show."""

    asset: str
    name: str
    state: str
    reason: str
    is_blocking: bool
    worst: tuple[str, ...] = ()


@dataclass
class Night:
    """The settings of one run, and what its steps leave for publication and for the summary."""

    settings: Settings
    data: DataDirectory
    clock: Clock
    began: datetime
    as_of: datetime
    known_as_of: datetime | None
    publish_to: Path
    base_url: str
    token: str
    rates_url: str = ""
    registry_urls: tuple[str, str] = ("", "")
    accounts: dict[str, tuple[str, Any]] = field(default_factory=dict)  # other CRMs: address, and token or login
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    objects: list[Any] = field(default_factory=list)
    checks: list[CheckRow] = field(default_factory=list)
    gates_ran: bool = False
    publication: Publication | None = None
    source_errors: dict[str, str] = field(default_factory=dict)
    source_seconds: dict[str, float] = field(default_factory=dict)
    credentials_error: str | None = None
    baseline_was_set: bool = False
    say: Callable[[str], None] = lambda _: None

    @contextmanager
    def warehouse(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The working file, for writing. Open late, close soon: dbt needs it too."""
        with landing.opened(self.data.warehouse) as connection:
            connection.execute("set timezone = 'UTC'")
            yield connection

    def note(
        self, asset: str, name: str, state: str, reason: str, is_blocking: bool, worst: Sequence[str] = ()
    ) -> None:
        self.checks.append(CheckRow(asset, name, state, reason, is_blocking, tuple(worst)))

    @property
    def drop(self) -> Path:
        """Where tonight's spreadsheets lie."""
        return drop_folder(self.settings, self.data)

    @property
    def looks_back(self) -> bool:
        """True when the night was asked for an instant in the past."""
        return self.as_of < self.clock.now() - timedelta(hours=12) or self.known_as_of is not None

    def accept_first_baseline(self) -> None:
        """The first publication of a data directory accepts the duplicates that were inherited."""
        from salesops import duplicates

        with self.warehouse() as connection:
            if duplicates.read_from(connection):
                country = self.settings.company.country
                self.baseline_was_set = duplicates.inherit(connection, country, self.clock.now())

    def dbt_vars(self) -> dict[str, Any]:
        company = self.settings.company
        with self.warehouse() as connection:
            record_url, pipedrive_url = portal_url(connection), account_url(connection)
            crms = crms_held(connection, self.settings)
        return {
            "as_of": self.as_of.isoformat(),
            "known_as_of": self.known_as_of.isoformat() if self.known_as_of else "",
            "now": self.clock.now().isoformat(),
            "company_timezone": company.timezone,
            "company_currency": company.currency,
            "company_country": company.country,
            "fiscal_year_start_month": company.fiscal_year_start_month,
            "business_hours": {
                "start": company.business_hours.start.strftime("%H:%M"),
                "end": company.business_hours.end.strftime("%H:%M"),
            },
            "qualified_stage": company.qualified_stage,
            "stage_phases": company.stage_phases or (practice.STAGE_PHASES if self.settings.is_practice else {}),
            "exclude_pipelines": company.exclude_pipelines,
            "internal_domains": company.internal_domains,
            "deal_size_bands": company.deal_size_bands,
            "exclude_deal_name_pattern": company.exclude_deal_name_pattern,
            "contracts_from_line_items": self.settings.contracts.from_line_items,
            "deal_properties": config.DEAL_PROPERTIES | self.settings.sources.hubspot.deal_properties,
            "crms": crms,
            "company_number_fields": self.settings.sources.registries.fields,
            "unread_company_fields": self.settings.writeback.unread_fields,
            "hubspot_record_url": record_url,
            "salesforce_fields": self.settings.sources.salesforce.all_fields,
            "pipedrive_fields": self.settings.sources.pipedrive.all_fields,
            "pipedrive_record_url": pipedrive_url,
            "salesforce_record_url": self.settings.sources.salesforce.record_url,
            "response_sla_minutes": self.settings.leads.response_sla_minutes,
        }


@dataclass(frozen=True)
class Outcome:
    """How a night ended. `failures` are reasons, worst first; exit codes as the command line documents them."""

    published: bool
    failures: list[str]
    exit_code: int


def drop_folder(settings: Settings, data: DataDirectory) -> Path:
    """Where people put spreadsheets."""
    return data.practice_drop if settings.is_practice else settings.sources.spreadsheets.folder or data.drop


@contextmanager
def opened(
    environ: Mapping[str, str],
    *,
    as_of: str | None = None,
    known_as_of: str | None = None,
    publish_to: Path | None = None,
    faults: Sequence[str] = (),
) -> Iterator[Night]:
    """A night that is ready to run and holds the lock. Raises ConfigError before anything is written."""
    settings = config.load(environ)
    data = DataDirectory(config.data_directory(environ))
    event_cut = _instant("--as-of", as_of)
    known_cut = _instant("--known-as-of", known_as_of)
    base_url, token = settings.sources.hubspot.base_url, ""
    rates_url = settings.sources.exchange_rates.base_url
    registry_urls = (settings.sources.registries.norway_url, settings.sources.registries.finland_url)
    if settings.sources.hubspot.enabled:
        token = config.hubspot_token(environ)
        _refuse_bad_token(base_url, token)
    accounts = _other_accounts(settings, environ)
    _check_spreadsheets(settings)
    clock = Clock()
    with ExitStack() as stack:
        stack.enter_context(locked(data))
        _refuse_unopened_warehouse(data)
        for folder in (data.spool, data.scratch):  # whole answers and half-made copies: what was killed left them
            shutil.rmtree(folder, ignore_errors=True)
        stack.callback(shutil.rmtree, data.spool, ignore_errors=True)  # of an object that failed
        if settings.is_practice:
            seen = last_seen(data)  # may be ahead of real time: the company then lives on to that day
            today = max(clock.now(), seen or clock.now()).astimezone(settings.company.zone).date()
            since = seen and seen - A_MOMENT
            running = practice.running(data.sandbox, settings.practice, today, faults, since, data.practice_drop)
            company = stack.enter_context(running)
            base_url, token = company.accounts.get("hubspot", (base_url, token))
            rates_url, accounts = company.rates_url, company.accounts
            registry_urls = company.registry_urls
            clock = Clock.at_least(max(company.now + practice.MORNING, seen or company.now))
        now = clock.now()
        for option, instant in (("--as-of", event_cut), ("--known-as-of", known_cut)):
            if instant is not None and instant > now:
                raise ConfigError(f"{option} {instant.isoformat()} is in the future (it is {now:%Y-%m-%dT%H:%M:%SZ})")
            if instant is not None:
                _refuse_before_the_cut(data, option, instant)
        target = (publish_to or data.published).resolve()
        urls = (base_url, token, rates_url, registry_urls)
        yield Night(settings, data, clock, now, event_cut or now, known_cut, target, *urls, accounts=accounts)


def _refuse_unopened_warehouse(data: DataDirectory) -> None:
    """A warehouse that cannot be opened, or that another program holds, stops the night before anybody is asked."""
    import duckdb

    if data.warehouse.exists():
        try:
            landing.opened(data.warehouse).close()
        except landing.BrokenWarehouse as broken:
            raise ConfigError(str(broken)) from None
        except duckdb.Error as error:
            said = str(error).splitlines()[0]
            raise ConfigError(
                f"{data.warehouse} cannot be opened: {said}. Close what holds it, then run again"
            ) from None


def _refuse_before_the_cut(data: DataDirectory, option: str, instant: datetime) -> None:
    """An instant whose versions [retention] has taken out would give other numbers than that day had."""
    import duckdb

    from ingestion import retention

    if not data.warehouse.exists():
        return
    with duckdb.connect(str(data.warehouse)) as connection:
        landing.prepare(connection)
        cut = retention.known_since(connection)
    if cut is not None and instant < cut:
        raise ConfigError(
            f"{option} {instant.isoformat()}: versions replaced before {cut:%Y-%m-%dT%H:%M:%SZ} were taken out"
            " ([retention] raw_versions_days); choose a later instant, or restore a backup from before"
        )


@contextmanager
def locked(data: DataDirectory) -> Iterator[None]:
    """The night's lock, for the length of the block, in which all but the published is written for this user alone.

    The kernel frees it when the holder dies.
    """
    data.root.mkdir(parents=True, exist_ok=True)
    with data.lock.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            raise AlreadyRunning(f"another night is running on {data.root} (process {holder})") from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        data.close_to_others()
        with private():
            yield


def last_seen(data: DataDirectory) -> datetime | None:
    """A second after the newest instant that earlier nights left: a practice company's clock never goes back."""
    import duckdb

    from salesops.publication import reading

    seen: list[datetime] = []
    queries = {
        data.warehouse: "select max(completed_at) from raw.sync_state",
        data.published / "marts.duckdb": "select built_at from meta.publication",
    }
    for path, query in queries.items():
        if path.exists():
            with contextlib.suppress(duckdb.Error), reading(path) as connection:
                seen += [instant for (instant,) in connection.execute(query).fetchall() if instant is not None]
    return max(seen) + timedelta(seconds=1) if seen else None


def set_environment(data: DataDirectory) -> None:
    """What dbt and Dagster read from the environment. Both are told before they are imported."""
    for folder in (data.dagster, data.dbt, data.marts.parent):
        folder.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "DAGSTER_HOME": str(data.dagster),
        "SALESOPS_DATA": str(data.root),
        "SALESOPS_MARTS": str(data.marts),
        "SALESOPS_WAREHOUSE": str(data.warehouse),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }
    os.environ.setdefault("DBT_LOG_LEVEL_FILE", "info")  # every statement of a night, worded for its log, costs seconds
    settings = data.dagster / "dagster.yaml"
    template = (ROOT / "dagster.yaml").read_text()
    if not settings.exists() or settings.read_text() != template:
        settings.write_text(template)


def run(night: Night) -> Outcome:
    """Run the nightly job in this process, and say how it ended. A skipped publication is no success."""
    set_environment(night.data)
    import dagster as dg

    from dagster_project import dead_runs
    from dagster_project.definitions import build_defs
    from dagster_project.storage import held_open

    try:
        job = build_defs(night).resolve_job_def("nightly")
    except dg.Failure as failure:  # the dbt project does not parse: nothing was asked, nothing was built
        return Outcome(False, [str(failure.description)], 1)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with held_open(), dg.DagsterInstance.get() as instance:
        dead_runs.bury(instance)
        result = job.execute_in_process(instance=instance, raise_on_error=False, run_config=quiet)
    succeeded = {event.step_key for event in result.all_events if event.event_type_value == "STEP_SUCCESS"}
    published = "publish" in succeeded and night.publication is not None
    return Outcome(published, failures(night, result.all_events), _exit_code(night, published))


def failures(night: Night, events: Iterable[Any]) -> list[str]:
    """Why the night did not publish: checks that refused it, then steps of its Dagster events that broke."""
    found = [f"{c.asset} {c.name}: {c.reason}" for c in night.checks if c.state == "failed" and c.is_blocking]
    for event in events:
        error = event.step_failure_data.error if event.event_type_value == "STEP_FAILURE" else None
        if error is not None and error.cls_name != "DagsterAssetCheckFailedError":  # that one is listed by its check
            found.append(f"step {event.step_key}: {_first_lines(error)}")
    return found


def without_sources(environ: Mapping[str, str]) -> Night:
    """A night that asks nobody, for dbt on what has landed. A practice company's clock is ahead of the real one."""
    settings, data = config.load(environ), DataDirectory(config.data_directory(environ))
    clock = Clock()
    if settings.is_practice:
        clock = Clock.at_least(practice.lived_until(data.sandbox, settings.company.zone) or clock.now())
    now = clock.now()
    return Night(settings, data, clock, now, now, None, data.published, "", "")


def run_dbt_alone(environ: Mapping[str, str], command: Sequence[str]) -> int:
    """dbt as the night runs it, without asking any source. Returns its exit code."""
    night = without_sources(environ)
    with locked(night.data):
        set_environment(night.data)
        from dagster_project import transform

        with night.warehouse() as connection:
            landing.prepare(connection)
        project = transform.parse_project(night.data)
        results = transform.run_dbt(night, project.manifest, list(command))
        return int(not results or any(result.status in ("error", "fail") for result in results))


def dbt_arguments(night: Night) -> list[str]:
    """What every dbt command of a night is given: project, target folder, variables."""
    is_large = night.data.warehouse.exists() and night.data.warehouse.stat().st_size > LARGE_WAREHOUSE_BYTES
    return [
        *(("--threads", "1") if is_large else ()),
        *("--project-dir", str(DBT), "--profiles-dir", str(DBT)),
        *("--target-path", str(night.data.dbt / "target"), "--log-path", str(night.data.dbt / "logs")),
        *("--vars", json.dumps(night.dbt_vars())),
    ]


def crms_held(connection: duckdb.DuckDBPyConnection, settings: config.Settings) -> list[str]:
    """CRMs that are asked, or were once: what they landed stays in the marts."""
    return [crm for crm in config.CRMS if settings.is_enabled(crm) or _has_landed(connection, crm)]


def _has_landed(connection: duckdb.DuckDBPyConnection, source: str) -> bool:
    tables = [entry.table for entry in ALL_OBJECTS if entry.source == source]
    return any(connection.execute(f"select 1 from {table} limit 1").fetchone() for table in tables)


def without_silent_crms(night: Night) -> list[str]:
    """What a dbt command is given so that it leaves out the staging of CRMs that hold nothing."""
    held = night.dbt_vars()["crms"]
    silent = [f"fqn:salesops.staging.{crm}" for crm in config.CRMS if held and crm not in held]
    return ["--exclude", *silent] if silent else []


def account_url(connection: duckdb.DuckDBPyConnection) -> str:
    """Where records of the Pipedrive account are opened, without the kind and id; empty while unknown."""
    row = connection.execute(
        "select payload ->> '$.company_domain' from raw.pipedrive__account_info order by landed_at desc limit 1"
    ).fetchone()
    return f"https://{row[0]}.pipedrive.com" if row and row[0] else ""


def portal_url(connection: duckdb.DuckDBPyConnection) -> str:
    """Where records of the HubSpot portal are opened, without the type and id; empty while unknown."""
    row = connection.execute(
        """select json_extract_string(payload, ['$.portalId', '$.uiDomain']) from raw.hubspot__account_info
        order by landed_at desc limit 1"""
    ).fetchone()
    portal, domain = row[0] if row else (None, None)
    return f"https://{domain or 'app.hubspot.com'}/contacts/{portal}/record" if portal else ""


def _exit_code(night: Night, published: bool) -> int:
    """2 credentials, then 1 refused, then 3 a source failed, then 0."""
    if night.credentials_error:
        return 2
    if not published:
        return 1
    return 3 if any(result.state == "failed" for result in night.objects) else 0


def _first_lines(error: Any) -> str:
    """The error that was raised, not Dagster's wrapping of it."""
    innermost = error
    while innermost.cause is not None:
        innermost = innermost.cause
    return " ".join(str(innermost.message).split())[:600]


def _instant(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_instant(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None


def _refuse_bad_token(base_url: str, token: str) -> None:
    """One small request: a token that HubSpot refuses stops the night before it writes anything."""
    from ingestion.session import CredentialsError, SourceError, SourceSession

    session = None
    try:
        session = SourceSession(base_url, token, token_name=config.TOKEN_VARIABLE, attempts=2)
        session.get("/crm/v3/owners/", {"limit": "1"})
        _refuse_wrong_clock("HubSpot", session.date)
    except CredentialsError as error:
        raise ConfigError(f"{config.TOKEN_VARIABLE}: {error}") from None
    except SourceError:
        return  # down, limited or without that scope: the read itself will say so, and the night goes on
    finally:
        if session is not None:
            session.close()


def _refuse_wrong_clock(name: str, told: str | None) -> None:
    """A cursor says up to when a CRM was read. From a clock that is ahead it would say so of changes not yet made."""
    try:
        theirs = parsedate_to_datetime(told or "")
    except ValueError:
        return  # it says no date, or none that can be read
    ours = Clock().now()
    if theirs.tzinfo is not None and abs(ours - theirs) > CLOCKS_APART:
        raise ConfigError(
            f"the clock of this machine says {ours:%Y-%m-%dT%H:%M:%SZ}, that of {name} {theirs:%Y-%m-%dT%H:%M:%SZ}:"
            " set the machine's clock, then run the night again"
        )


def _other_accounts(settings: Settings, environ: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    """Address and token of each enabled CRM beside HubSpot. ConfigError where the token is missing or refused."""
    accounts: dict[str, tuple[str, Any]] = {}
    if settings.sources.pipedrive.enabled:
        from ingestion.pipedrive import PipedriveSource
        from ingestion.session import CredentialsError, SourceError

        url, token = settings.sources.pipedrive.base_url, config.pipedrive_token(environ)
        try:
            pipedrive = PipedriveSource(token, url, attempts=2)
            pipedrive.greet()
            _refuse_wrong_clock("Pipedrive", pipedrive.session.date)
        except CredentialsError as error:
            raise ConfigError(f"{config.PIPEDRIVE_VARIABLE}: {error}") from None
        except SourceError:
            pass  # down or limited: the read itself will say so, and the night goes on
        accounts["pipedrive"] = (url, token)
    if settings.sources.salesforce.enabled:
        org = settings.sources.salesforce
        accounts["salesforce"] = (org.base_url, config.salesforce_login(org, environ))
        _refuse_bad_login(org, *accounts["salesforce"])
    return accounts


def _refuse_bad_login(settings: SalesforceSettings, base_url: str, login: Any) -> None:
    """Sign in once: credentials that the org refuses stop the night before it writes anything."""
    from ingestion.salesforce_client import OrgClient
    from ingestion.session import CredentialsError, SourceError

    client = OrgClient(base_url, login, settings.api_version, settings.daily_share, attempts=2)
    try:
        client.session.close()
        _refuse_wrong_clock("Salesforce", client.date)
    except CredentialsError as error:
        raise ConfigError(str(error)) from None
    except SourceError:
        return  # down: the read itself will say so, and the night goes on


def _check_spreadsheets(settings: Settings) -> None:
    sheets = settings.sources.spreadsheets
    if not sheets.enabled:
        return
    if sheets.folder is not None and not sheets.folder.is_dir():
        raise ConfigError(f"sources.spreadsheets.folder: there is no folder {sheets.folder}")
    for mapping in sheets.mappings:
        if not mapping.is_file():
            raise ConfigError(f"sources.spreadsheets.mappings: there is no file {mapping}")
