"""One multi-asset for each source: asks the vendor, lands what changed, and says of each object how it went.

An object that failed still materializes, marked failed, beside a failed check that blocks nothing: a skipped output
would skip every later step, and the run would be green (engineering notes, section 4).
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import dagster as dg

from dagster_project.resources import night_of
from ingestion import landing, suppression
from ingestion.exchange_rates import CURRENCIES
from ingestion.landing import ObjectResult
from ingestion.objects import ALL_OBJECTS, RawObject
from ingestion.registries import COMPANIES
from salesops.config import CRMS, PIPEDRIVE_VARIABLE, TOKEN_VARIABLE, Settings
from salesops.layout import for_readers
from salesops.night import ROOT, Night

OWNER = "team:sales-operations"


@dataclass(frozen=True)
class Source:
    """How a source is called; `_read_<its name>` below reads it. `must_have`: objects that no company lacks."""

    title: str
    kind: str
    must_have: tuple[str, ...] = ()
    read_from: str = ""


SOURCES = {
    "hubspot": Source("HubSpot", "hubspot", ("deals", "owners", "pipelines")),
    "salesforce": Source("Salesforce", "salesforce", ("opportunities", "users", "stages")),
    "pipedrive": Source("Pipedrive", "pipedrive", ("deals", "users", "pipelines", "stages")),
    "spreadsheets": Source("Spreadsheet", "excel", read_from="the spreadsheets"),
    "exchange_rates": Source("ECB", "xml", read_from="the European Central Bank"),
    "registries": Source("Company register", "json", read_from="the company registers"),
}
REFUSED = tuple(f"{name} was refused (401)" for name in (TOKEN_VARIABLE, PIPEDRIVE_VARIABLE))  # as the session says
BOOKS = {
    "raw.sync_state": "Where the extraction of each object stands; moves in the same transaction as its rows",
    "raw.quarantine": "Rows that were refused, with their coordinates and the reason",
    "raw.settings_objects": "What is enabled, and the thresholds of each source object, as configured for this night",
    "raw.spreadsheet_files": "Spreadsheet files that were landed, by content",
    "raw.batches": "One row for each landed batch, with its counts",
    "raw.retention": "Replaced versions that were taken out, for each table and cut",
}
COUNTS = (
    "requests", "retries", "bytes", "rows_read", "rows_appended", "rows_unchanged", "rows_quarantined", "deletions",
    "links_appended", "history_appended",
)  # fmt: skip

Result = dg.MaterializeResult[Any] | dg.AssetCheckResult


def build_ingest(settings: Settings) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """An asset for each raw table of an enabled source; the other tables are there too, as what nobody fills."""
    enabled = [source for source in SOURCES if settings.is_enabled(source)]
    return [*(_source_asset(source, settings) for source in enabled), *_tables_without_a_step(enabled)]


def _tables_without_a_step(enabled: list[str]) -> Iterator[dg.AssetSpec]:
    """Tables that models read and no step of the graph owns: the landing's books, and sources that are not enabled."""
    described = dict(BOOKS)
    for entry in ALL_OBJECTS:
        if entry.source not in enabled:
            text = f"{SOURCES[entry.source].title} {entry.name}: not enabled: not asked, the table stays as it is"
            names = [entry.table, *(entry.link_table(target) for target in entry.links)]
            names += [entry.history_table] if entry.has_history else []
            described |= dict.fromkeys(names, text)
    for table, text in described.items():
        yield dg.AssetSpec(raw_key(table), description=text, group_name="raw", owners=[OWNER], kinds={"duckdb"})


def raw_key(table: str) -> dg.AssetKey:
    return dg.AssetKey(["raw", table.removeprefix("raw.")])


def _source_asset(source: str, settings: Settings) -> dg.AssetsDefinition:
    entries = [entry for entry in ALL_OBJECTS if entry.source == source]
    specs = [spec for entry in entries for spec in _table_specs(entry, settings)]
    checks = [check for entry in entries for check in _check_specs(entry, settings)]

    @dg.multi_asset(name=source, specs=specs, check_specs=checks, required_resource_keys={"night"})
    def read_source(context: dg.AssetExecutionContext) -> Iterator[Result]:
        night = night_of(context)
        night.say(f"Reading {SOURCES[source].read_from or SOURCES[source].title} ...")
        with night.warehouse() as connection:
            landing.prepare(connection)
            suppression.copy_into(connection, night.data.erasures)
            landing.write_settings(connection, night.settings.object_rows())
            erased = suppression.of(connection)
        waiting, started = {entry.name: entry for entry in entries}, time.monotonic()
        for result in _read(source, night):
            if erased and result.reason:  # a vendor's words, or a sheet's titles
                result = replace(result, reason=erased.scrubbed(result.reason))
            night.objects.append(result)
            if result.state == "failed" and any(
                words in str(result.reason) for words in REFUSED
            ):  # the token expired while it was used
                night.credentials_error = result.reason
            context.log.info("%s.%s: %s, %s appended", source, result.object, result.state, result.rows_appended)
            entry = waiting.pop(result.object, None)
            if entry is not None:
                yield from _events(entry, result, night)
        night.source_seconds[source] = time.monotonic() - started
        for entry in waiting.values():
            reason = night.source_errors.get(source, "the source ended without a word about it")
            reason = erased.scrubbed(reason) if erased else reason
            result = ObjectResult(source, entry.name, "failed", reason)
            night.objects.append(result)
            with night.warehouse() as connection:
                landing.record_failure(
                    connection, source, entry.name, "failed", reason, night.run_id, night.clock.now()
                )
            yield from _events(entry, result, night)

    return read_source


