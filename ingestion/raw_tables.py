"""The raw schema: every table of every known object, made empty on every start so that dbt's sources always exist."""

from __future__ import annotations

import duckdb

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
LAYOUT = 1  # rises when a table of raw changes; `prepare` then brings older files up to it


class NewerWarehouse(Exception):
    """The file was written by a later version of this program."""


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
