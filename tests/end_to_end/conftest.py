"""A practice company of the usual size over two nights, three lived days between them, and the truth that it keeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest

from tests.conftest import ROOT, NightRun, environment_of, parsed_once, salesops


@dataclass(frozen=True)
class Lived:
    """`marts`: the second night's publication. `first`: a copy of the first one's, and the instant that it shows."""

    environment: dict[str, str]
    published: Path
    marts: duckdb.DuckDBPyConnection
    truth: dict[str, Any]
    first: Path
    first_as_of: str


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory):
    environment = environment_of(tmp_path_factory.mktemp("lived"), '[practice]\nsize = "default"\n') | parsed_once()
    data = Path(environment["SALESOPS_DATA"])
    for command in (["nightly"], ["tomorrow", "--days", "3"], ["nightly"]):
        done = salesops(*command, environment=environment)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    truth = [sys.executable, "-m", "sandbox", "truth", "--state", str(data / "sandbox")]
    subprocess.run(truth, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    (first,) = (data / "published" / "previous").glob("*.duckdb")
    with duckdb.connect(str(first), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        as_of = connection.execute("select as_of from meta.publication").fetchone()[0].isoformat()
    published = data / "published" / "marts.duckdb"
    with duckdb.connect(str(published), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        known = json.loads((data / "sandbox" / "truth.json").read_text())
        yield Lived(environment, published, connection, known, first, as_of)


READERS = 20
READER = """
import sys, time
import duckdb
path, stop = sys.argv[1:]
from pathlib import Path
looks, seen = 0, set()
while not Path(stop).exists():
    with duckdb.connect(path, read_only=True) as connection:
        tables = connection.execute("select count(*) from duckdb_tables()").fetchone()[0]
        rows = connection.execute("select count(*) from pipeline.deals join meta.publication on true").fetchone()[0]
        seen.add(connection.execute("select publication_id from meta.publication").fetchone()[0])
    assert tables > 10 and rows > 0
    looks += 1
    time.sleep(2)
print(looks, len(seen))
"""


@contextmanager
def readers(night: NightRun, stop: Path) -> Iterator[list[subprocess.Popen]]:
    """20 processes that query the published file in a loop until the block ends."""
    command = [sys.executable, "-c", READER, str(night.published), str(stop)]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(READERS)
    ]
    try:
        yield started
    finally:
        stop.touch()


@pytest.fixture(scope="session")
def next_day(night_copy, tmp_path_factory):
    """The small company lives four days; then a night without permission for leads, on which values without sense have
    come, and 20 readers all along."""
    night = night_copy("next_day")
    with duckdb.connect(str(night.published), read_only=True) as connection:
        (first,) = connection.execute("select publication_id from meta.publication").fetchone()
    lived = night.command("tomorrow", "--days", "4")
    stop = tmp_path_factory.mktemp("readers") / "stop"
    with readers(night, stop) as started:
        done = night.command("nightly", "--fault", "missing_scope:leads", "--fault", "dirty_values")
    ends = [(process.communicate(timeout=60), process.returncode) for process in started]
    return night, first, lived, done, ends


@dataclass(frozen=True)
class Ruled:
    """`rulings`: lines (record, other record, ruling), of which the first three contradict each other. `columns`: the
    worklist's, by title. `before`: the publication that stood when the night began."""

    night: NightRun
    rulings: list[tuple[str, str, str]]
    columns: dict[str, int]
    before: list[tuple[str]]
    done: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def ruled(night_copy, tmp_path_factory) -> Ruled:
    """Rulings filled into the worklist's workbook and dropped; then a night without permission for contacts."""
    night = night_copy("ruled")
    with duckdb.connect(str(night.published), read_only=True) as marts:
        before = marts.execute("select publication_id from meta.publication").fetchall()
        singles = marts.execute(
            """select source || ':contact:' || contact_id from pipeline.contact_identities
               where record_state = 'alive' and contact_key in (
                   select contact_key from pipeline.contact_identities group by contact_key having count(*) = 1
               ) order by contact_id limit 5"""
        ).fetchall()
    a, b, c, one, other = [key for (key,) in singles]
    workbook = tmp_path_factory.mktemp("rulings") / "duplicates.xlsx"
    assert night.command("duplicates", "worklist", "--to", str(workbook)).returncode == 0
    book = openpyxl.load_workbook(workbook)
    columns = {cell.value: cell.column for cell in book.active[1]}
    lines = [(a, b, "Same"), (b, c, "Same"), (a, c, "Keep apart"), (one, other, "Same")]
    for number, line in enumerate(lines, start=book.active.max_row + 1):
        for title, value in zip(("Record", "Other record", "Ruling", "Ruled by"), (*line, "Eva"), strict=True):
            book.active.cell(number, columns[title]).value = value
    book.save(night.data / "sandbox" / "drop" / "duplicates.xlsx")
    done = night.command("nightly", "--fault", "missing_scope:contacts")
    return Ruled(night, lines, columns, before, done)
