"""Raw landing: spooled pages into append-only tables, exactly once.

Rows, links, history, the cursor and the batch's own row move in one transaction, so a process killed at any
instruction and run again ends in the same contents as one that was never killed. Knows no vendor and no HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb
import orjson

from ingestion import merges, suppression
from ingestion.landing_parts import Landing, land_history, land_links, let_history_in, lines, one
from ingestion.landing_tables import insert_table, land_table_history
from ingestion.objects import RawObject
from ingestion.raw_tables import BrokenWarehouse, opened, prepare
from ingestion.spool import RECORDS, ROWS, TABLE, Form, Spool

__all__ = [
    "Batch", "BatchResult", "BrokenWarehouse", "ObjectResult", "Spool", "land", "opened", "prepare", "record_failure",
    "write_settings",
]  # fmt: skip

STATES = ("ok", "failed", "not_permitted", "not_enabled", "skipped")

# cut out of a record before it is kept: they have tables of their own, or differ by endpoint
_NOT_PAYLOAD = {"associations", "propertiesWithHistory", "url", "objectWriteTraceId"}


@dataclass(frozen=True)
class ObjectResult:
    """What one object's read and landing came to. Counts balance: read = appended + unchanged + quarantined."""

    source: str
    object: str
    state: str  # ok, failed, not_permitted, empty
    reason: str | None = None
    requests: int = 0
    scan_requests: int = 0
    retries: int = 0
    bytes: int = 0
    rows_read: int = 0
    rows_appended: int = 0
    rows_unchanged: int = 0
    rows_quarantined: int = 0
    deletions: int = 0
    links_appended: int = 0
    history_appended: int = 0
    seconds: float = 0.0
    preview: list[dict[str, Any]] = field(default_factory=list)


BatchResult = ObjectResult


@dataclass
class Batch:
    """One object's spooled answers and what is to be remembered with them."""

    entry: RawObject
    spool: Spool
    run_id: str
    now: datetime
    volatile: tuple[str, ...] = ()  # property names, regular expressions, that do not make a new version
    follows_merges: bool = False
    aliases: dict[str, str] = field(default_factory=dict)  # id asked for -> id of the record that answered
    cursor: str | None = None
    window_from: datetime | None = None
    window_to: datetime | None = None
    id_scan_at: datetime | None = None
    state: str = "ok"
    reason: str | None = None
    requests: int = 0
    scan_requests: int = 0
    retries: int = 0
    bytes: int = 0
    seconds: float = 0.0


def land(connection: duckdb.DuckDBPyConnection, batch: Batch) -> BatchResult:
    """Append what is new of `batch` and move its cursor, in one transaction. The spool is left to the caller."""
    connection.execute("set timezone = 'UTC'")
    connection.execute("begin")
    try:
        batch_id = _next_batch_id(connection)
        result = _land_rows(connection, batch, batch_id)
        _remember(connection, batch, batch_id, result)
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    return result


def record_failure(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    object: str,
    state: str,
    reason: str,
    run_id: str,
    now: datetime,
    cost: Mapping[str, float] | None = None,
) -> None:
    """Record that an object was not read, and why; what it landed before and its cursor stay."""
    cost = cost or {}
    connection.execute("begin")
    try:
        if erased := suppression.of(connection):
            reason = erased.scrubbed(reason)
        connection.execute(
            """insert into raw.batches values ($id, $run, $source, $object, $now, $now, $requests, $retries, $bytes,
               0, 0, 0, 0, 0, 0, 0, null, null, $seconds, $state, $reason)""",
            {"id": _next_batch_id(connection), "run": run_id, "source": source, "object": object, "now": now}
            | {"state": state, "reason": reason}
            | {key: cost.get(key, 0) for key in ("requests", "retries", "bytes", "seconds")},
        )
        connection.execute(
            """insert into raw.sync_state (source, object, state, state_reason)
               values ($source, $object, $state, $reason)
               on conflict do update set state = excluded.state, state_reason = excluded.state_reason""",
            {"source": source, "object": object, "state": state, "reason": reason},
        )
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise


