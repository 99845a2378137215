"""Merged records: who survives whom, closed transitively, and the tombstones of those who did not.

Vendors drop a merged record from every listing and name it on the survivor only, so its end must be written by us.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import duckdb

_MERGED = """'{"id":' || to_json(l.loser) || ',"merged_into":' || to_json(l.survivor) || ',"tombstone":"merged"}'"""


STATED = ("hs_merged_object_ids", "hs_calculated_merged_vids")  # the survivor's properties that name the losers


def append_tombstones(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    aliases: Mapping[str, str],
    batch_id: int,
    now: datetime,
    is_stated: bool = True,
) -> int:
    """Write a tombstone for every loser that this batch or an earlier one names. Returns how many rows were added.

    A loser that the vendor still lists (seen in the field) is not landed as live: the survivor's word wins. A
    tombstone that says nothing new is taken out again with the rest of what the batch repeats.
    """
    survivors = _earlier(connection, table)
    instants = _stated(connection, table, batch_id, survivors) if is_stated else {}
    survivors |= {asked: answered for asked, answered in aliases.items() if asked != answered}
    losers = [
        {"loser": loser, "survivor": _last(survivors, loser), "merged_at": instants.get(loser)} for loser in survivors
    ]
    losers = [row for row in losers if row["survivor"] != row["loser"]]
    if not losers:
        return 0
    connection.execute("create or replace temp table losers (loser varchar, survivor varchar, merged_at timestamptz)")
    connection.executemany("insert into losers values ($loser, $survivor, $merged_at)", losers)
    mine = f"from {table} where batch_id = ? and record_id in (select loser from losers)"
    connection.execute(f"delete {mine}", [batch_id])
    changed = f"""
        from losers as l
        left join (select record_id, max(version_at) as version_at,
                arg_max(payload, (version_at, landed_at, batch_id)) as payload
            from {table} where record_id in (select loser from losers) group by record_id) as own
            on own.record_id = l.loser
        left join (select record_id, max(version_at) as version_at
            from {table} where record_id in (select survivor from losers) group by record_id) as winner
            on winner.record_id = l.survivor
        where own.payload is distinct from {_MERGED}"""
    connection.execute(
        f"""insert into {table}
            select l.loser, greatest(coalesce(l.merged_at, winner.version_at, $now), own.version_at), true,
                {_MERGED}, md5({_MERGED}), $batch_id, $now {changed}""",
        {"now": now, "batch_id": batch_id},
    )
    row = connection.execute(f"select count(*) {mine}", [batch_id]).fetchone()
    connection.execute("drop table losers")
    return int(row[0]) if row else 0


def _earlier(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """loser -> survivor as stated by earlier tombstones."""
    return dict(
        connection.execute(
            f"""select record_id, arg_max(payload ->> '$.merged_into', (version_at, landed_at, batch_id)) from {table}
                where is_deleted and contains(payload::varchar, '"tombstone":"merged"') group by record_id"""
        ).fetchall()
    )


def _stated(
    connection: duckdb.DuckDBPyConnection, table: str, batch_id: int, survivors: dict[str, str]
) -> dict[str, datetime]:
    """Add to `survivors` what the records of this batch say; loser -> when, where said."""
    instants: dict[str, datetime] = {}
    stated = connection.execute(
        f"""select record_id, {", ".join(f"payload ->> '$.properties.{name}'" for name in STATED)}
            from {table} where batch_id = ?
                and ({" or ".join(f'''contains(payload::varchar, '"{name}":"')''' for name in STATED)})""",
        [batch_id],
    ).fetchall()
    for survivor, ids, vids in sorted(stated):
        for loser, merged_at in _named(ids, vids).items():
            if loser != survivor:
                survivors[loser] = survivor
                if merged_at is not None:
                    instants[loser] = merged_at
    return instants


def _named(ids: str | None, vids: str | None) -> dict[str, datetime | None]:
    """`1;2` and `1:1700000000000;2:..` (vid:epoch ms) as id -> instant."""
    named: dict[str, Any] = {part.strip(): None for part in (ids or "").split(";") if part.strip()}
    for part in (vids or "").split(";"):
        vid, _, milliseconds = part.strip().partition(":")
        if vid:
            known = milliseconds.strip().isdigit()
            named[vid] = datetime.fromtimestamp(int(milliseconds) / 1000, UTC) if known else named.get(vid)
    return named


def _last(survivors: Mapping[str, str], loser: str) -> str:
    """The end of the chain. A circle ends where it was entered, which leaves that record alive."""
    seen = {loser}
    current = loser
    while current in survivors:
        current = survivors[current]
        if current in seen:
            return loser
        seen.add(current)
    return current
