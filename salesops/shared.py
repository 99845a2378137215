"""The published marts for wide sharing: the same figures, and nobody outside the house to be found in them.

Names, numbers and titles of contacts are gone, their addresses are keyed hashes: equal people stay equal, also in the
next night's file, and nobody without the key can try an address. Sellers keep their names; figures are theirs.
"""

from __future__ import annotations

import hmac
import os
import secrets
import shutil
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import duckdb

from ingestion.suppression import Erased, email_key, name_key
from salesops import publication
from salesops.erasure.publications import copy_whole
from salesops.layout import for_readers, private
from salesops.personal import ADDRESS, PERSONAL
from salesops.publication import SCHEMAS

ADDRESSES = r"[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(\.[A-Za-z0-9\-]+)+"
FREE_TEXT = (  # what people typed, in which a customer's name may stand
    ("pipeline.deals", ("name", "next_step")),
    ("pipeline.deal_changes", ("old_value", "new_value")),
    ("pipeline.deal_field_versions", ("value",)),
    ("kpi.hygiene_worklist", ("name", "detail")),
)


@private()
def write(published: Path, folder: Path, key_file: Path) -> Path:
    """Put marts.duckdb without personal data into `folder`; old or new, never half. `key_file` is made when missing."""
    with for_readers():
        folder.mkdir(parents=True, exist_ok=True)
    worked, fresh = folder / ".worked.next", folder / ".marts.duckdb.next"
    for path in (worked, fresh):
        path.unlink(missing_ok=True)
        path.with_name(path.name + ".wal").unlink(missing_ok=True)
    try:
        shutil.copyfile(published, worked)
        with duckdb.connect(str(worked)) as connection:
            connection.execute("set timezone = 'UTC'")
            strip(connection, _key(key_file))
            connection.execute("checkpoint")
        copy_whole(worked, fresh)  # what was overwritten has left its bytes in the other one
    finally:
        worked.unlink(missing_ok=True)
    publication.put_in_place(fresh, folder / "marts.duckdb", folder)
    return folder / "marts.duckdb"


def strip(connection: duckdb.DuckDBPyConnection, key: bytes) -> None:
    """Take personal data out of open marts."""
    columns = _text_columns(connection)
    names = _names(connection)
    for personal in PERSONAL:
        for column, kind in personal.columns.items():
            if column in columns.get(personal.table, ()):
                if kind == ADDRESS:
                    _hash_column(connection, personal.table, column, personal.only, key)
                else:
                    connection.execute(f"update {personal.table} set {column} = null where {personal.only}")
    if "email" in columns.get("pipeline.owners", ()):
        _hash_column(connection, "pipeline.owners", "email", "true", key)
    for table, typed in FREE_TEXT:
        for column in sorted(set(typed) & set(columns.get(table, ()))):
            _cut_names(connection, table, column, names)
    for table, some in columns.items():
        for column in some:
            connection.execute(
                f"""update {table} set "{column}" = regexp_replace("{column}", '{ADDRESSES}', '[address]', 'g')
                    where regexp_matches("{column}", '{ADDRESSES}')"""
            )


def _text_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    rows = connection.execute(
        """select schema_name || '.' || table_name, list(column_name order by column_index) from duckdb_columns()
        where database_name = current_database() and list_contains(?, schema_name) and data_type = 'VARCHAR'
            and (schema_name, table_name) in (select (schema_name, table_name) from duckdb_tables())
        group by all order by 1""",
        [list(SCHEMAS)],
    ).fetchall()
    return dict(rows)


def _hash_column(connection: duckdb.DuckDBPyConnection, table: str, column: str, only: str, key: bytes) -> None:
    where = f"{only} and {column} is not null"
    values = [v for (v,) in connection.execute(f"select distinct {column} from {table} where {where}").fetchall()]
    connection.execute("create or replace temp table hashed (value varchar, hash varchar)")
    rows = [(value, _hashed(value, key) if "@" in value else None) for value in values]
    if rows:
        connection.executemany("insert into hashed values (?, ?)", rows)
    connection.execute(
        f"update {table} set {column} = hashed.hash from hashed where {only} and {table}.{column} = hashed.value"
    )
    connection.execute("drop table hashed")


def _hashed(value: str, key: bytes) -> str:
    return "person " + hmac.new(key, email_key(value).encode(), sha256).hexdigest()[:20]


def _names(connection: duckdb.DuckDBPyConnection) -> Erased:
    """Full names of all contacts, in the form in which text is searched for those who were erased."""
    rows = connection.execute("select distinct full_name from pipeline.contacts where full_name is not null").fetchall()
    known = Erased("00")
    known.keys["name"] = {known.hashed("name", name_key(words)) for words in _several(name for (name,) in rows)}
    return known


def _several(names: Iterable[str]) -> list[list[str]]:
    return [words for name in names if 2 <= len(words := name.split()) <= 3]


def _cut_names(connection: duckdb.DuckDBPyConnection, table: str, column: str, names: Erased) -> None:
    rows = connection.execute(f"select distinct {column} from {table} where {column} is not null").fetchall()
    changes = [(clean, text) for (text,) in rows if (clean := names.scrubbed(text)) != text]
    if changes:
        connection.executemany(f"update {table} set {column} = ? where {column} = ?", changes)


def _key(path: Path) -> bytes:
    """The key of the hashes: nobody else's to read, and kept, so that a person is the same in every file."""
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(secrets.token_hex(32))
    return bytes.fromhex(path.read_text())
