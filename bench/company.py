"""A made-up company of any size in the raw tables, for measurements: per deal some ten changes and ten activities.

The company itself is bench/company.sql. Here is what landing adds: hashes, batch, instants and bookkeeping.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from ingestion import landing
from ingestion.objects import ALL_OBJECTS

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)  # when all of it was landed
# what an activity is linked to, and which are; its id among the ten of a deal
LINKED = {
    "deals": ("id", "bench.chance(i * 16 + n, 'at a deal') < 0.85"),
    "contacts": ("61250000000 + company + i % 3 * getvariable('companies')", "true"),
    "companies": ("15730000000 + company", "true"),
}
ACTIVITY_IDS = {
    "calls": ("71340000000 + i * 3 + n", "n < 3"),
    "emails": ("72880000000 + i * 3 + n - 3", "n between 3 and 5"),
    "meetings": ("73510000000 + i * 2 + n - 6", "n between 6 and 7"),
    "notes": ("75120000000 + i", "n = 8"),
    "tasks": ("74290000000 + i", "n = 9"),
}


def make(folder: Path, deals: int) -> None:
    """Fill a new warehouse in `folder` with a company of that many deals. The same number gives the same rows."""
    folder.mkdir(parents=True, exist_ok=True)
    sellers = 8 + deals // 2000
    size = {"deals": deals, "companies": deals // 3, "sellers": sellers, "teams": 1 + sellers // 8}
    with _opened(folder, size) as connection:
        landing.prepare(connection)
        sections = _sections()
        connection.execute(sections.pop("setup"))
        for table, query in (sections | _activity_links()).items():
            _fill(connection, table, query, batch=1, landed_at=NOW)
        landing.write_settings(
            connection,
            [
                {
                    "source": entry.source,
                    "object": entry.name,
                    "is_enabled": True,
                    "is_required": False,
                    "on_error": "flag",
                }
                for entry in ALL_OBJECTS
            ],
        )
        connection.executemany(
            """insert into raw.sync_state (source, object, completed_at, state, last_success_at)
            values (?, ?, ?, 'ok', ?)""",
            [(entry.source, entry.name, NOW, NOW) for entry in ALL_OBJECTS],
        )


def change(folder: Path, every: int) -> datetime:
    """One deal in `every` gets a new amount and next step, landed as the next night's read would; when that was."""
    night = NOW + timedelta(days=1)
    with _opened(folder, {"every": every, "since": NOW}) as connection:
        connection.execute(
            """insert into bench.changes
            select i, id, owner, p.property, p.value, bench.now() + to_seconds(3600 + bench.pick(i, 'changed', 30000))
            from bench.deals, lateral (select unnest([
                {property: 'amount', value: (amount * 1.5)::decimal(18, 2)::varchar},
                {property: 'hs_next_step', value: 'Book a demo'}
            ]) as p) where i % getvariable('every') = 0"""
        )
        for table in ("raw.hubspot__deals", "raw.hubspot__deals_history"):
            _fill(connection, table, _sections()[table], batch=2, landed_at=night)
        connection.execute("update raw.sync_state set completed_at = $1, last_success_at = $1", [night])
    return night


@contextmanager
def _opened(folder: Path, variables: dict[str, Any]) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse of `folder` beside the database that the company is made from."""
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("set timezone = 'UTC'; set threads = 2; set preserve_insertion_order = false")
        connection.execute(f"attach '{folder / 'company.duckdb'}' as bench")
        for name, value in ({"now": NOW, "every": 1, "since": datetime(1900, 1, 1, tzinfo=UTC)} | variables).items():
            connection.execute(f"set variable {name} = {_literal(value)}")
        yield connection


def _literal(value: Any) -> str:
    return f"timestamp '{value:%Y-%m-%d %H:%M:%S}'" if isinstance(value, datetime) else str(value)


def _sections() -> dict[str, str]:
    """The parts of company.sql by the table that each fills, in order; `setup` fills none."""
    parts = re.split(r"^--- (\S+)$", Path(__file__).with_suffix(".sql").read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _activity_links() -> dict[str, str]:
    queries = {}
    for kind, (own, which) in ACTIVITY_IDS.items():
        for thing, (other, also) in LINKED.items():
            query = f"select {own} as a, {other} as b, null as label from bench.activities where {which} and {also}"
            queries[f"raw.hubspot__{kind}_{thing}_links"] = query
    return queries


def _fill(connection: duckdb.DuckDBPyConnection, table: str, query: str, batch: int, landed_at: datetime) -> None:
    """Insert what `query` gives. A labelled link is listed twice, as the vendor does it: bare and with its label."""
    landed = f"{batch}, {_literal(landed_at)}"
    if table.endswith("_links"):
        ends = "a::varchar, b::varchar, 'HUBSPOT_DEFINED'"
        connection.execute(f"insert into {table} select {ends}, '1', null, false, {landed} from ({query})")
        labelled = f"({query}) where label is not null"
        connection.execute(f"insert into {table} select {ends}, '2', label, false, {landed} from {labelled}")
    elif table.endswith("_history"):
        columns = "id, property, value, changed_at, source_type, changed_by, position"
        connection.execute(f"insert into {table} select {columns}, {landed} from ({query})")
    else:
        columns = "id, stamp, false, payload, md5(payload::varchar)"
        connection.execute(f"insert into {table} select {columns}, {landed} from ({query})")