def write_settings(connection: duckdb.DuckDBPyConnection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace raw.settings_objects by `rows` (mappings of its column names)."""
    columns: tuple[str, ...] = ("source", "object", "is_enabled", "is_required", "warn_hours", "error_hours")
    columns += ("event_warn_business_hours", "event_error_business_hours", "on_error")
    values = [[row.get(column) for column in columns] for row in rows]
    connection.execute("begin")
    try:
        connection.execute("truncate raw.settings_objects")
        if values:
            places = ", ".join("?" * len(columns))
            connection.executemany(f"insert into raw.settings_objects ({', '.join(columns)}) values ({places})", values)
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise


def _next_batch_id(connection: duckdb.DuckDBPyConnection) -> int:
    return one(connection, "select coalesce(max(batch_id), 0) + 1 from raw.batches")


def _land_rows(connection: duckdb.DuckDBPyConnection, batch: Batch, batch_id: int) -> BatchResult:
    entry, spool = batch.entry, batch.spool
    landing: Landing = {"batch_id": batch_id, "now": batch.now}
    was_empty = one(connection, f"select count(*) from (select 1 from {entry.table} limit 1)") == 0
    erased = suppression.of(connection)
    into = _waiting(connection, entry.table) if erased else entry.table
    with _one_thread(connection):
        _insert_records(connection, batch, batch_id, into)
    if erased:
        suppression.keep_out(connection, entry, into, erased)
        connection.execute(f"insert into {entry.table} select * from {into} order by rowid")
    tombstones = 0
    if batch.follows_merges:
        is_stated = spool.has_watched or not spool.watched
        tombstones += merges.append_tombstones(connection, entry.table, batch.aliases, batch_id, batch.now, is_stated)
    if spool.is_complete and not was_empty:
        tombstones += _append_vanished(connection, batch, batch_id)
    _prune(connection, entry.table, batch_id, was_empty)
    history = 0
    if entry.has_history:
        into = _waiting(connection, entry.history_table) if erased else entry.history_table
        history = land_history(connection, entry, spool, landing, into)
        history += land_table_history(connection, entry, spool, landing, into)
        if erased:
            suppression.keep_history_out(connection, entry, into, erased)
            history = let_history_in(connection, entry, into)
    links = sum(land_links(connection, entry, spool, target, landing) for target in sorted(spool.link_targets))
    _quarantine(connection, batch, batch_id, erased)
    if erased and batch.reason:
        batch.reason = erased.scrubbed(batch.reason)
    appended, deletions = connection.execute(
        f"select count(*), count(*) filter (where is_deleted) from {entry.table} where batch_id = ?", [batch_id]
    ).fetchone()  # type: ignore[misc]
    read = spool.rows_read + tombstones
    return ObjectResult(
        source=entry.source,
        object=entry.name,
        state=batch.state,
        reason=batch.reason,
        requests=batch.requests,
        scan_requests=batch.scan_requests,
        retries=batch.retries,
        bytes=batch.bytes,
        rows_read=read,
        rows_appended=appended,
        rows_unchanged=read - appended - len(spool.refused),
        rows_quarantined=len(spool.refused),
        deletions=deletions,
        links_appended=links,
        history_appended=history,
        seconds=batch.seconds,
        preview=_preview(connection, entry.table, batch_id),
    )


def _waiting(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """A temporary table like this one, for what has to be looked at first: of what is inserted and then changed, DuckDB
    may have written the bytes to the file already (seen with 900,000 rows; a changed block is freed, not emptied)."""
    connection.execute(f"create or replace temp table waiting as from {table} limit 0")
    return "temp.waiting"


@contextmanager
def _one_thread(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """A spooled file is parsed by one thread anyway; a second one only leaves row groups half full.

    The checkpoint then writes them again: 200,000 contacts cost 0.35 CPU-seconds more, and 75 MB instead of 54.
    """
    threads = one(connection, "select current_setting('threads')")
    connection.execute("set threads = 1")
    yield
    connection.execute(f"set threads = {int(threads)}")  # not after an error: DuckDB then takes nothing but a rollback


def _insert_records(connection: duckdb.DuckDBPyConnection, batch: Batch, batch_id: int, into: str) -> None:
    """Everything read goes in; `_prune` takes out again, before the commit, what was there already.

    Measured the other way round (a temporary table first): every payload was written twice.
    """
    landing: Landing = {"batch_id": batch_id, "now": batch.now}
    if path := batch.spool.path(ROWS):
        connection.execute(
            f"""insert into {into}
                select record_id, coalesce(try_cast(version_at as timestamptz), $now), is_deleted, payload,
                    md5(hashed), $batch_id, $now
                from {
                lines(
                    path,
                    "record_id: 'VARCHAR', version_at: 'VARCHAR', is_deleted: 'BOOLEAN', "
                    "payload: 'VARCHAR', hashed: 'VARCHAR'",
                )
            }""",
            landing,
        )
    path = batch.spool.path(RECORDS)
    if path and batch.spool.top_keys:  # pages may all have been empty
        connection.execute(_records_sql(batch, path, into), landing)
    if table := batch.spool.tables.get(TABLE):
        insert_table(connection, into, batch.spool, table, _volatile(batch), landing)


def _records_sql(batch: Batch, path: Any, into: str) -> str:
    form = batch.spool.form
    keys = sorted(batch.spool.top_keys - _NOT_PAYLOAD)
    types = {form.id: "VARCHAR", form.deleted: "BOOLEAN"} if form.is_nested_required else {}
    columns = ", ".join(f"{_quoted(key)} {types.get(key, 'JSON')}" for key in keys)
    stamp = f"try_cast(r.{_quoted(form.stamp)} ->> '$' as timestamptz)" if form.stamp in keys else "null"
    if form.deleted_at in keys:  # an archived record became so then, not when it was last edited
        stamp = f"greatest({stamp}, try_cast(r.{_quoted(form.deleted_at)} ->> '$' as timestamptz))"
    deleted = f"coalesce(r.{_quoted(form.deleted)}::boolean, false)" if form.deleted in keys else "false"
    outside = {form.nested, form.stamp} | {key for key in keys if _volatile(batch).fullmatch(key)}
    first = keys[0] if form.is_nested_required else None  # else any key may be missing, or be new tomorrow
    parts = ", ".join(_part(key, form, key == first) for key in keys)
    hashed = ", ".join(_part(key, form, key == first) for key in keys if key not in outside) or "''"
    payload = f"concat({parts}, '}}')" if first else f"'{{' || ltrim(concat({parts}), ',') || '}}'"
    record_id = f"r.{_quoted(form.id)}" if first else f"r.{_quoted(form.id)} ->> '$'"
    return f"""
        insert into {into}
        with pages as (
            select unnest({form.rows}) as r from {lines(path, f"{form.rows}: 'STRUCT({columns})[]'")}
        ),
        records as (select r, {_properties_sql(batch.spool)} as properties from pages)
        select {record_id}, coalesce({stamp}, $now), {deleted}, {payload},
            md5(concat({_hashed_properties(batch)}, {hashed})), $batch_id, $now
        from records"""


def _part(key: str, form: Form, is_first: bool) -> str:
    """The SQL that writes one key of the payload; a key that a record does not have is not written."""
    lead = ("{" if is_first else ",") + orjson.dumps(key).decode().replace("'", "''") + ":"
    if key == form.nested:
        return f"'{lead}', properties" if form.is_nested_required else f"coalesce('{lead}' || properties, '')"
    value = f"r.{_quoted(key)}"
    text = f"to_json({value})" if key == form.id and form.is_nested_required else f"{value}::varchar"
    if is_first:
        return f"'{lead}', coalesce({text}, 'null')"
    return f"coalesce('{lead}' || {text}, '')"


def _properties_sql(spool: Spool) -> str:
    """The nested fields with sorted keys. Nearly always they came sorted, or all in one other order."""
    if spool.form.nested not in spool.top_keys:
        return "null"
    fields = f"r.{_quoted(spool.form.nested)}"
    if all(list(shape) == sorted(shape) for shape in spool.shapes):
        return f"{fields}::varchar"
    if len(spool.shapes) == 1:
        names = sorted(next(iter(spool.shapes)))
        structure = orjson.dumps(dict.fromkeys(names, "JSON")).decode().replace("'", "''")
        return f"to_json(from_json({fields}, '{structure}'))::varchar"
    entries = f"map_entries(from_json({fields}, '\"MAP(VARCHAR, JSON)\"'))"
    return f"to_json(map_from_entries(list_sort({entries})))::varchar"


def _volatile(batch: Batch) -> re.Pattern[str]:
    return re.compile("|".join(batch.volatile) or "(?!)")


def _hashed_properties(batch: Batch) -> str:
    """Properties without stamp and counters. A text match is safe: a quote inside a value is always escaped."""
    volatile = _volatile(batch)
    names = sorted({name for shape in batch.spool.shapes for name in shape if volatile.fullmatch(name)})
    if not names:
        return "properties"
    listed = "|".join(re.escape(name) for name in names)
    pattern = f'"({listed})":(null|"(?:[^"\\\\]|\\\\.)*"|[-+.0-9eE]+|true|false),?'
    return f"regexp_replace(properties, '{pattern}', '', 'g')"


def _append_vanished(connection: duckdb.DuckDBPyConnection, batch: Batch, batch_id: int) -> int:
    """Deletions of records that a complete answer no longer holds: the last payload, so that a label is not lost."""
    newest = "(version_at, landed_at, batch_id)"
    before = one(connection, f"select count(*) from {batch.entry.table} where batch_id = {batch_id}")
    connection.execute(
        f"""insert into {batch.entry.table}
            select record_id, greatest($now, max(version_at)), true, arg_max(payload, {newest}),
                arg_max(payload_hash, {newest}), $batch_id, $now
            from {batch.entry.table} group by record_id
            having max(batch_id) < $batch_id and not arg_max(is_deleted, {newest})""",
        {"now": batch.now, "batch_id": batch_id},
    )
    return one(connection, f"select count(*) from {batch.entry.table} where batch_id = {batch_id}") - before


def _prune(connection: duckdb.DuckDBPyConnection, table: str, batch_id: int, was_empty: bool) -> None:
    """Take out of this batch: a record's second copy, and what equals the newest landed version."""
    columns = "rowid as place, record_id, version_at, is_deleted, payload_hash"
    mine = f"select {columns} from {table} where batch_id = {batch_id}"
    if not was_empty:
        # back from the archive without a new stamp: it came back now, else the archived version would stay the newest
        connection.execute(
            f"""update {table} set version_at = landed_at where rowid in (
                    with mine as ({mine}), older as ({_older(table, batch_id)})
                    select place from mine join older using (record_id)
                    where mine.is_deleted <> older.newest.is_deleted and mine.version_at <= older.newest.version_at)"""
        )
    connection.execute(
        f"""delete from {table} where rowid in (
                select place from ({mine})
                qualify row_number() over (
                    partition by record_id order by version_at desc, is_deleted desc, payload_hash, place) > 1)"""
    )
    if not was_empty:
        connection.execute(
            f"""delete from {table} where rowid in (
                    with mine as ({mine}), older as ({_older(table, batch_id)})
                    select place from mine join older using (record_id)
                    where (mine.payload_hash = older.newest.payload_hash and mine.is_deleted = older.newest.is_deleted)
                        or (mine.version_at < older.newest.version_at and list_contains(older.versions, {{
                            'v': mine.version_at, 'd': mine.is_deleted, 'h': mine.payload_hash}})))"""
        )


def _older(table: str, batch_id: int) -> str:
    """For each record of this batch: its newest version landed before, and all of them."""
    return f"""
        select record_id,
            arg_max({{'version_at': version_at, 'is_deleted': is_deleted, 'payload_hash': payload_hash}},
                (version_at, landed_at, batch_id)) as newest,
            list({{'v': version_at, 'd': is_deleted, 'h': payload_hash}}) as versions
        from {table} where batch_id < {batch_id} and record_id in (select record_id from mine) group by record_id"""


def _quarantine(
    connection: duckdb.DuckDBPyConnection, batch: Batch, batch_id: int, erased: suppression.Erased | None
) -> None:
    where = ("file", "sheet", "row_number", "record_id", "column_name", "value", "reason")
    rows = []
    for refusal in batch.spool.refused:
        told = (refusal.get(key) for key in where)
        clean = (erased.scrubbed(value) if erased and isinstance(value, str) else value for value in told)
        rows.append([batch_id, batch.entry.source, batch.entry.name, *clean, batch.now])
    if rows:
        connection.executemany("insert into raw.quarantine values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def _remember(connection: duckdb.DuckDBPyConnection, batch: Batch, batch_id: int, result: BatchResult) -> None:
    values = {
        "id": batch_id, "run": batch.run_id, "source": batch.entry.source, "object": batch.entry.name,
        "now": batch.now, "cursor": batch.cursor, "from": batch.window_from, "to": batch.window_to,
        "scan": batch.id_scan_at, "reason": batch.reason, "seconds": batch.seconds,
    }  # fmt: skip
    counts = [result.requests, result.retries, result.bytes, result.rows_read, result.rows_appended]
    counts += [result.rows_unchanged, result.rows_quarantined, result.links_appended]
    counts += [result.history_appended, result.deletions]
    connection.execute(
        f"""insert into raw.batches values ($id, $run, $source, $object, $now, $now, {", ".join(map(str, counts))},
            $from, $to, $seconds, 'ok', $reason)""",
        {key: value for key, value in values.items() if key not in ("cursor", "scan")},
    )
    connection.execute(
        """insert into raw.sync_state
           values ($source, $object, $cursor, $from, $to, $now, 'ok', $reason, $now, $scan, $id)
           on conflict do update set cursor = excluded.cursor, window_from = excluded.window_from,
               window_to = excluded.window_to, completed_at = excluded.completed_at, state = excluded.state,
               state_reason = excluded.state_reason, last_success_at = excluded.last_success_at,
               last_id_scan_at = coalesce(excluded.last_id_scan_at, sync_state.last_id_scan_at),
               batch_id = excluded.batch_id""",
        {key: value for key, value in values.items() if key not in ("run", "seconds")},
    )


def _preview(connection: duckdb.DuckDBPyConnection, table: str, batch_id: int) -> list[dict[str, Any]]:
    rows = connection.execute(
        f"""select record_id, version_at, is_deleted from {table} where batch_id = {batch_id}
            order by version_at desc, record_id limit 5"""
    ).fetchall()
    return [{"record_id": r[0], "version_at": r[1].isoformat(), "is_deleted": r[2]} for r in rows]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""').replace("'", "''") + '"'
