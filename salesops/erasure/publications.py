"""Publications without the person: each kept one is written anew, its figures untouched, its Parquet with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb

from salesops import publication
from salesops.erasure import files
from salesops.erasure.people import Person
from salesops.erasure.raw import attached, cut_column, text_columns
from salesops.personal import PERSONAL


def rewrite(path: Path, target: Path, scratch: Path, person: Person) -> bool:
    """Put a copy without the person in the place of `path`. Whoever has the old one open keeps it until they close.
    True: what followed CURRENT may still be reading the old Parquet, until `publication.remove_replaced`."""
    worked, fresh = scratch / "worked.duckdb", scratch / "fresh.duckdb"
    shutil.copyfile(path, worked)
    worked.chmod(0o600)
    with duckdb.connect(str(worked)) as connection:
        connection.execute("set timezone = 'UTC'")
        erase(connection, person)
        connection.execute("checkpoint")
    copy_whole(worked, fresh)
    worked.unlink()
    return publication.put_in_place(fresh, path, target)


def concerns(path: Path, person: Person) -> bool:
    """Whether a publication has anything of the person."""
    with publication.reading(path) as connection:
        records, golden = contact_keys(connection, person)
        held = connection.execute(
            "select 1 from pipeline.contact_identities where list_contains(?, contact_key) limit 1",
            [sorted(records | golden)],
        ).fetchone()
    return held is not None or (bool(person.own) and files.names(path, person.own))


def erase(connection: duckdb.DuckDBPyConnection, person: Person) -> None:
    """Empty the person's own cells and cut what names them from all others."""
    records, golden = contact_keys(connection, person)
    tables = {
        f"{s}.{t}" for s, t in connection.execute("select schema_name, table_name from duckdb_tables()").fetchall()
    }
    for personal in PERSONAL:
        if personal.table not in tables:
            continue
        columns = _columns(connection, personal.table)
        named = ", ".join(f"{column} = null" for column in personal.columns if column in columns)
        keys = sorted(golden if personal.golden else records | golden)
        for key in personal.keys:
            connection.execute(
                f"update {personal.table} set {named} where {personal.only} and list_contains(?, {key})", [keys]
            )
    if {"pipeline.activities", "pipeline.activity_links"} <= tables:
        connection.execute(
            """update pipeline.activities set subject = null where activity_key in (
                select activity_key from pipeline.activity_links where list_contains(?, contact_key))""",
            [sorted(records | golden)],
        )
    if person.own:
        for schema, table, column in text_columns(connection, publication.SCHEMAS):
            cut_column(connection, f'{schema}."{table}"', f'"{column}"', person.own)


def contact_keys(connection: duckdb.DuckDBPyConnection, person: Person) -> tuple[set[str], set[str]]:
    """Keys of the person's records, and of the contacts that are made of nobody else's."""
    records = {f"{source}:contact:{id}" for source, _, id in person.records}
    rows = connection.execute(
        """select contact_key, bool_and(list_contains($keys, source || ':contact:' || contact_id))
        from pipeline.contact_identities group by contact_key
        having bool_or(list_contains($keys, source || ':contact:' || contact_id))""",
        {"keys": sorted(records)},
    ).fetchall()
    return records, {key for key, is_whole in rows if is_whole}


def same_people(file: Path, person: Person) -> list[str]:
    """Records that matching holds to be the same person and that are not among theirs."""
    records = {f"{source}:contact:{id}" for source, _, id in person.records}
    with publication.reading(file) as connection:
        rows = connection.execute(
            """select distinct source || ':contact:' || contact_id from pipeline.contact_identities
            where contact_key in (
                select contact_key from pipeline.contact_identities
                where list_contains($keys, source || ':contact:' || contact_id))
                and not list_contains($keys, source || ':contact:' || contact_id) order by 1""",
            {"keys": sorted(records)},
        ).fetchall()
    return [key for (key,) in rows]


def copy_whole(source: Path, target: Path) -> None:
    with (
        duckdb.connect() as connection,
        attached(connection, source, "held", read_only=True),
        attached(connection, target, "fresh"),
    ):
        connection.execute("copy from database held to fresh")
        connection.execute("checkpoint fresh")


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    schema, name = table.split(".")
    rows = connection.execute(
        "select column_name from duckdb_columns() where schema_name = ? and table_name = ?", [schema, name]
    ).fetchall()
    return {column for (column,) in rows}
