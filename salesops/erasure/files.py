"""Every file of the data directory: whether it names the person, and how it is made not to.

A file is known by its first bytes, not by its name. What can be written anew is, what can be made again is removed.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import shutil
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import duckdb

from ingestion import durable
from salesops.config import ConfigError
from salesops.erasure.traces import Traces
from salesops.layout import DataDirectory

CHUNK, OVERLAP = 8 * 1024 * 1024, 4096
BIGGEST_MEMBER = 512 * 1024 * 1024
LOCK_SECONDS = 30.0  # that another program may hold a SQLite file


class Unreadable(ConfigError):
    """A packed file that cannot be unpacked may name anybody."""

    def __init__(self, path: Path, error: Exception):
        super().__init__(
            f"{path} cannot be read ({type(error).__name__}), so nobody can tell whom it names: remove it, then run the"
            " same again"
        )


class Locked(ConfigError):
    """A file that another program holds. The message says which, and what to do."""

    def __init__(self, path: Path):
        super().__init__(
            f"another program holds {path}: stop `salesops ui` (`make ui`), or what else has it open,"
            " then run the same command again"
        )


def others(data: DataDirectory) -> list[Path]:
    """Files that are ours to change, beside the databases and publications, which have their own way."""
    apart = {data.warehouse, data.marts, data.matching, data.erasures, data.lock}
    apart |= {data.published / "marts.duckdb", *(data.published / "previous").glob("*.duckdb")}
    left = (data.sandbox, data.drop, data.scratch, data.spool, data.published / "parquet")
    return [path for path in _files(data.root) if path not in apart and not any(path.is_relative_to(f) for f in left)]


def operators(data: DataDirectory, drop: Path) -> list[Path]:
    """Files of people: sheets that were dropped, and rulings among them. Looked at, never changed."""
    return sorted({*_files(data.drop), *_files(drop), *_files(data.practice_drop)})


def of_operators(data: DataDirectory, drop: Path, traces: Traces) -> list[str]:
    """Those of them that name the person, in what they hold or in what they are called, or that nobody can read."""

    def may(path: Path) -> bool:
        try:
            return traces.found_in(path.name) or names(path, traces)
        except Unreadable:
            return True

    return [str(path) for path in operators(data, drop) if traces and may(path)]


def everything(data: DataDirectory, drop: Path) -> list[Path]:
    """What must not name the person when all is done."""
    apart = {*operators(data, drop)}
    return [p for p in _files(data.root) if p not in apart and not p.is_relative_to(data.sandbox) and p != data.lock]


def names(path: Path, traces: Traces) -> bool:
    """Whether the file holds a trace, packed or not. One that is there no more does not. Raises Unreadable."""
    if not path.exists():  # SQLite takes away what it left open, when it is looked into
        return False
    try:
        return _names(path, _kind(path), traces)
    except (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError, duckdb.Error) as error:
        raise Unreadable(path, error) from None


def _names(path: Path, kind: str, traces: Traces) -> bool:
    if kind == "duckdb":
        return _database_names(path, traces)
    if kind == "parquet":
        return _table_names(path, traces)
    if kind == "sqlite":
        return _bytes_name(path, traces) or any(_in_text(text, traces) for _, _, _, text in _sqlite_texts(path))
    if kind == "zip":
        return _zip_names(path.read_bytes(), traces)
    if kind == "gzip":
        with gzip.open(path) as handle:
            return any(traces.found_in_bytes(chunk) for chunk in _chunks(handle))
    return _bytes_name(path, traces)


def may_name(path: Path, traces: Traces) -> bool:
    """Whether a SQLite file or its journal has the bytes of a row that is there no more: what stands before a cell may
    look like a letter of it. To be written anew, which takes nothing from others who are called alike."""
    is_store = path.exists() and (_store_of(path) != path or _kind(path) == "sqlite")
    return is_store and _bytes_name_plainly(path, traces, ("email", "name", "phone"))


def clean(path: Path, traces: Traces) -> str:
    """Make the file not name the person. Says what was done: rewritten or removed."""
    path = _store_of(path)
    kind = _kind(path)
    if kind == "sqlite":
        _clean_sqlite(path, traces)
        return "rewritten"
    if kind == "zip":
        _replace(path, _clean_zip(path.read_bytes(), traces))
        return "rewritten"
    if kind == "gzip":
        text = gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
        _replace(path, gzip.compress(traces.cut_from(text).encode(), mtime=0))
        return "rewritten"
    if kind == "text":
        if path.suffix == ".html":  # printed from it, its letters packed in a way of their own; first, as this names it
            path.with_suffix(".pdf").unlink(missing_ok=True)
        _replace(path, _cut(path.read_bytes(), traces))
        return "rewritten"
    path.unlink()
    return "removed"


def remove_working_files(data: DataDirectory) -> None:
    """What the next night makes again: marts under construction, memory of matching, half-read answers."""
    for path in (data.marts, data.matching):
        for each in (path, path.with_name(path.name + ".wal")):
            each.unlink(missing_ok=True)
        shutil.rmtree(path.with_name(path.name + ".tmp"), ignore_errors=True)
    shutil.rmtree(data.spool, ignore_errors=True)
    shutil.rmtree(data.warehouse.with_name(data.warehouse.name + ".tmp"), ignore_errors=True)
    for path in (data.published / ".marts.duckdb.next", data.published / ".marts.duckdb.next.wal"):
        path.unlink(missing_ok=True)
    for folder in (data.published / "parquet").glob(".*.next"):
        shutil.rmtree(folder, ignore_errors=True)
    for path in data.root.rglob(".*.forget"):  # of an erasure that was killed
        path.unlink()


def settle(data: DataDirectory) -> None:
    """What was removed and renamed is so on the disk: raw, which knows who the person is, must not be the only one."""
    for place, _, _ in os.walk(data.root):
        durable.fsync(Path(place))


def _files(folder: Path) -> list[Path]:
    found = []
    for place, _, filenames in os.walk(folder):
        found += [Path(place) / name for name in filenames if not (Path(place) / name).is_symlink()]
    return sorted(found)


def _kind(path: Path) -> str:
    with path.open("rb") as handle:
        head = handle.read(4096)
    if head[8:12] == b"DUCK":
        return "duckdb"
    if head[:15] == b"SQLite format 3":
        return "sqlite"
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:4] == b"PK\x03\x04":
        return "zip"
    if head[:2] == b"\x1f\x8b":
        return "gzip"
    return "other" if b"\0" in head and head[:2] not in (b"\xff\xfe", b"\xfe\xff") else "text"


def _chunks(handle: io.BufferedReader | gzip.GzipFile) -> Iterator[bytes]:
    before = b""
    while read := handle.read(CHUNK):
        yield before + read
        before = read[-OVERLAP:]


def _in_text(text: str, traces: Traces) -> bool:
    return traces.found_in_bytes(text.encode("utf-8", "replace"))


def _bytes_name(path: Path, traces: Traces) -> bool:
    with path.open("rb") as handle:
        return any(traces.found_in_bytes(chunk) for chunk in _chunks(handle))


def _cut(body: bytes, traces: Traces) -> bytes:
    for encoding in ("utf-16",) if body[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8", "cp1252", "latin-1"):
        try:
            return traces.cut_from(body.decode(encoding)).encode(encoding)
        except UnicodeDecodeError:
            continue
    return traces.cut_from(body.decode("latin-1")).encode("latin-1")


def _zip_names(body: bytes, traces: Traces, depth: int = 0) -> bool:
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        for member in packed.infolist():
            if member.file_size > BIGGEST_MEMBER:
                continue
            inner = packed.read(member)
            if inner[:4] == b"PK\x03\x04" and depth < 2:
                if _zip_names(inner, traces, depth + 1):
                    return True
            elif traces.found_in_bytes(inner):
                return True
    return False


def _clean_zip(body: bytes, traces: Traces) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as packed, zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as out:
        for member in packed.infolist():
            inner = packed.read(member)
            if inner[:4] == b"PK\x03\x04":
                inner = _clean_zip(inner, traces)
            elif traces.found_in_bytes(inner):
                inner = _cut(inner, traces)
            out.writestr(member, inner)
    return written.getvalue()


def _database_names(path: Path, traces: Traces) -> bool:
    with duckdb.connect(str(path), read_only=True) as connection:
        columns = connection.execute(
            """select schema_name, table_name, column_name from duckdb_columns() where not internal and table_oid in (
                select table_oid from duckdb_tables() where not internal and estimated_size > 0)
            and (data_type in ('VARCHAR', 'JSON') or data_type like '%VARCHAR%' or data_type like '%JSON%')"""
        ).fetchall()
        for schema, table, column in columns:
            text = f'"{column}"::varchar'
            rows = connection.execute(
                f'select {text} from "{schema}"."{table}" where regexp_matches({text}, ?)', [traces.loose]
            )
            while some := rows.fetchmany(1000):
                if any(traces.found_in(value) for (value,) in some):
                    return True
    return _bytes_name_plainly(path, traces)


def _bytes_name_plainly(path: Path, traces: Traces, kinds: tuple[str, ...] = ("email",)) -> bool:
    """Bytes of rows that no table has any more, which only a file that was written anew is without."""
    wanted = [form for t in traces.traces if t.kind in kinds for form in {t.text.encode(), t.text.lower().encode()}]
    with path.open("rb") as handle:
        return any(form in chunk for chunk in _chunks(handle) for form in wanted)


def _table_names(path: Path, traces: Traces) -> bool:
    text = str(path).replace("'", "''")
    with duckdb.connect() as connection:
        described = connection.execute(f"describe select * from read_parquet('{text}')").fetchall()
        for column, kind, *_ in described:
            if "VARCHAR" in kind or "JSON" in kind:
                rows = connection.execute(
                    f"""select "{column}"::varchar from read_parquet('{text}')
                        where regexp_matches("{column}"::varchar, ?)""",
                    [traces.loose],
                ).fetchall()
                if any(traces.found_in(value) for (value,) in rows):
                    return True
    return False


def _store_of(path: Path) -> Path:
    """The SQLite file whose journal this is: without it what a program has written is lost, so it is never removed."""
    for end in ("-wal", "-shm", "-journal"):
        if path.name.endswith(end) and (store := path.with_name(path.name.removesuffix(end))).exists():
            return store
    return path


@contextlib.contextmanager
def _store(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to what is there already. Locked where another program does not let it go."""
    uri = f"{path.resolve().as_uri()}?mode=rw"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=LOCK_SECONDS)) as connection:
            yield connection
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise Locked(path) from None
        raise


