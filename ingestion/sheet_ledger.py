"""What the landing store knows of dropped files: the ledger, which rows came from which file, known refusals.

The ledger is written before the rows: killed in between, the next night reads the file again and ends the same,
because rows are compared with what was landed and not with the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb
import orjson

from ingestion.landing import ObjectResult
from ingestion.objects import RawObject

COORDINATES = ("file", "sheet", "row_number", "column_name", "value", "reason")
Where = tuple[Any, ...]


@dataclass(frozen=True)
class SheetFile:
    file: str
    sheet: str | None
    mapping: str
    content: str
    row_count: int


@dataclass(frozen=True)
class Unmatched:
    file: str
    reason: str


@dataclass
class Known:
    """`order`: when the present content of each sheet first came. `lineage`: every name that its contents ever had."""

    order: dict[tuple[str, str | None], datetime] = field(default_factory=dict)
    lineage: set[str] = field(default_factory=set)


def note_files(connection: duckdb.DuckDBPyConnection, sheets: list[SheetFile], now: datetime) -> Known:
    """Write new names, contents and mappings into raw.spreadsheet_files and close the entries that they replace."""
    known = Known()
    connection.execute("begin")
    try:
        for sheet in sheets:
            known.order[sheet.file, sheet.sheet] = _note_file(connection, sheet, now)
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    for sheet in sheets:
        known.lineage |= _names(connection, sheet.file)
    return known


def _note_file(connection: duckdb.DuckDBPyConnection, sheet: SheetFile, now: datetime) -> datetime:
    own = [sheet.file, sheet.sheet, sheet.mapping.split("@")[0]]
    mine = "file = ? and sheet is not distinct from ? and split_part(mapping, '@', 1) = ? and replaced_at is null"
    row = connection.execute(
        f"select content_hash, mapping, landed_at from raw.spreadsheet_files where {mine}", own
    ).fetchone()
    if row and row[:2] == (sheet.content, sheet.mapping):
        return _first_seen(connection, sheet.content, row[2])
    connection.execute(f"update raw.spreadsheet_files set replaced_at = ? where {mine}", [now, *own])
    connection.execute(
        "insert into raw.spreadsheet_files values (?, ?, ?, ?, ?, ?, null)",
        [sheet.file, sheet.sheet, sheet.mapping, sheet.content, sheet.row_count, now],
    )
    return now if row else _first_seen(connection, sheet.content, now)


def _first_seen(connection: duckdb.DuckDBPyConnection, content: str, otherwise: datetime) -> datetime:
    """A copy under another name is as old as the first: it must not win over a correction that came later."""
    row = connection.execute(
        "select min(landed_at) from raw.spreadsheet_files where content_hash = ?", [content]
    ).fetchone()
    return row[0] if row and row[0] else otherwise


def _names(connection: duckdb.DuckDBPyConnection, file: str) -> set[str]:
    """Every name that contents of this file ever had, renamed once or often; a sheet of no rows tells nothing."""
    rows = connection.execute(
        """with recursive names(file) as (
               select ?::varchar
               union
               select twin.file from names
               join raw.spreadsheet_files as mine on mine.file = names.file and mine.row_count > 0
               join raw.spreadsheet_files as twin on twin.content_hash = mine.content_hash)
           select file from names""",
        [file],
    ).fetchall()
    return {row[0] for row in rows}


def vanished_rows(
    connection: duckdb.DuckDBPyConnection, entry: RawObject, files: set[str], living: set[str]
) -> list[tuple[str, dict[str, Any]]]:
    """Living records that came from `files` and that no file in the folder has any more."""
    rows = connection.execute(
        f"""with newest as (
                select * from {entry.table}
                qualify row_number() over (partition by record_id order by version_at desc, landed_at desc) = 1)
            select record_id, payload::varchar from newest
            where not is_deleted and list_contains(?, payload ->> '$.file')""",
        [sorted(files)],
    ).fetchall()
    return [(record_id, orjson.loads(payload)) for record_id, payload in rows if record_id not in living]


def newest_stamps(connection: duckdb.DuckDBPyConnection, entry: RawObject) -> dict[str, datetime]:
    """When each record's newest landed version began."""
    return dict(
        connection.execute(f"select record_id, max(version_at) from {entry.table} group by record_id").fetchall()
    )


def known_refusals(connection: duckdb.DuckDBPyConnection, entry: RawObject) -> set[Where]:
    """Quarantined since the present content of their file came; of unreadable files, ever."""
    rows = connection.execute(
        f"""select {", ".join(f"q.{name}" for name in COORDINATES)} from raw.quarantine as q
            where q.source = ? and q.object = ? and q.landed_at >= coalesce((
                select max(f.landed_at) from raw.spreadsheet_files as f
                where f.file = q.file and f.replaced_at is null), q.landed_at)""",
        [entry.source, entry.name],
    ).fetchall()
    return set(rows)


def is_empty(connection: duckdb.DuckDBPyConnection, entry: RawObject) -> bool:
    return connection.execute(f"select 1 from {entry.table} limit 1").fetchone() is None


def report_unmatched(
    connection: duckdb.DuckDBPyConnection, unmatched: list[Unmatched], run_id: str, now: datetime
) -> ObjectResult:
    """A batch of its own, counted in files; a file that was reported before is not reported again in quarantine."""
    reported = {
        row[0]
        for row in connection.execute(
            "select file || ': ' || reason from raw.quarantine where source = 'spreadsheets' and object = 'files'"
        ).fetchall()
    }
    new = [entry for entry in unmatched if f"{entry.file}: {entry.reason}" not in reported]
    reason = "; ".join(f"{entry.file}: {entry.reason}" for entry in unmatched)
    connection.execute("begin")
    try:
        batch_id = connection.execute("select coalesce(max(batch_id), 0) + 1 from raw.batches").fetchone()[0]  # type: ignore[index]
        counts = [len(unmatched), 0, len(unmatched) - len(new), len(new)]
        connection.execute(
            """insert into raw.batches values (?, ?, 'spreadsheets', 'files', ?, ?, 0, 0, 0, ?, ?, ?, ?, 0, 0, 0,
               null, null, 0, 'ok', ?)""",
            [batch_id, run_id, now, now, *counts, reason],
        )
        for entry in new:
            connection.execute(
                "insert into raw.quarantine values (?, 'spreadsheets', 'files', ?, null, null, null, null, null, ?, ?)",
                [batch_id, entry.file, entry.reason, now],
            )
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    return ObjectResult(
        source="spreadsheets",
        object="files",
        state="ok",
        reason=reason,
        rows_read=len(unmatched),
        rows_unchanged=len(unmatched) - len(new),
        rows_quarantined=len(new),
    )
