"""The parts of a landing that are not records: property history and links, and how a spooled file is read."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypedDict

import duckdb

from ingestion.objects import RawObject
from ingestion.spool import HISTORIES, RECORDS, Spool

MAX_LINE_BYTES = 128 * 1024 * 1024


class Landing(TypedDict):
    """What every row of one batch carries."""

    batch_id: int
    now: datetime


def land_history(
    connection: duckdb.DuckDBPyConnection, entry: RawObject, spool: Spool, landing: Landing, into: str
) -> int:
    """Revisions that are not there yet, into the table `into`. Returns how many."""
    paths = [spool.path(HISTORIES)]
    if "propertiesWithHistory" in spool.top_keys:
        paths.append(spool.path(RECORDS))
    revision = 'STRUCT(value VARCHAR, "timestamp" VARCHAR, "sourceType" VARCHAR, "updatedByUserId" VARCHAR)'
    columns = f"""results: 'STRUCT(id VARCHAR, "propertiesWithHistory" MAP(VARCHAR, {revision}[]))[]'"""
    for path in filter(None, paths):
        connection.execute(
            f"""insert into {into}
                with pages as (select unnest(results) as r from {lines(path, columns)}),
                properties as (
                    select r.id as record_id, unnest(map_entries(r."propertiesWithHistory")) as p from pages
                ),
                entries as (
                    select record_id, p.key as property, unnest(p.value) as e,
                        unnest(range(1, len(p.value) + 1)) as position
                    from properties
                ),
                fresh as (
                    select record_id, property, e.value as value, try_cast(e."timestamp" as timestamptz) as changed_at,
                        e."sourceType" as source_type, e."updatedByUserId" as changed_by, position
                    from entries where changed_at is not null
                    qualify row_number() over (
                        partition by record_id, property, value, changed_at order by position) = 1
                )
                select fresh.*, $batch_id, $now from fresh
                where not exists (
                    select 1 from {entry.history_table} as h
                    where h.record_id = fresh.record_id and h.property = fresh.property
                        and h.changed_at = fresh.changed_at and h.value is not distinct from fresh.value)""",
            landing,
        )
    return one(connection, f"select count(*) from {into} where batch_id = {landing['batch_id']}")


def let_history_in(connection: duckdb.DuckDBPyConnection, entry: RawObject, waiting: str) -> int:
    """What was scrubbed while it waited is compared again: the person's name was cut from what landed before, too."""
    ((count,),) = connection.execute(
        f"""insert into {entry.history_table}
            select * from {waiting} as fresh
            where not exists (
                select 1 from {entry.history_table} as h
                where h.record_id = fresh.record_id and h.property = fresh.property
                    and h.changed_at = fresh.changed_at and h.value is not distinct from fresh.value)
            qualify row_number() over (
                partition by record_id, property, value, changed_at order by position, rowid) = 1
            order by rowid"""
    ).fetchall()
    return int(count)


def land_links(
    connection: duckdb.DuckDBPyConnection, entry: RawObject, spool: Spool, target: str, landing: Landing
) -> int:
    """New links, changed labels, and deletions: a live link of an asked record that the answer does not hold."""
    table = entry.link_table(target)
    kind = 'STRUCT(category VARCHAR, "typeId" VARCHAR, label VARCHAR)'
    to = f'STRUCT("toObjectId" VARCHAR, "associationTypes" {kind}[])'
    columns = f"""results: 'STRUCT("from" STRUCT(id VARCHAR), "to" {to}[])[]'"""
    connection.execute(
        f"""insert into {table}
            with asked as (
                select distinct unnest(ids) as from_id
                from {lines(spool.path(f"asked_{target}"), "ids: 'VARCHAR[]'")}
            ),
            pages as (select unnest(results) as r from {lines(spool.path(f"links_{target}"), columns)}),
            ends as (select r."from".id as from_id, unnest(r."to") as t from pages),
            typed as (
                select from_id, t."toObjectId" as to_id,
                    unnest(case when len(t."associationTypes") > 0 then t."associationTypes" else [null] end) as k
                from ends
            ),
            fresh as (
                select from_id, to_id, k.category as category, k."typeId" as type_id, any_value(k.label) as label
                from typed where from_id is not null and to_id is not null group by all
            ),
            known as (
                select from_id, to_id, category, type_id,
                    arg_max({{'label': label, 'is_deleted': is_deleted}}, batch_id) as newest
                from {table} where from_id in (select from_id from asked) group by all
            ),
            changes as (
                select coalesce(f.from_id, k.from_id) as from_id, coalesce(f.to_id, k.to_id) as to_id,
                    coalesce(f.category, k.category) as category, coalesce(f.type_id, k.type_id) as type_id,
                    case when f.from_id is null then k.newest.label else f.label end as label,
                    f.from_id is null as is_deleted
                from fresh as f
                full join known as k on f.from_id = k.from_id and f.to_id = k.to_id
                    and f.category is not distinct from k.category and f.type_id is not distinct from k.type_id
                where (f.from_id is null and not k.newest.is_deleted)
                    or (f.from_id is not null and (k.from_id is null or k.newest.is_deleted
                        or f.label is distinct from k.newest.label))
            )
            select *, $batch_id, $now from changes""",
        landing,
    )
    return one(connection, f"select count(*) from {table} where batch_id = {landing['batch_id']}")


def lines(path: Any, columns: str) -> str:
    """read_json told everything: left to guess, it samples each file again (15-75 times slower in duckdb 2.0)."""
    text = str(path).replace("'", "''")
    return f"""read_json('{text}', format='newline_delimited', records=true,
        maximum_object_size={MAX_LINE_BYTES}, columns={{{columns}}})"""


def one(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    row = connection.execute(sql).fetchone()
    return row[0] if row else None
