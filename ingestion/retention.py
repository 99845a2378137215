"""Old versions of records, taken out of raw: those that no mart of today can tell from not being there.

Of each record stay its first version (since when it is known), the newest as of the cut, and all later ones; vendor
history, links, and the objects whose versions are history themselves (deals, owners, stages, sheets) stay whole. What
was taken out is written down: an as-of instant before the cut can no longer be answered.
"""

from __future__ import annotations

from datetime import datetime

import duckdb

from ingestion.objects import ALL_OBJECTS

# Read by the newest version alone; every other object's versions tell when something was so.
PRUNED = frozenset({
    *(("hubspot", name) for name in (
        "contacts", "companies", "calls", "emails", "meetings", "notes", "tasks", "line_items")),
    *(("salesforce", name) for name in (
        "line_items", "contact_roles", "tasks", "events", "email_messages", "campaigns", "campaign_members",
        "products")),
    *(("pipedrive", name) for name in ("activities", "notes", "deal_products", "products")),
})  # fmt: skip
_NEWEST = "version_at desc, landed_at desc, is_deleted desc, payload_hash desc"
_OLDEST = "version_at, landed_at, payload_hash"


def prune(connection: duckdb.DuckDBPyConnection, cut: datetime, now: datetime) -> dict[str, int]:
    """Delete versions that a newer one had replaced by `cut` (aware UTC). One transaction.

    Returns the rows deleted of each table that lost any; they are listed in raw.retention.
    """
    deleted: dict[str, int] = {}
    connection.execute("begin")
    try:
        for entry in ALL_OBJECTS:
            if (entry.source, entry.name) not in PRUNED:
                continue
            ((count,),) = connection.execute(
                f"""delete from {entry.table} where rowid in (
                    select rowid from (
                        select rowid, is_past,
                            row_number() over (one order by {_OLDEST}) as from_oldest,
                            row_number() over (one order by landed_at, {_OLDEST}) as from_first,
                            row_number() over (past order by landed_at desc, {_NEWEST}) as from_last_landed,
                            row_number() over (
                                partition by record_id, is_past, state order by {_NEWEST}
                            ) as from_newest
                        from (
                            select rowid, *, landed_at <= $cut and version_at <= $cut as is_past,
                                is_deleted::varchar || coalesce(payload ->> '$.tombstone', '') as state
                            from {entry.table}
                        )
                        window one as (partition by record_id), past as (partition by record_id, is_past)
                    )
                    where is_past and from_oldest > 1 and from_first > 1 and from_newest > 1 and from_last_landed > 1
                )""",
                {"cut": cut},
            ).fetchall()
            if count:
                deleted[entry.table] = count
        rows = [(table, count, cut, now) for table, count in deleted.items()]
        if rows:
            connection.executemany("insert into raw.retention values (?, ?, ?, ?)", rows)
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    return deleted


def known_since(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """The newest cut at which versions were taken out, or None."""
    ((cut,),) = connection.execute("select max(cut_at) from raw.retention").fetchall()
    return cut if isinstance(cut, datetime) else None