def _read(source: str, night: Night) -> Iterator[ObjectResult]:
    """The source's results; an error that ends it early is kept for the objects that it still owed."""
    from ingestion.session import CredentialsError

    reader: Callable[[Night], Iterator[ObjectResult]] = globals()[f"_read_{source}"]
    try:
        yield from reader(night)
    except CredentialsError as error:
        night.credentials_error = night.source_errors[source] = str(error)
    except Exception as error:  # noqa: BLE001 whatever breaks one source, the other sources still go through
        night.source_errors[source] = f"{type(error).__name__}: {error}"


def _read_hubspot(night: Night) -> Iterator[ObjectResult]:
    from ingestion.hubspot import HubSpotSource, sync_hubspot

    settings, now = night.settings.sources.hubspot, night.clock.now()
    source = HubSpotSource(
        night.token,
        night.base_url,
        night.data.spool,
        now,
        id_scan=settings.id_scan,
        extra_history=settings.extra_history,
    )
    return sync_hubspot(night.warehouse, source, night.run_id, now)


def _read_salesforce(night: Night) -> Iterator[ObjectResult]:
    from ingestion.salesforce import SalesforceSource, sync_salesforce
    from ingestion.salesforce_client import Login

    settings, (base_url, held) = night.settings.sources.salesforce, night.accounts["salesforce"]
    source = SalesforceSource(
        Login.of(held),
        base_url,
        night.data.spool,
        api_version=settings.api_version,
        daily_share=settings.daily_share,
        bulk_above=settings.bulk_above,
        id_scan=settings.id_scan,
    )
    try:
        yield from sync_salesforce(night.warehouse, source, night.run_id, night.clock.now())
    finally:
        source.client.close()


def _read_pipedrive(night: Night) -> Iterator[ObjectResult]:
    from ingestion.pipedrive import PipedriveSource, sync_pipedrive

    settings, (url, token) = night.settings.sources.pipedrive, night.accounts["pipedrive"]
    source = PipedriveSource(
        token, url, night.data.spool, id_scan=settings.id_scan, tokens_per_night=settings.tokens_per_night
    )
    return sync_pipedrive(night.warehouse, source, night.run_id, night.clock.now())


def _read_spreadsheets(night: Night) -> Iterator[ObjectResult]:
    from ingestion.spreadsheets import sync_spreadsheets

    settings = night.settings.sources.spreadsheets
    if settings.folder is None:
        with for_readers():
            night.drop.mkdir(parents=True, exist_ok=True)
    mappings = settings.mappings or sorted((ROOT / "mappings").glob("*.toml"))
    return sync_spreadsheets(night.warehouse, night.drop, mappings, night.run_id, night.clock.now())


def _read_exchange_rates(night: Night) -> Iterator[ObjectResult]:
    from ingestion.exchange_rates import ExchangeRateSource, sync_exchange_rates

    source = ExchangeRateSource(night.rates_url, night.data.spool)
    currency = night.settings.company.currency
    return sync_exchange_rates(night.warehouse, source, currency, night.run_id, night.clock.now())


def _read_registries(night: Night) -> Iterator[ObjectResult]:
    from ingestion.registries import RegistrySource, sync_registries

    settings = night.settings.sources.registries
    source = RegistrySource(
        *night.registry_urls,
        night.data.spool,
        refresh_days=settings.refresh_days,
        most_lookups=settings.lookups_per_night,
    )
    return sync_registries(night.warehouse, source, settings.fields, night.run_id, night.clock.now(), night.began)


def _tables_first(source: str) -> list[str]:
    """Tables whose contents decide what a source is asked for."""
    if source == "exchange_rates":  # rates are asked for when amounts have landed that need them
        return [table for table, _ in CURRENCIES]
    return [table.name for table in COMPANIES.values()] if source == "registries" else []


