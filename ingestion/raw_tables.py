"""The raw schema: every table of every known object, made empty on every start so that dbt's sources always exist."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

import duckdb

from ingestion.durable import fsync
from ingestion.objects import ALL_OBJECTS, RawObject

_RECORDS = """record_id varchar not null, version_at timestamptz not null, is_deleted boolean not null,
    payload json not null, payload_hash varchar not null, batch_id bigint not null, landed_at timestamptz not null"""
_LINKS = """from_id varchar not null, to_id varchar not null, category varchar, type_id varchar, label varchar,
    is_deleted boolean not null, batch_id bigint not null, landed_at timestamptz not null"""
_HISTORY = """record_id varchar not null, property varchar not null, value varchar, changed_at timestamptz not null,
    source_type varchar, changed_by varchar, position integer, batch_id bigint not null,
    landed_at timestamptz not null"""
_BOOKKEEPING = {
    "sync_state": """source varchar not null, object varchar not null, cursor varchar, window_from timestamptz,
        window_to timestamptz, completed_at timestamptz, state varchar not null, state_reason varchar,
        last_success_at timestamptz, last_id_scan_at timestamptz, batch_id bigint, primary key (source, object)""",
    "batches": """batch_id bigint primary key, run_id varchar not null, source varchar not null,
        object varchar not null, started_at timestamptz, finished_at timestamptz, requests bigint, retries bigint,
        bytes bigint, rows_read bigint, rows_appended bigint, rows_unchanged bigint, rows_quarantined bigint,
        links_appended bigint, history_appended bigint, deletions bigint, window_from timestamptz,
        window_to timestamptz, seconds double, state varchar not null, reason varchar""",
    "quarantine": """batch_id bigint not null, source varchar not null, object varchar not null, file varchar,
        sheet varchar, row_number bigint, record_id varchar, column_name varchar, value varchar,
        reason varchar not null, landed_at timestamptz not null""",
    "settings_objects": """source varchar not null, object varchar not null, is_enabled boolean, is_required boolean,
        warn_hours double, error_hours double, event_warn_business_hours double, event_error_business_hours double,
        on_error varchar, primary key (source, object)""",
    "spreadsheet_files": """file varchar not null, sheet varchar, mapping varchar, content_hash varchar not null,
        row_count bigint, landed_at timestamptz not null, replaced_at timestamptz""",
    "retention": """table_name varchar not null, rows_deleted bigint not null, cut_at timestamptz not null,
        deleted_at timestamptz not null""",
    "layout": "version integer primary key",
    "erased": "kind varchar not null, key_hash varchar not null, salt varchar not null",
}
log = logging.getLogger(__name__)
_TORN = re.compile(r"Corrupt WAL file: entry at byte position (\d+)")
_BROKEN = ("Corrupt", "not a valid DuckDB database", "Could not read enough bytes")
_IS_OLD = "WAL checkpoint iteration does not match"
LAYOUT = 1  # rises when a table of raw changes; `prepare` then brings older files up to it


class NewerWarehouse(Exception):
    """The file was written by a later version of this program."""


class BrokenWarehouse(Exception):
    """The file is not what DuckDB wrote: a disk lost it, or a process died in the middle of a block."""


def opened(path: Path) -> duckdb.DuckDBPyConnection:
    """The warehouse for writing: made where there is none, mended where a power cut left it. Raises BrokenWarehouse."""
    if not path.exists():
        _create(path)
    while True:
        try:
            return duckdb.connect(str(path))
        except duckdb.Error as error:
            if not _mended(path.with_name(path.name + ".wal"), str(error)):
                if not any(words in str(error) for words in _BROKEN):
                    raise
                raise BrokenWarehouse(
                    f"{path} is broken ({str(error)[:200]}): put a backup back with `salesops restore`, then run a"
                    " night; it reads what has changed since"
                ) from None


def _mended(write_ahead: Path, said: str) -> bool:
    """Whether the write-ahead file was what kept DuckDB from opening, and no longer is.

    Its end may be on the disk without its middle: what stands before was committed, and the rest is cut off, which no
    commit had reached. Or it is still there though its contents are in the database. Cursors are in it with their rows.
    """
    if torn := _TORN.search(said):
        if write_ahead.stat().st_size <= int(torn[1]):
            return False
        os.truncate(write_ahead, int(torn[1]))
    elif _IS_OLD in said and write_ahead.exists():
        write_ahead.unlink()
    else:
        return False
    fsync(write_ahead.parent)
    log.warning("%s was left by a power cut: read on from what was committed", write_ahead)
    return True


def _create(path: Path) -> None:
    """A new warehouse with every raw table in it, whole under its name or not there.

    DuckDB opens no file whose first pages are not all there: one that was begun under its own name by a process that
    died would keep every later night from its warehouse.
    """
    fresh = path.with_name(f".{path.name}.next")
    left = [file.with_name(file.name + ".wal") for file in (fresh, path)]
    for file in (fresh, *left):
        file.unlink(missing_ok=True)
    with duckdb.connect(str(fresh)) as connection:
        prepare(connection)
    fsync(fresh)
    os.replace(fresh, path)
    fsync(path.parent)


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Create every raw table of every known object where it is missing, all or none of them.

    Safe to repeat; never drops or alters. Raises NewerWarehouse, and changes nothing, where a later version wrote it.
    """
    connection.execute("set timezone = 'UTC'")
    connection.execute("begin")
    try:
        connection.execute("create schema if not exists raw")
        connection.execute("create schema if not exists staging")
        for name, columns in (_BOOKKEEPING | _object_tables(ALL_OBJECTS)).items():
            connection.execute(f"create table if not exists raw.{name} ({columns})")
        ((version,),) = connection.execute("select max(version) from raw.layout").fetchall()
        if version is None:
            connection.execute(f"insert into raw.layout values ({LAYOUT})")
        elif version > LAYOUT:
            raise NewerWarehouse(
                f"the warehouse was written by a later version (layout {version}, this one knows {LAYOUT}):"
                " install that version again, or restore a backup from before it"
            )
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise


def _object_tables(objects: tuple[RawObject, ...]) -> dict[str, str]:
    tables = {}
    for entry in objects:
        tables[entry.table] = _RECORDS
        tables |= {entry.link_table(target): _LINKS for target in entry.links}
        if entry.has_history:
            tables[entry.history_table] = _HISTORY
    return {name.removeprefix("raw."): columns for name, columns in tables.items()}
