"""Flat records whose fields are known beforehand, from JSON pages and from CSV: one payload whichever way they came.

Every value is kept as text in one spelling: numbers as a double prints, instants with Z, nothing for empty. So a record
that a bulk job gave and a query gives again is unchanged.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from typing import Any

import duckdb
import orjson

from ingestion.landing_parts import Landing, lines, one
from ingestion.objects import RawObject
from ingestion.spool import Spool, Table

FLOATS, WHOLES, INSTANTS = ("double", "currency", "percent"), ("int", "long"), ("datetime",)
HISTORY, SNAPSHOTS = "changes", "snapshots"  # the two forms of vendor history: changed fields, and whole rows


def insert_table(
    connection: duckdb.DuckDBPyConnection,
    into: str,
    spool: Spool,
    table: Table,
    volatile: re.Pattern[str],
    landing: Landing,
) -> None:
    """Append every row of the spooled table. duckdb.DataError where it has not the rows that the vendor counted."""
    names = sorted(table.columns)
    payload = ", ".join(_part(name, table.columns[name]) for name in names)
    kept = ", ".join(_part(name, table.columns[name]) for name in names if not volatile.fullmatch(name)) or "''"
    stamp = 'try_cast("SystemModstamp" as timestamptz)' if "SystemModstamp" in table.columns else "null"
    deleted = 'coalesce(try_cast("IsDeleted" as boolean), false)' if "IsDeleted" in table.columns else "false"
    before = _count(connection, into, landing)
    connection.execute(
        f"""insert into {into}
            select "Id", coalesce({stamp}, $now), {deleted}, '{{' || ltrim(concat({payload}), ',') || '}}',
                md5(concat({kept})), $batch_id, $now
            from {_rows(spool, table)} as r where "Id" is not null""",
        landing,
    )
    _check(table, _count(connection, into, landing) - before)


def land_table_history(
    connection: duckdb.DuckDBPyConnection, entry: RawObject, spool: Spool, landing: Landing, into: str
) -> int:
    """Changed fields (with the value before, as property `old:Field`), and snapshots, a property for each column.

    A row that was sent twice, as after a lost cursor, counts once: `union`, not `union all`.
    """
    selects = []
    if table := spool.tables.get(HISTORY):
        _check(table, one(connection, f"select count(*) from {_rows(spool, table)} as r"))
        rows = _rows(spool, table)
        for property, value in (('"Field"', '"NewValue"'), ("'old:' || \"Field\"", '"OldValue"')):
            selects.append(_changes(property, value, "field_history", rows))
    if table := spool.tables.get(SNAPSHOTS):
        rows = _rows(spool, table)
        _check(table, one(connection, f"select count(*) from {rows} as r"))
        own = [name for name in table.columns if name not in ("Id", "Parent", "CreatedDate", "CreatedById")]
        for name in own:
            selects.append(_changes(f"'{name}'", _spelt(name, table.columns[name]), "snapshot", rows))
    if not selects:
        return 0
    before = _count(connection, into, landing)
    connection.execute(
        f"""insert into {into}
            with given (record_id, property, value, given_at, source_type, changed_by, row_id) as (
                {" union ".join(selects)}
            ),
            fresh as (
                select record_id, property, coalesce(value, '') as value,
                    try_cast(given_at as timestamptz) as changed_at, source_type, changed_by,
                    row_number() over (partition by record_id, property, changed_at order by row_id desc) as position
                from given where changed_at is not null
                qualify row_number() over (
                    partition by record_id, property, value, changed_at order by source_type, row_id desc) = 1
            )
            select fresh.*, $batch_id, $now from fresh
            where not exists (
                select 1 from {entry.history_table} as h
                where h.record_id = fresh.record_id and h.property = fresh.property
                    and h.changed_at = fresh.changed_at and h.value is not distinct from fresh.value)""",
        landing,
    )
    return _count(connection, into, landing) - before


def _changes(property: str, value: str, source: str, rows: str) -> str:
    return f'select "Parent", {property}, {value}, "CreatedDate", \'{source}\', "CreatedById", "Id" from {rows} as r'


def _rows(spool: Spool, table: Table) -> str:
    """The relation of the spooled rows, all text."""
    names = list(table.columns)
    selects = []
    if path := spool.path(table.name):
        structure = ", ".join(f"{_quoted(_asked(name, table))} VARCHAR" for name in names)
        columns = ", ".join(f"r.{_quoted(_asked(name, table))} as {_quoted(name)}" for name in names)
        pages = lines(path, f"{spool.form.rows}: 'STRUCT({structure})[]'")
        selects.append(f"select {columns} from (select unnest({spool.form.rows}) as r from {pages}) as pages")
    if path := spool.path(f"{table.name}.csv"):
        header = next(csv.reader([table.csv_header.decode().rstrip("\r")]))
        columns = ", ".join(f"'{name}': 'VARCHAR'" for name in header)
        text = str(path).replace("'", "''")
        picked = ", ".join(f"nullif({_quoted(_asked(name, table))}, '') as {_quoted(name)}" for name in names)
        selects.append(
            f"""select {picked} from read_csv('{text}', header=true, auto_detect=false, delim=',', quote='"',
                escape='"', max_line_size={16 * 1024 * 1024}, columns={{{columns}}})"""
        )
    return f"({' union all '.join(selects)})"


def _asked(name: str, table: Table) -> str:
    """The field as the vendor calls it: a history row's parent has a name of its own in each object."""
    return table.parent if name == "Parent" else name


def _spelt(name: str, kind: str) -> str:
    column = _quoted(name)
    if kind in FLOATS:
        return f"coalesce(try_cast({column} as double)::varchar, {column})"
    if kind in WHOLES:
        return f"coalesce(try_cast({column} as bigint)::varchar, {column})"
    if kind in INSTANTS:
        return f"replace({column}, '+0000', 'Z')"
    return f"nullif({column}, '')"


def _part(name: str, kind: str) -> str:
    """The SQL that writes one field of the payload; a field without a value is not written."""
    lead = "," + orjson.dumps(name).decode().replace("'", "''") + ":"
    return f"coalesce('{lead}' || to_json({_spelt(name, kind)})::varchar, '')"


def _check(table: Table, found: int) -> None:
    if found != table.rows:
        raise duckdb.DataError(f"{found} rows of {table.name} landed where the vendor counted {table.rows}")


def _count(connection: duckdb.DuckDBPyConnection, table: str, landing: Mapping[str, Any]) -> int:
    return one(connection, f"select count(*) from {table} where batch_id = {landing['batch_id']}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""').replace("'", "''") + '"'