def _table_specs(entry: RawObject, settings: Settings) -> Iterator[dg.AssetSpec]:
    title = SOURCES[entry.source].title
    tables = {entry.table: f"{title} {entry.name} as received: one row for each version that differs"}
    if entry.has_history:
        tables[entry.history_table] = f"{title}'s own history of the properties of {entry.name}"
    for target in entry.links:
        tables[entry.link_table(target)] = f"{title} associations from {entry.name} to {target}, with their labels"
    hours = settings.freshness.rule(entry.source, entry.name).error_hours or 50
    first = [raw_key(table) for table in _tables_first(entry.source)]
    for table, description in tables.items():
        yield dg.AssetSpec(
            raw_key(table),
            deps=first,
            description=description,
            group_name="raw",
            owners=[OWNER],
            kinds={SOURCES[entry.source].kind, "duckdb"},
            freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=hours)),
        )


def _must_have_rows(entry: RawObject, settings: Settings) -> bool:
    """Deals have to come from somewhere: from the sheets, where there is no CRM."""
    if entry.source == "spreadsheets":
        return entry.name == "deals" and not any(settings.is_enabled(crm) for crm in CRMS)
    return entry.name in SOURCES[entry.source].must_have


def _check_specs(entry: RawObject, settings: Settings) -> Iterator[dg.AssetCheckSpec]:
    key = raw_key(entry.table)
    yield dg.AssetCheckSpec("was_read", asset=key, description="The source answered for this object tonight")
    yield dg.AssetCheckSpec(
        "counts_balance",
        asset=key,
        blocking=True,
        description="Rows read = appended + unchanged + quarantined; nothing is lost between the source and raw",
    )
    if _must_have_rows(entry, settings):
        yield dg.AssetCheckSpec("is_not_empty", asset=key, blocking=True, description="There is at least one record")


def _events(entry: RawObject, result: ObjectResult, night: Night) -> Iterator[Result]:
    yield dg.MaterializeResult(asset_key=raw_key(entry.table), metadata=_metadata(result))
    if entry.has_history:
        metadata = {"appended": result.history_appended, "state": result.state}
        yield dg.MaterializeResult(asset_key=raw_key(entry.history_table), metadata=metadata)
    for target in entry.links:
        metadata = {"appended_for_all_targets": result.links_appended, "state": result.state}
        yield dg.MaterializeResult(asset_key=raw_key(entry.link_table(target)), metadata=metadata)
    yield _was_read(entry, result, night)
    yield _counts_balance(entry, result, night)
    if _must_have_rows(entry, night.settings):
        yield _is_not_empty(entry, result, night)


def _metadata(result: ObjectResult) -> dict[str, Any]:
    metadata: dict[str, Any] = {"state": result.state, "seconds": round(result.seconds, 3)}
    metadata |= {name: getattr(result, name) for name in COUNTS}
    if result.reason:
        metadata["reason"] = result.reason
    if result.preview:
        columns = [dg.TableColumn(name) for name in result.preview[0]]
        rows = [dg.TableRecord({key: str(value) for key, value in row.items()}) for row in result.preview[:5]]
        metadata["preview"] = dg.MetadataValue.table(rows, dg.TableSchema(columns))
    return metadata


def _was_read(entry: RawObject, result: ObjectResult, night: Night) -> dg.AssetCheckResult:
    passed = result.state in ("ok", "empty", "skipped")
    severity = dg.AssetCheckSeverity.WARN if result.state == "not_permitted" else dg.AssetCheckSeverity.ERROR
    return _checked(entry, "was_read", passed, result.reason or result.state, night, severity)


def _counts_balance(entry: RawObject, result: ObjectResult, night: Night) -> dg.AssetCheckResult:
    accounted = result.rows_appended + result.rows_unchanged + result.rows_quarantined
    balances = result.state == "failed" or result.rows_read == accounted
    reason = f"read {result.rows_read}, appended + unchanged + quarantined {accounted}"
    return _checked(entry, "counts_balance", balances, reason, night, is_blocking=True)


def _is_not_empty(entry: RawObject, result: ObjectResult, night: Night) -> dg.AssetCheckResult:
    """An object that could not be read on the very first night is reported by was_read, and the others go on."""
    with night.warehouse() as connection:
        rows = connection.execute(f"select count(*) from {entry.table}").fetchone()[0]  # type: ignore[index]
    passed = rows > 0 or result.state == "failed"
    return _checked(entry, "is_not_empty", passed, f"{rows} versions landed", night, is_blocking=True)


def _checked(
    entry: RawObject,
    name: str,
    passed: bool,
    reason: str,
    night: Night,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    *,
    is_blocking: bool = False,
) -> dg.AssetCheckResult:
    state = "passed" if passed else ("warned" if severity == dg.AssetCheckSeverity.WARN else "failed")
    night.note(entry.table.replace(".", "/"), name, state, "" if passed else reason, is_blocking)
    return dg.AssetCheckResult(
        asset_key=raw_key(entry.table),
        check_name=name,
        passed=passed,
        severity=severity,
        description=reason,
        metadata={"reason": reason},
    )
