"""What a person reads at the end of a night. Reads published files only; computes nothing that a mart does not say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from salesops.night import Night, Outcome
from salesops.publication import current_id, reading

_ALL = "from kpi.{} where period_grain = 'all' and dimension = 'company'"
HEADLINES = {
    "Hit rate": ("share", "select win_rate " + _ALL.format("win_rate")),
    "Deals decided": ("count", "select decided_count " + _ALL.format("win_rate")),
    "Sales cycle, won deals, median": ("days", "select won_days_median " + _ALL.format("sales_cycle")),
    "Average contract value (a year)": ("money", "select acv_mean " + _ALL.format("contract_value")),
    "Average won value": ("money", "select won_value_mean " + _ALL.format("contract_value")),
    "Lead response, median": ("minutes", "select median_km_business_minutes " + _ALL.format("lead_response")),
    "Leads answered in time": ("share", "select within_sla_rate " + _ALL.format("lead_response")),
    "Open pipeline": (
        "money",
        "select open_value from kpi.pipeline_open where dimension = 'company' order by snapshot_date desc limit 1",
    ),
    "Open deals": (
        "count",
        "select open_count from kpi.pipeline_open where dimension = 'company' order by snapshot_date desc limit 1",
    ),
}


@dataclass(frozen=True)
class Snapshot:
    """What a published file says: headline numbers, and the rows of each pipeline table."""

    publication_id: str
    headlines: dict[str, Any]
    rows: dict[str, int]


def snapshot(target: Path) -> Snapshot | None:
    """The present publication in numbers, or None when there is none."""
    publication_id = current_id(target)
    if publication_id is None:
        return None
    with reading(target / "marts.duckdb") as connection:
        headlines = {name: _value(connection, query) for name, (_, query) in HEADLINES.items()}
        tables = connection.execute(
            "select table_name from duckdb_tables() where schema_name = 'pipeline' and table_name <> 'calendar'"
        ).fetchall()
        rows = {name: _value(connection, f'select count(*) from pipeline."{name}"') for (name,) in sorted(tables)}
    return Snapshot(publication_id, headlines, rows)


def show(console: Console, night: Night, outcome: Outcome, before: Snapshot | None) -> None:
    """The whole summary. `before`: what was published when the night began."""
    after = snapshot(night.publish_to)
    console.print()
    _show_sources(console, night)
    _show_checks(console, night)
    if not outcome.published:
        _show_refusal(console, night, outcome, after)
        return
    assert after is not None
    _show_headlines(console, night, after, before)
    _show_changes(console, night, after, before)
    _show_next(console, night)


def _show_sources(console: Console, night: Night) -> None:
    table = Table("source", "object", "state", title="Rows read", title_justify="left")
    for name in ("read", "new", "same", "quarantined", "deleted", "requests"):
        table.add_column(name, justify="right")
    for result in sorted(night.objects, key=lambda r: (r.source, r.object)):
        counts = (
            result.rows_read, result.rows_appended, result.rows_unchanged, result.rows_quarantined, result.deletions,
            result.requests,
        )  # fmt: skip
        table.add_row(result.source, result.object, result.state, *(f"{n:,}" for n in counts))
    console.print(table)
    for result in night.objects:
        if result.state in ("failed", "not_permitted"):
            console.print(f"  {result.source}.{result.object} {result.state}: {result.reason}", markup=False)


def _show_checks(console: Console, night: Night) -> None:
    states = [check.state for check in night.checks]
    counts = ", ".join(f"{states.count(state)} {state}" for state in ("passed", "warned", "failed"))
    console.print(f"Checks: {counts}")
    for check in night.checks:
        if check.state != "passed":
            console.print(f"  {check.state}: {check.asset} {check.name}: {check.reason}", markup=False)


def _show_refusal(console: Console, night: Night, outcome: Outcome, after: Snapshot | None) -> None:
    console.print("\nNot published.")
    for line in outcome.failures:
        console.print(f"  {line}", markup=False)
    if after is not None:
        console.print(f"The marts of {after.publication_id} stay: {night.publish_to / 'marts.duckdb'}", soft_wrap=True)
    _commands(
        console,
        ("salesops doctor", "what is configured, reachable, stale"),
        ('salesops duplicates accept --note "why"', "if the new duplicates are the accepted state"),
        ("salesops nightly", "try again when the cause is gone"),
    )


def _show_headlines(console: Console, night: Night, after: Snapshot, before: Snapshot | None) -> None:
    company = night.settings.company
    table = Table("", title=f"{company.name}, as of {night.as_of:%Y-%m-%d %H:%M} UTC", title_justify="left")
    table.add_column("now", justify="right")
    old = before.headlines if before else {}
    if before:
        table.add_column("before", justify="right")
    for name, (unit, _) in HEADLINES.items():
        cells = [_shown(after.headlines[name], unit, company.currency)]
        if before:
            cells.append(_shown(old.get(name), unit, company.currency))
        table.add_row(name, *cells)
    console.print(table)


def _show_changes(console: Console, night: Night, after: Snapshot, before: Snapshot | None) -> None:
    appended = sum(r.rows_appended + r.links_appended + r.history_appended for r in night.objects)
    if before is None:
        console.print("First publication of this data directory.")
        if night.baseline_was_set:
            console.print("Its duplicate contacts are the accepted baseline from now on.")
    elif appended == 0 and before.rows == after.rows:
        console.print("Nothing changed since the last night: no row was appended.")
    else:
        console.print(f"Changed since {before.publication_id}: {appended:,} rows appended to raw.")
        for line in _changes(before, after):
            console.print(f"  {line}")


def _changes(before: Snapshot, after: Snapshot) -> Iterator[str]:
    for table, rows in after.rows.items():
        if (change := rows - before.rows.get(table, 0)) != 0:
            yield f"pipeline.{table}: {change:+,} rows ({rows:,})"


def _show_next(console: Console, night: Night) -> None:
    console.print(f"Marts: {night.publish_to / 'marts.duckdb'} (Parquet beside it)", soft_wrap=True)
    last = ("make tomorrow", "let the practice company live a day, and run the night after it")
    if not night.settings.is_practice:
        last = ("salesops doctor", "what is configured, reachable, permitted, stale")
    _commands(
        console,
        ('salesops sql "select * from kpi.win_rate limit 5"', "ask the marts"),
        ("make ui", "lineage and checks in the browser"),
        last,
    )


def _commands(console: Console, *lines: tuple[str, str]) -> None:
    console.print("Next:")
    for command, why in lines:
        console.print(f"  {command:<52} {why}", markup=False, soft_wrap=True)


def _value(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    try:
        row = connection.execute(query).fetchone()
    except duckdb.CatalogException:  # a publication from before this mart existed
        return None
    return row[0] if row else None


def _shown(value: Any, unit: str, currency: str) -> str:
    if value is None:
        return "none"
    if unit == "share":
        return f"{Decimal(str(value)) * 100:.1f} %"
    if unit == "money":
        return f"{value:,.0f} {currency}"
    if unit == "count":
        return f"{value:,}"
    return f"{value:,.1f} {'business minutes' if unit == 'minutes' else unit}"
