"""What a person reads at the end of a night. Reads published files only; computes nothing that a mart does not say."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console

from salesops.night import Night, Outcome
from salesops.publication import current_id, reading

TITLES = {
    "hubspot": "HubSpot",
    "salesforce": "Salesforce",
    "pipedrive": "Pipedrive",
    "spreadsheets": "Spreadsheets",
    "exchange_rates": "Exchange rates",
    "registries": "Company registers",
}
WORST = 5  # offending rows that are printed for a check
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
    problems: dict[str, int]


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
        problems = _problems(connection)
    return Snapshot(publication_id, headlines, rows, problems)


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
    _show_problems(console, after)
    _show_changes(console, night, after, before)
    _show_next(console, night)


def _show_sources(console: Console, night: Night) -> None:
    for source in sorted({result.source for result in night.objects}):
        results = sorted((r for r in night.objects if r.source == source), key=lambda r: str(r.object))
        names = [TITLES.get(source, source), "state", "read", "new", "same", "quarantined", "deleted", "requests"]
        rows = [
            [r.object, r.state, *(f"{n:,}" for n in (
                r.rows_read, r.rows_appended, r.rows_unchanged, r.rows_quarantined, r.deletions, r.requests))]
            for r in results
        ]  # fmt: skip
        _columns(console, [names, *rows], left=2)
        _line(console, _cost(night, source, results))
        console.print()
    for (source, state, reason), names in _unread(night).items():
        _line(console, f"{source} {', '.join(names)} {state}: {reason}")
    for result in night.objects:
        if result.state == "skipped":
            _line(console, f"{TITLES.get(result.source, result.source)}: {result.reason}")


def _cost(night: Night, source: str, results: list[Any]) -> str:
    """What one source was asked for, the id scan apart: without it an unchanged night is a handful of requests."""
    requests, scan = (sum(getattr(r, name) for r in results) for name in ("requests", "scan_requests"))
    asked = f"{requests:,} requests" + (f", {scan:,} of them the id scan" if scan else "") if requests else "not asked"
    told = [asked, f"{sum(r.rows_read for r in results):,} records"]
    if source in night.source_seconds:
        told.append(f"{night.source_seconds[source]:,.1f} s")
    return f"{TITLES.get(source, source)}: {', '.join(told if requests else told[1:])}"


def _unread(night: Night) -> dict[tuple[str, str, str], list[str]]:
    """Objects that could not be read, by why: one cause is said once."""
    causes: dict[tuple[str, str, str], list[str]] = {}
    for result in night.objects:
        if result.state in ("failed", "not_permitted"):
            causes.setdefault((result.source, result.state, str(result.reason)), []).append(result.object)
    return causes


def _columns(console: Console, rows: list[list[str]], left: int) -> None:
    """Aligned plain text: the same on a terminal, in a pipe and in a log. The first `left` columns are words."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [c.ljust(w) if n < left else c.rjust(w) for n, (c, w) in enumerate(zip(row, widths, strict=True))]
        _line(console, "  ".join(cells).rstrip())


def _line(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)


def _show_checks(console: Console, night: Night) -> None:
    states = [check.state for check in night.checks]
    counts = ", ".join(f"{states.count(state)} {state}" for state in ("passed", "warned", "failed"))
    _line(console, f"Checks: {counts}")
    said = tuple(reason for _, _, reason in _unread(night))
    for check in night.checks:
        if check.state == "passed" or (said and check.reason.endswith(said)):
            continue
        _line(console, f"  {check.state}: {check.asset} {check.name}: {check.reason}")
        for line in check.worst[:WORST]:
            _line(console, f"    {line}")
        if len(check.worst) > WORST:
            _line(console, "    and more: `make ui`, the check of that asset")


def _show_refusal(console: Console, night: Night, outcome: Outcome, after: Snapshot | None) -> None:
    console.print("\nNot published.")
    for line in outcome.failures:
        _line(console, f"  {line}")
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
    _line(console, f"\n{night.settings.company_name}, as of {night.as_of:%Y-%m-%d %H:%M} UTC")
    rows = [["", "now", *(["before"] if before else [])]]
    for name, (unit, _) in HEADLINES.items():
        values = [shot.headlines.get(name) for shot in (after, before) if shot is not None]
        rows.append([name, *(_shown(value, unit, company.currency) for value in values)])
    _columns(console, rows, left=1)


def _show_problems(console: Console, after: Snapshot) -> None:
    if after.problems:
        often = sorted(after.problems.items(), key=lambda item: -item[1])[:3]
        told = "; ".join(f"{problem} ({count:,})" for problem, count in often)
        _line(console, f"\nkpi.data_quality_issues lists {sum(after.problems.values()):,} records, most often: {told}")


def _show_changes(console: Console, night: Night, after: Snapshot, before: Snapshot | None) -> None:
    appended = sum(r.rows_appended + r.links_appended + r.history_appended for r in night.objects)
    if before is None:
        _line(console, f"\nFirst publication in {night.publish_to}.")
        if night.baseline_was_set:
            console.print("Its duplicate contacts are the accepted baseline from now on.")
    elif appended == 0 and before.rows == after.rows:
        console.print("\nNothing changed since the last night: no row was appended.")
    else:
        console.print(f"\nChanged since {before.publication_id}: {appended:,} rows appended to raw.")
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
    _line(console, "\nNext:")
    typed = [(_as_typed(command), why) for command, why in lines]
    width = max(len(command) for command, _ in typed)
    for command, why in typed:
        _line(console, f"  {command:<{width}}  {why}")


def _as_typed(command: str) -> str:
    """With the environment's folder in front, where the shell would not find `salesops` by itself."""
    beside = Path(sys.executable).with_name("salesops")
    if not command.startswith("salesops") or shutil.which("salesops") or not beside.exists():
        return command
    shown = beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside
    return command.replace("salesops", str(shown), 1)


def _problems(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    try:
        query = "select problem, count(*) from kpi.data_quality_issues group by problem"
        return dict(connection.execute(query).fetchall())
    except (duckdb.CatalogException, duckdb.BinderException):
        return {}


def _value(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    try:
        row = connection.execute(query).fetchone()
    except (duckdb.CatalogException, duckdb.BinderException):  # a publication from before this mart or column
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
