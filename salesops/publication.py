"""From the file that was built to the one that people read: old or new, never half (design.md, section 6).

Every step may be the last one that a killed process took: what is published before the rename is the old file,
after it the new one, and what lies about half-made is removed by the next publication.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from ingestion.durable import fsync
from salesops.layout import for_readers

SCHEMA_VERSION = 1  # rises when a published column changes or goes; the changelog says how
SCHEMAS = ("pipeline", "kpi", "meta")
KEPT = 3  # earlier publications, unless the caller says otherwise

_META_TABLES = {
    "publication": """publication_id varchar, as_of timestamptz, known_as_of timestamptz, built_at timestamptz,
        git_commit varchar, schema_version integer, company varchar, currency varchar, timezone varchar,
        is_practice boolean, run_id varchar""",
    "check_results": "asset varchar, check_name varchar, state varchar, reason varchar, is_blocking boolean",
    "dictionary": """schema_name varchar, table_name varchar, column_name varchar, data_type varchar, unit varchar,
        description varchar""",
}
_META_COMMENTS = {
    "publication": {
        "": "One row: which night this file is",
        "publication_id": "Name of this publication: the instant of its building, UTC",
        "as_of": "The instant up to which events are counted",
        "known_as_of": "Only what was known at this instant is counted; NULL: everything known when built",
        "built_at": "When the marts were built, on the real clock (a practice company's own)",
        "git_commit": "Commit of the code that built it",
        "schema_version": "Rises when a published column changes or goes",
        "company": "The company's name in the configuration",
        "currency": "The company's currency: that of every column ending in _base",
        "timezone": "The zone in which days, weeks and months are taken",
        "is_practice": "True: the invented company, not yours",
        "run_id": "The night's run, as in raw.batches",
    },
    "check_results": {
        "": "One row for each check of the night that built this file",
        "asset": "What was checked: schema/table",
        "check_name": "The fact that should hold",
        "state": "passed, warned or failed",
        "reason": "What was found",
        "is_blocking": "True: a failure stops the publication",
    },
    "dictionary": {
        "": "One row for each column of this file",
        "schema_name": "Schema",
        "table_name": "Table",
        "column_name": "Column",
        "data_type": "Type in this file",
        "unit": "Unit of the value, where it has one",
        "description": "What the column says",
    },
}


class PublicationError(Exception):
    """What was built is not fit to be published. What was published before is untouched."""


@dataclass(frozen=True)
class Publication:
    """The row of meta.publication. Instants are aware UTC."""

    publication_id: str
    as_of: datetime
    known_as_of: datetime | None
    built_at: datetime
    git_commit: str
    schema_version: int
    company: str
    currency: str
    timezone: str
    is_practice: bool
    run_id: str


def new_id(now: datetime) -> str:
    """Sorts by time; names the Parquet folder and the kept file."""
    return now.strftime("%Y%m%dT%H%M%S%fZ")


def write_meta(
    marts: Path,
    publication: Publication,
    checks: Sequence[tuple[str, str, str, str, bool]],
    units: Mapping[tuple[str, str, str], str],
) -> None:
    """The tables that only the end of a night can know. Descriptions come from the comments that dbt persisted."""
    with duckdb.connect(str(marts)) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute("create schema if not exists meta")
        for table, columns in _META_TABLES.items():
            connection.execute(f"create or replace table meta.{table} ({columns})")
            for column, text in _META_COMMENTS[table].items():
                target = f"column meta.{table}.{column}" if column else f"table meta.{table}"
                connection.execute(f"comment on {target} is " + "'" + text.replace("'", "''") + "'")
        values = [getattr(publication, f.name) for f in fields(publication)]
        _insert(connection, "publication", [values])
        _insert(connection, "check_results", checks)
        rows = connection.execute(
            """select schema_name, table_name, column_name, data_type, comment from duckdb_columns()
            where database_name = current_database() and list_contains(?, schema_name)
            order by schema_name, table_name, column_index""",
            [list(SCHEMAS)],
        ).fetchall()
        _insert(connection, "dictionary", [(*r[:4], units.get(r[:3]), r[4]) for r in rows])
        connection.execute("checkpoint")


@for_readers()
def publish(marts: Path, target: Path, publication_id: str, keep: int = KEPT) -> dict[str, int]:
    """Put a copy of `marts` in the place of `target`/marts.duckdb, and keep so many earlier ones. Returns tables' rows.

    `marts` must be closed. Raises PublicationError when the copy is not what was built.
    """
    if _wal(marts).exists():
        raise PublicationError(f"{marts} was not closed: its write-ahead file is still there")
    _make_folder(target)
    final, temporary = target / "marts.duckdb", target / ".marts.duckdb.next"
    _remove_leftovers(target, temporary)
    shutil.copyfile(marts, temporary)
    rows = _verified(temporary, publication_id, _table_rows(marts))
    _write_parquet(temporary, target / "parquet" / publication_id)
    _keep_current(target)
    _swap_in(temporary, final)
    _point_parquet(target, publication_id)
    _prune(target, publication_id, keep)
    return rows


@for_readers()
def rollback(target: Path, publication_id: str | None = None) -> str:
    """Put a kept publication back (default: the newest that is older than the present one). Returns its id."""
    current = current_id(target)
    kept = [p.stem for p in kept_publications(target)]
    older = [k for k in kept if current is None or k < current]
    wanted = publication_id or (older[-1] if older else None)
    if wanted is None or wanted not in kept:
        known = ", ".join(kept) or "none"
        raise PublicationError(f"no publication to put back{f' named {wanted}' if wanted else ''}; kept: {known}")
    temporary = target / ".marts.duckdb.next"
    _remove_leftovers(target, temporary)
    shutil.copyfile(target / "previous" / f"{wanted}.duckdb", temporary)
    _verified(temporary, wanted, None)
    _keep_current(target)
    _swap_in(temporary, target / "marts.duckdb")
    if folders := _parquet_folders(target).get(wanted):
        _point_parquet(target, folders[-1].name)
    return wanted


@for_readers()
def put_in_place(fresh: Path, path: Path, target: Path) -> bool:
    """Put `fresh` in the place of a publication of `target`, the present or a kept one, and write its Parquet anew.

    Parquet goes first, and into a folder beside: whoever read CURRENT a moment ago finds all files of the old one until
    `remove_replaced`. True: CURRENT names another folder now. Cut short anywhere, the same again finishes.
    """
    with reading(fresh) as connection:
        ((publication_id,),) = connection.execute("select publication_id from meta.publication").fetchall()
    folders, moved = _parquet_folders(target).get(publication_id), False
    if folders:
        anew = target / "parquet" / f"{publication_id}-{_turn(folders[-1]) + 1}"
        _write_parquet(fresh, anew)
        moved = _pointed(target) in {folder.name for folder in folders}
        if moved:
            _point_parquet(target, anew.name)
    _swap_in(fresh, path)
    return moved


def remove_replaced(target: Path) -> None:
    """Remove the Parquet folders that `put_in_place` wrote anew elsewhere, never the one that CURRENT names."""
    pointed = _pointed(target)
    for folders in _parquet_folders(target).values():
        current = next((folder for folder in folders if folder.name == pointed), folders[-1])
        for folder in folders:
            if folder != current:
                shutil.rmtree(folder)


def _parquet_folders(target: Path) -> dict[str, list[Path]]:
    """Whole Parquet folders of each publication, the newest last: its id; -1, -2 ... behind when written anew."""
    found: dict[str, list[Path]] = {}
    for folder in (target / "parquet").glob("[!.]*/"):
        found.setdefault(folder.name.partition("-")[0], []).append(folder)
    return {publication_id: sorted(folders, key=_turn) for publication_id, folders in found.items()}


def _turn(folder: Path) -> int:
    turn = folder.name.partition("-")[2]
    return int(turn) if turn.isdecimal() else 0


def _pointed(target: Path) -> str:
    pointer = target / "parquet" / "CURRENT"
    return pointer.read_text().strip() if pointer.exists() else ""


def current_id(target: Path) -> str | None:
    """The id of what is published now, or None."""
    final = target / "marts.duckdb"
    if not final.exists():
        return None
    with reading(final) as connection:
        return connection.execute("select publication_id from meta.publication").fetchone()[0]  # type: ignore[index]


def kept_publications(target: Path) -> list[Path]:
    """Files of earlier publications, oldest first."""
    return sorted((target / "previous").glob("*.duckdb"))


@contextmanager
def reading(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Sequence[Any]]) -> None:
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        connection.executemany(f"insert into meta.{table} values ({marks})", [list(row) for row in rows])


def _table_rows(path: Path) -> dict[str, int]:
    with reading(path) as connection:
        names = connection.execute(
            """select schema_name || '."' || table_name || '"' from duckdb_tables()
            where not internal and list_contains(?, schema_name) order by 1""",
            [list(SCHEMAS)],
        ).fetchall()
        return {
            name.replace('"', ""): connection.execute(f"select count(*) from {name}").fetchone()[0]  # type: ignore[index]
            for (name,) in names
        }


def _verified(temporary: Path, publication_id: str, expected: dict[str, int] | None) -> dict[str, int]:
    """Open the copy as a reader would, under its temporary name, and compare it with what was built."""
    try:
        rows = _table_rows(temporary)
        with reading(temporary) as connection:
            found = connection.execute("select publication_id from meta.publication").fetchall()
    except duckdb.Error as error:
        raise PublicationError(f"the copy cannot be read: {error}") from error
    if found != [(publication_id,)]:
        raise PublicationError(f"the copy says it is {found}, not {publication_id}")
    if expected is not None and rows != expected:
        different = [table for table in expected if rows.get(table) != expected[table]]
        raise PublicationError(f"the copy differs from what was built in: {', '.join(different)}")
    return rows


def _write_parquet(source: Path, folder: Path) -> None:
    """Every table as Parquet. Built under another name and on the disk before it is renamed: a folder with the final
    name is whole, also after a power cut."""
    _make_folder(folder.parent)
    building = folder.with_name(f".{folder.name}.next")
    shutil.rmtree(building, ignore_errors=True)
    with reading(source) as connection:
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() where list_contains(?, schema_name)", [list(SCHEMAS)]
        ).fetchall()
        for schema, table in tables:
            path = building / schema / f"{table}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            connection.execute(f"""copy {schema}."{table}" to '{str(path).replace("'", "''")}' (format parquet)""")
    for path in (*building.rglob("*"), building):
        fsync(path)
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)
    fsync(folder.parent)


