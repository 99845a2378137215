"""Fifty readers of the marts and ten of the Parquet pointer while whole nights publish under them.

What a reader sees of a dozen tables in one transaction must be, table by table, what the publication holds that the
file says it is; a query that was begun before a publication is finished on the file that it began on.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from tests.torture import company
from tests.torture.children import Child, in_child
from tests.torture.company import Day
from tests.torture.report import Row, counted

READERS, OF_PARQUET, NIGHTS, TABLES, PAUSE = 50, 10, 3, 12, 8.0
Seen = dict[tuple[str, str], set[str]]  # (publication, table) -> tokens of its rows


def run(scratch: Path, nights: int = NIGHTS, readers: int = READERS) -> Iterator[Row]:
    with company.days(scratch / "company") as (earlier, later):
        data = scratch / "data"
        first = nightly(earlier, data)
        stop = scratch / "stop"
        beginning = data / "published"
        at_work = [Child(lambda n=n: look(beginning, stop, n, of_file)) for n in range(readers)]
        at_work += [Child(lambda n=n: look(beginning, stop, n, of_parquet)) for n in range(OF_PARQUET)]
        patient = Child(lambda: one_long_query(beginning, stop))
        wrong = [first] + [nightly(later, data) for _ in range(nights)]
        stop.touch()
        ends = [child.wait() for child in at_work]
        long_query = patient.wait()
        wanted = in_child(lambda: held(beginning)).or_raise()
    if any(wrong):
        raise RuntimeError(f"a night that nobody broke: {next(filter(None, wrong))}")
    publications = {name for name, _ in wanted}
    for kind, mine in (("of the file", ends[:readers]), ("of the Parquet pointer", ends[readers:])):
        faults = [end.error.strip()[-300:] or torn(end.value[0], wanted) for end in mine]
        looks = sum(end.value[1] for end in mine if end.value)
        met = {name for end in mine if end.value for name, _ in end.value[0]}
        note = f"{looks} looks, {len(met)} of {len(publications)} publications met"
        faults += [] if len(met) > min(nights, 2) else [f"only {len(met)} publications were met"]
        yield counted(f"reader {kind} through {nights} nights", faults, note)
    ended = long_query.error.strip()[-300:] or torn(long_query.value, wanted)
    yield counted("query and transaction that were open through all of them", [ended])


def nightly(day: Day, data: Path) -> str:
    process = company.nightly(day, data)
    said = process.communicate()[0]
    return "" if process.returncode == 0 else said[-600:]


def of_file(published: Path, chance: random.Random) -> dict[tuple[str, str], str]:
    with duckdb.connect(str(published / "marts.duckdb"), read_only=True) as connection:
        connection.execute("begin")
        name = connection.execute("select publication_id from meta.publication").fetchone()[0]  # type: ignore[index]
        return {(name, t): token(connection, t) for t in chance.sample(tables(connection), TABLES)}


def of_parquet(published: Path, chance: random.Random) -> dict[tuple[str, str], str]:
    name = (published / "parquet" / "CURRENT").read_text().strip()
    folder = published / "parquet" / name
    with duckdb.connect() as connection:
        files = chance.sample(sorted(folder.glob("*/*.parquet")), TABLES)
        return {(name, f"{f.parent.name}.{f.stem}"): token(connection, f"'{f}'") for f in files}


def look(published: Path, stop: Path, seed: int, how: Any) -> tuple[Seen, int]:
    """Look until told to stop; what was seen, and how often was looked."""
    chance, seen, looks = random.Random(seed), {}, 0  # type: ignore[var-annotated]
    while not stop.exists():
        for key, value in how(published, chance).items():
            seen.setdefault(key, set()).add(value)
        looks += 1
        time.sleep(chance.uniform(0.5, 1.5) * PAUSE)
    return seen, looks


def tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    query = "select schema_name || '.' || table_name from duckdb_tables() where not internal order by 1"
    return [name for (name,) in connection.execute(query).fetchall()]


def token(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    return str(connection.execute(f"select count(*), bit_xor(hash(t)) from {table} as t").fetchone())


def held(published: Path) -> dict[tuple[str, str], str]:
    """Token of every table of every publication that is kept."""
    found = {}
    for path in (published / "marts.duckdb", *(published / "previous").glob("*.duckdb")):
        with duckdb.connect(str(path), read_only=True) as connection:
            name = connection.execute("select publication_id from meta.publication").fetchone()[0]  # type: ignore[index]
            found |= {(name, table): token(connection, table) for table in tables(connection)}
    return found


def torn(seen: Seen, wanted: dict[tuple[str, str], str]) -> str:
    wrong = [f"{name} {table}" for (name, table), tokens in seen.items() if tokens != {wanted.get((name, table))}]
    return f"torn: {', '.join(wrong[:4])}" if wrong else ""


def one_long_query(published: Path, stop: Path) -> Seen:
    """One transaction: a part of a result before the first night, its rest and every table after the last."""
    with duckdb.connect(str(published / "marts.duckdb"), read_only=True) as connection:
        connection.execute("begin")
        name = connection.execute("select publication_id from meta.publication").fetchone()[0]  # type: ignore[index]
        query = "from pipeline.activities"
        count = connection.execute(f"select count(*) {query}").fetchone()[0]  # type: ignore[index]
        with connection.cursor() as cursor:
            rows = len(cursor.execute(f"select * {query}").fetchmany(10))
            while not stop.exists():
                time.sleep(0.5)
            rows += len(cursor.fetchall())
        seen = {(name, table): {token(connection, table)} for table in tables(connection)}
    return seen | ({} if rows == count else {(name, f"{rows} rows of {count}"): {"too few"}})
