"""A new warehouse without the person: records stay, with their stamps and their part in deals, and say nobody.

A deleted row leaves its bytes in a DuckDB file, so the file is written anew. Only raw is carried over: what was built
from it (staging and so on) is built again by the next night.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from ingestion import suppression
from ingestion.landing import prepare
from ingestion.objects import ALL_OBJECTS, RawObject, find
from ingestion.suppression import PEOPLE
from salesops.erasure.people import Person
from salesops.erasure.traces import Traces

TEXTS = "('VARCHAR', 'JSON')"
# of an erased person's record this much stays: when, whose, at which stage; also fields that the settings name
KEPT = {
    "hubspot": """id createdAt updatedAt archived archivedAt lifecyclestage hs_lead_status hs_latest_source campaign
        hs_analytics_source hubspot_owner_id createdate lastmodifieddate hs_object_id hs_object_source buying_role
        hs_merged_object_ids hs_calculated_merged_vids hs_created_by_user_id country""",
    "salesforce": """Id AccountId OwnerId CreatedDate CreatedById LastModifiedDate SystemModstamp IsDeleted LeadSource
        MasterRecordId Status IsConverted ConvertedDate ConvertedAccountId ConvertedContactId Country MailingCountry
        ConvertedOpportunityId RecordTypeId CurrencyIsoCode""",
    "pipedrive": """id owner_id org_id add_time update_time is_deleted visible_to""",
}
_WORDS = re.compile(
    "subject|title|body|text|html|headers|summary|description|content|note|location|attendees|_name$|firstname|"
    "lastname|fromname|phone|number|preview|comment|attachment",
    re.IGNORECASE,
)  # fields of what was said with a person, in any CRM


def rewritten(
    warehouse: Path, scratch: Path, person: Person, erasures: Path, kept: dict[str, set[str]], now: datetime
) -> Path:
    """A new file beside, whole and synced by whoever swaps it in. `kept`: source -> more fields that may stay."""
    worked, fresh = scratch / "worked.duckdb", scratch / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("checkpoint")
    shutil.copyfile(warehouse, worked)
    with duckdb.connect(str(worked)) as connection:
        connection.execute("set timezone = 'UTC'")
        prepare(connection)
        connection.execute("begin")
        linked = linked_records(connection, person)
        _strip_people(connection, person, kept)
        _empty_linked(connection, linked)
        _cut_traces(connection, person, linked)
        _write_stones(connection, person, now)
        suppression.copy_into(connection, erasures)
        connection.execute("commit")
        connection.execute("checkpoint")
    copy_raw(worked, fresh)
    worked.unlink()
    return fresh


def copy_raw(source: Path, target: Path) -> None:
    """Schema raw of a file as a new file: tables, constraints, rows in their order."""
    with (
        duckdb.connect() as connection,
        attached(connection, source, "held", read_only=True),
        attached(connection, target, "fresh"),
    ):
        connection.execute("create schema fresh.raw")
        tables = connection.execute(
            """select table_name, sql from duckdb_tables()
            where database_name = 'held' and schema_name = 'raw' order by table_name"""
        ).fetchall()
        connection.execute("use fresh.raw")
        for name, ddl in tables:
            connection.execute(ddl)
            connection.execute(f'insert into fresh.raw."{name}" select * from held.raw."{name}" order by rowid')
        connection.execute("use memory")
        connection.execute("checkpoint fresh")


def text_columns(connection: duckdb.DuckDBPyConnection, schemas: Iterable[str]) -> list[tuple[str, str, str]]:
    """(schema, table, column) of every column that holds text."""
    return connection.execute(
        f"""select schema_name, table_name, column_name from duckdb_columns()
        where database_name = current_database() and list_contains(?, schema_name)
            and data_type in {TEXTS} and (schema_name, table_name) in (
                select (schema_name, table_name) from duckdb_tables() where not internal and estimated_size > 0)
        order by all""",
        [list(schemas)],
    ).fetchall()


def cut_column(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, traces: Traces, where: str = "true"
) -> int:
    """Cut the traces from one column; how many rows held some."""
    rows = connection.execute(
        f"""select rowid, {column}::varchar from {table}
            where {column} is not null and regexp_matches({column}::varchar, ?) and {where}""",
        [traces.loose],
    ).fetchall()
    changes = [(traces.cut_from(text), rowid) for rowid, text in rows if traces.found_in(text)]
    if changes:
        connection.executemany(f"update {table} set {column} = ? where rowid = ?", changes)
    return len(changes)


@contextmanager
def attached(
    connection: duckdb.DuckDBPyConnection, path: Path, name: str, *, read_only: bool = False
) -> Iterator[None]:
    text = str(path).replace("'", "''")
    connection.execute(f"attach '{text}' as {name}{' (read_only)' if read_only else ''}")
    try:
        yield
    finally:
        connection.execute(f"detach {name}")


def linked_records(connection: duckdb.DuckDBPyConnection, person: Person) -> dict[str, set[str]]:
    """raw table -> ids of the records that name a record of the person: what was said with them, deals, leads."""
    linked: dict[str, set[str]] = {}
    for entry in ALL_OBJECTS:
        if (entry.source, entry.name) in PEOPLE:
            continue
        if ids := _linked(connection, entry, person):
            linked[entry.table] = ids
    mails = find("salesforce", "email_messages").table
    for other in ("tasks", "events"):
        if held := linked.get(find("salesforce", other).table):
            rows = connection.execute(
                f"select distinct record_id from {mails} where list_contains(?, payload ->> '$.ActivityId')",
                [sorted(held)],
            ).fetchall()
            linked.setdefault(mails, set()).update(record_id for (record_id,) in rows)
    return linked


def _linked(connection: duckdb.DuckDBPyConnection, entry: RawObject, person: Person) -> set[str]:
    ids = sorted(person.ids(entry.source))
    if not ids:
        return set()
    if entry.source == "salesforce":  # its ids name one record whatever the field
        pattern = '"(' + "|".join(re.escape(id) for id in ids) + ')"'
        query, value = f"select record_id from {entry.table} where regexp_matches(payload::varchar, ?)", pattern
    elif entry.source == "pipedrive":
        pattern = r'"person_id":\s*("?)(' + "|".join(re.escape(id) for id in ids) + r")[^0-9]"
        query, value = f"select record_id from {entry.table} where regexp_matches(payload::varchar, ?)", pattern
    elif "contacts" in entry.links:
        table = entry.link_table("contacts")
        query, value = f"select from_id from {table} where list_contains(?, to_id)", ids  # type: ignore[assignment]
    else:
        return set()
    return {record_id for (record_id,) in connection.execute(query, [value]).fetchall()}


def _strip_people(connection: duckdb.DuckDBPyConnection, person: Person, kept: dict[str, set[str]]) -> None:
    for source, name in PEOPLE:
        ids, entry = sorted(person.ids(source, name)), find(source, name)
        if not ids:
            continue
        allowed = set(KEPT[source].split()) | kept.get(source, set())
        _update_payloads(connection, entry.table, ids, partial(_stripped, allowed=allowed))
        connection.execute(
            f"""update {entry.table} set payload_hash = md5(payload::varchar)
                where list_contains(?, record_id) and not contains(payload::varchar, '"tombstone":')""",
            [ids],
        )
        if entry.has_history:
            connection.execute(
                f"""delete from {entry.history_table}
                    where list_contains($ids, record_id) and not list_contains($kept, replace(property, 'old:', ''))""",
                {"ids": ids, "kept": sorted(allowed)},
            )


def _stripped(held: dict[str, Any], allowed: set[str]) -> dict[str, Any] | None:
    if "tombstone" in held or held.get("erased"):
        return None
    left = {key: value for key, value in held.items() if key in allowed and not isinstance(value, dict | list)}
    if isinstance(held.get("properties"), dict):
        left["properties"] = {key: value for key, value in held["properties"].items() if key in allowed}
    return dict(sorted((left | {"erased": True}).items()))


def _empty_linked(connection: duckdb.DuckDBPyConnection, linked: dict[str, set[str]]) -> None:
    """Bodies, subjects and titles of what was said with the person, whoever else took part. Deals keep their names."""
    for table, ids in linked.items():
        if table.endswith(("__deals", "__opportunities", "__accounts", "__companies", "__organizations")):
            continue
        _update_payloads(connection, table, sorted(ids), _emptied)


def _emptied(held: dict[str, Any]) -> dict[str, Any] | None:
    def inner(fields: dict[str, Any]) -> dict[str, Any]:
        return {
            key: inner(value)
            if key in ("properties", "custom_fields") and isinstance(value, dict)
            else (None if _WORDS.search(key) and isinstance(value, str | list | dict) else value)
            for key, value in fields.items()
        }

    emptied = inner(held)
    return emptied if emptied != held else None


def _update_payloads(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    ids: list[str],
    change: Callable[[dict[str, Any]], dict[str, Any] | None],
) -> None:
    rows = connection.execute(
        f"select rowid, payload::varchar from {table} where list_contains(?, record_id)", [ids]
    ).fetchall()
    changes = []
    for rowid, payload in rows:
        changed = change(json.loads(payload))
        if changed is not None:
            changes.append((json.dumps(changed, separators=(",", ":"), ensure_ascii=False), rowid))
    if changes:
        connection.executemany(f"update {table} set payload = ? where rowid = ?", changes)


def _cut_traces(connection: duckdb.DuckDBPyConnection, person: Person, linked: dict[str, set[str]]) -> None:
    """What is the person's alone everywhere; what others share only in what is linked to the person."""
    if person.own:
        for schema, table, column in text_columns(connection, ["raw"]):
            if table != "erased":
                cut_column(connection, f'{schema}."{table}"', f'"{column}"', person.own)
    everything = Traces(person.traces)
    for table, ids in linked.items():
        listed = ", ".join("'" + id.replace("'", "''") + "'" for id in sorted(ids))
        cut_column(connection, table, "payload", everything, f"record_id in ({listed})")
    for entry in ALL_OBJECTS:
        if entry.has_history and (held := linked.get(entry.table)):
            listed = ", ".join("'" + id.replace("'", "''") + "'" for id in sorted(held))
            cut_column(connection, entry.history_table, "value", everything, f"record_id in ({listed})")