def _keep_current(target: Path) -> None:
    """The present file gets a second name, so that the rename takes nothing away."""
    current = current_id(target)
    if current is None:
        return
    kept = target / "previous" / f"{current}.duckdb"
    _make_folder(kept.parent)
    if not kept.exists():
        os.link(target / "marts.duckdb", kept)
        fsync(kept.parent)


def _swap_in(temporary: Path, final: Path) -> None:
    temporary.chmod(0o444)
    fsync(temporary)
    if _wal(final).exists():  # left by somebody who opened the file for writing: it would block the new one
        _wal(final).unlink()
        fsync(final.parent)  # else a power cut may keep the rename and lose the removal
    os.replace(temporary, final)
    fsync(final.parent)


def _point_parquet(target: Path, folder: str) -> None:
    pointer = target / "parquet" / "CURRENT"
    following = pointer.with_name(".CURRENT.next")
    following.write_text(folder + "\n")
    fsync(following)
    os.replace(following, pointer)
    fsync(pointer.parent)


def _prune(target: Path, current: str, keep: int) -> None:
    kept = [path for path in kept_publications(target) if path.stem != current]
    for path in kept[:-keep]:
        path.unlink()
    wanted = {path.stem for path in kept[-keep:]} | {current}
    for publication_id, folders in _parquet_folders(target).items():
        for folder in folders if publication_id not in wanted else ():
            shutil.rmtree(folder)
    remove_replaced(target)


def _remove_leftovers(target: Path, temporary: Path) -> None:
    for path in (temporary, _wal(temporary)):
        path.unlink(missing_ok=True)
    for folder in (target / "parquet").glob(".*.next"):
        shutil.rmtree(folder) if folder.is_dir() else folder.unlink()


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _make_folder(folder: Path) -> None:
    """There, and on the disk under its name."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        fsync(folder.parent)
