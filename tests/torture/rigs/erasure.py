"""An erasure broken at its file operations: killed there, torn, no space from there on, and power cuts.

After each a reader finds whole publications, the same erasure again finishes, no byte of the person is in any file, the
rows of all others are those of an unbroken one, and a night of vendors that still have the person brings nothing back.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import duckdb

from ingestion import suppression
from ingestion.spool import Spool
from salesops import night as nights
from salesops import publication
from salesops.config import Settings
from salesops.erasure import forget
from salesops.layout import DataDirectory
from tests import personal_data
from tests.personal_data import EMAIL, contact, person, put, remaining
from tests.torture import disk
from tests.torture.report import Row, counted
from tests.torture.rigs import files
from tests.torture.rigs.files import Act, Digest, digest

NOW = datetime(2026, 4, 10, tzinfo=UTC)
SEED = 20261126
TRIES = {"kill": 10, "kill -9 in": 4, "disk full": 4, "read-only": 4, "disk that refuses": 3}  # 5 s of a core each
CUTS = 10


def erase(folder: Path) -> None:
    """As `salesops forget --email` does it, without its questions."""
    forget.GRACE_SECONDS = 0.0
    data = DataDirectory(folder)
    with nights.locked(data):
        found = forget.find(data, Settings(), email=EMAIL, record=None)
        if found.records or forget.is_left(data, forget.plan(data, data.drop, found)):
            forget.erase(data, Settings(), data.drop, found, "email", NOW)


def readable(folder: Path) -> str:
    """What a reader of the present publication, of a kept one or of the Parquet pointer finds wrong."""
    published = folder / "published"
    for path in (published / "marts.duckdb", *publication.kept_publications(published)):
        with publication.reading(path) as connection:
            found = connection.execute("select sum(amount)::varchar, count(*) from pipeline.deals").fetchone()
            told = connection.execute("select publication_id from meta.publication").fetchall()
            tables = len(connection.execute("from duckdb_tables()").fetchall())
        if found != ("350.00", 2) or (path.parent.name == "previous" and told != [(path.stem,)]):
            return f"{path.name} is {told} with {found}"
    pointed = published / "parquet" / (published / "parquet" / "CURRENT").read_text().strip()
    if len(list(pointed.glob("*/*.parquet"))) != tables:
        return f"{pointed.name} has {len(list(pointed.glob('*/*.parquet')))} of {tables} tables"
    with duckdb.connect() as connection:
        found = connection.execute(f"select sum(amount)::varchar, count(*) from '{pointed}/pipeline/deals.parquet'")
        return "" if found.fetchone() == ("350.00", 2) else f"{pointed.name} has other deals"


def kept(folder: Path) -> Digest:
    """Of every table of every file, and of every other file, as an unbroken erasure leaves them."""
    held: Digest = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name, head = str(path.relative_to(folder)), path.read_bytes()[:16]
        if name in ("erasures.jsonl", "night.lock", "published/parquet/CURRENT") or name.endswith("-journal"):
            continue  # of SQLite's, what it may leave: it is looked into like every file
        if head[8:12] == b"DUCK":
            with duckdb.connect(str(path), read_only=True) as connection:
                connection.execute("set timezone = 'UTC'")
                query = "select schema_name || '.' || table_name from duckdb_tables() where not internal"
                for (table,) in connection.execute(query).fetchall():
                    if table != "raw.erased":  # salted
                        held[f"{name} {table}"] = digest(connection, table)
        elif head[:4] == b"PAR1":
            turn = name.split("/")[2]
            with duckdb.connect() as connection:
                connection.execute("set timezone = 'UTC'")
                held[name.replace(turn, turn.partition("-")[0])] = digest(connection, f"'{path}'")
        elif head[:15] == b"SQLite format 3":
            with closing(sqlite3.connect(path)) as store:
                held[name] = str(store.execute("select * from event_logs").fetchall())
        else:
            held[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return {name: value for name, value in held.items() if value}


def next_night(folder: Path) -> None:
    """Vendors still have the person: their record, another one with the address, a row that is refused, a reason."""
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        put(connection, folder, "contacts", [person(jobtitle="VD"), contact("900", email=EMAIL)], NOW)
        put(connection, folder, "notes", [contact("9", hs_note_body=f"med Öberg, Åsa\n{EMAIL}")], NOW)
        spool = Spool(folder / "spool" / "deals")
        spool.refuse(f"no number: {EMAIL}", file="Åsa Öberg.csv", value="Åsa Öberg", record_id="5")
        batch = personal_data.Batch(personal_data.find("hubspot", "deals"), spool, "run", NOW, reason=f"see {EMAIL}")
        personal_data.land(connection, batch)
        spool.remove()


def gone(folder: Path, unbroken: Digest) -> str:
    found = kept(folder)
    if different := sorted(n for n in found.keys() | unbroken.keys() if found.get(n) != unbroken.get(n)):
        return f"other than an unbroken erasure: {different[:4]}"
    if (lines := len(suppression.audit(DataDirectory(folder).erasures))) != 1:
        return f"{lines} lines of audit"
    next_night(folder)
    return f"named after a later night: {left[:4]}" if (left := remaining(folder)) else ""


def act(scratch: Path) -> Act:
    def prepare(folder: Path) -> None:
        personal_data.make(DataDirectory(folder), publications=3)

    whole: list[Digest] = []

    def end(folder: Path) -> str:
        if not whole:
            whole.append(kept(scratch / "traced"))  # where the operations were recorded: nothing broke there
        return gone(folder, whole[0])

    return Act("erasure", prepare, erase, readable, erase, end)


def run(scratch: Path) -> Iterator[Row]:
    chance, broken = random.Random(SEED), act(scratch)
    cut, operations = files.recorded(broken, scratch)

    def drawn(name: str, numbers: list[int]) -> list[int]:
        tries = next(tries for start, tries in reversed(TRIES.items()) if name.startswith(start))
        return sorted(chance.sample(numbers, min(tries, len(numbers))))

    yield from files.faults(broken, scratch, operations, drawn)
    places = set(chance.sample(range(len(operations)), CUTS - 2)) | {len(operations) - 1, len(operations)}
    lost, folder = [], scratch / "try0"
    for place in range(len(operations) + 1):
        if place in places:
            states = cut.states(chance)
            state = next(islice(states, chance.choice((0, 0, chance.randrange(9))), None))
            disk.lay_out(state, folder)
            lost.append(files.tried(broken, folder))
        if place < len(operations):
            cut.follow(operations[place])
    shutil.rmtree(scratch / "traced")
    yield counted("erasure: power cut", lost, f"of {len(operations)} operations")