def _write_stones(connection: duckdb.DuckDBPyConnection, person: Person, now: datetime) -> None:
    """The newest version of each record says that it is erased; counted in raw.batches as what it is."""
    newest = "(version_at, landed_at, batch_id)"
    for source, name in PEOPLE:
        entry = find(source, name)
        rows = connection.execute(
            f"""select record_id, greatest($now, max(version_at)) from {entry.table}
                where list_contains($ids, record_id) group by record_id
                having not arg_max(contains(payload::varchar, '"tombstone":'), {newest}) order by record_id""",
            {"ids": sorted(person.ids(source, name)), "now": now},
        ).fetchall()
        if not rows:
            continue
        ((batch_id,),) = connection.execute("select coalesce(max(batch_id), 0) + 1 from raw.batches").fetchall()
        connection.execute(
            """insert into raw.batches (batch_id, run_id, source, object, started_at, finished_at, requests, retries,
                bytes, rows_read, rows_appended, rows_unchanged, rows_quarantined, links_appended, history_appended,
                deletions, seconds, state, reason)
            values ($id, 'forget', $source, $object, $now, $now, 0, 0, 0, $rows, $rows, 0, 0, 0, 0, $rows, 0, 'ok',
                'erased on request')""",
            {"id": batch_id, "source": source, "object": name, "now": now, "rows": len(rows)},
        )
        connection.executemany(
            f"insert into {entry.table} values (?, ?, true, ?, md5(?), ?, ?)",
            [(id, at, suppression.stone(id), suppression.stone(id), batch_id, now) for id, at in rows],
        )