def _sqlite_texts(path: Path) -> Iterator[tuple[str, str, int, str]]:
    """(table, column, rowid, text) of every cell that is text."""
    with _store(path) as connection:
        for table, column in _sqlite_columns(connection):
            for rowid, value in connection.execute(f'select rowid, "{column}" from "{table}"'):
                if isinstance(value, bytes):
                    yield table, column, rowid, value.decode("utf-8", "replace")
                elif isinstance(value, str):
                    yield table, column, rowid, value


def _sqlite_columns(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    tables = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
    return [
        (table, row[1])
        for (table,) in tables
        if not table.startswith("sqlite_")
        for row in connection.execute(f'pragma table_info("{table}")').fetchall()
    ]


def _clean_sqlite(path: Path, traces: Traces) -> None:
    changes = [
        (t, c, rowid, traces.cut_from(text)) for t, c, rowid, text in _sqlite_texts(path) if _in_text(text, traces)
    ]
    with _store(path) as connection:
        for table, column, rowid, text in changes:
            connection.execute(f'update "{table}" set "{column}" = ? where rowid = ?', (text, rowid))
        connection.commit()
        connection.execute("vacuum")
        ((is_held, _, _),) = connection.execute("pragma wal_checkpoint(truncate)").fetchall()
        if is_held:  # a reader keeps the pages of before
            raise Locked(path)


def _replace(path: Path, body: bytes) -> None:
    beside = path.with_name(f".{path.name}.forget")
    mode = path.stat().st_mode & 0o777
    with beside.open("wb") as handle:
        handle.write(body)
        handle.flush()
        os.fsync(handle.fileno())
    beside.chmod(mode)
    os.replace(beside, path)
