"""`kill -9` of a real process in the middle of a night: the next one ends in the same contents as an unkilled one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from sandbox.servers.hubspot import Portal, serve
from tests.unit.ingestion.practice import Warehouse, change, portal_now, some, tiny_world

ROOT = Path(__file__).parents[3]
NIGHT = """
import sys
from contextlib import contextmanager
from datetime import datetime
import duckdb
from ingestion import hubspot_reader, landing
from ingestion.hubspot import HubSpotSource, sync_hubspot

url, token, folder, now = sys.argv[1:]
hubspot_reader.PAGE, hubspot_reader.HISTORY_PAGE = 20, 10

@contextmanager
def warehouse():
    with duckdb.connect(f"{folder}/warehouse.duckdb") as connection:
        landing.prepare(connection)
        yield connection

source = HubSpotSource(token, url, f"{folder}/spool", backoff_seconds=0.005)
for result in sync_hubspot(warehouse, source, "killed", datetime.fromisoformat(now)):
    print(result.object, result.state, flush=True)
"""


@pytest.fixture(scope="module")
def portal():
    with serve(tiny_world(11)) as portal:
        yield portal


def start(portal: Portal, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", NIGHT, portal.url, portal.token, str(folder), portal_now(portal).isoformat()]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def kill_while_reading(portal: Portal, folder: Path, calls: int, seconds: float) -> None:
    """SIGKILL some moments after the portal was asked `calls` times."""
    portal.calls.clear()
    process = start(portal, folder)
    while len(portal.calls) < calls and process.poll() is None:
        time.sleep(0.001)
    time.sleep(seconds)
    finish(process)


def kill_while_landing(portal: Portal, folder: Path, objects: int, seconds: float) -> None:
    """SIGKILL some moments after so many objects were committed."""
    process = start(portal, folder)
    assert process.stdout is not None
    for _ in range(objects):
        assert process.stdout.readline()
    time.sleep(seconds)
    finish(process)


def finish(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def assert_whole(folder: Path) -> None:
    """Whatever was committed is consistent: every row belongs to a batch, every batch counts its rows."""
    path = folder / "warehouse.duckdb"
    if not path.exists():
        return
    with duckdb.connect(str(path), read_only=False) as connection:
        if not connection.execute("select 1 from information_schema.tables where table_name = 'batches'").fetchall():
            return
        for name in ("deals", "contacts", "calls"):
            wrong = connection.execute(
                f"""select batch_id, count(*), any_value(b.rows_appended)
                    from raw.hubspot__{name} left join raw.batches as b using (batch_id)
                    group by batch_id having count(*) is distinct from any_value(b.rows_appended)"""
            ).fetchall()
            assert wrong == []


def test_killed_nights_then_a_whole_one(portal: Portal, tmp_path: Path) -> None:
    draw = random.Random(20261102)
    killed, unkilled = Warehouse(tmp_path / "killed"), Warehouse(tmp_path / "unkilled")
    for phase in ("first", "later"):
        if phase == "later":
            shutil.rmtree(killed.folder)
            shutil.copytree(unkilled.folder, killed.folder)
            change(portal, "deals", 9, hs_next_step="Call")
            change(portal, "contacts", 9, jobtitle="Buyer")
            archived, erased, *merged = some(portal, "contacts", 4, 20)
            portal.world.store.archive(archived, portal.world.stamp())
            portal.world.store.erase(erased, portal.world.stamp())
            portal.world.store.merge(*merged, portal.world.stamp())
        kill_while_reading(portal, killed.folder, 0, draw.uniform(0.1, 0.5))
        assert_whole(killed.folder)
        for _ in range(2):
            kill_while_reading(portal, killed.folder, draw.randint(5, 45), draw.uniform(0, 0.05))
            assert_whole(killed.folder)
            kill_while_landing(portal, killed.folder, draw.randint(1, 13), draw.uniform(0, 0.05))
            assert_whole(killed.folder)
        unkilled.sync(portal)
        killed.sync(portal)
        assert killed.contents() == unkilled.contents()
        assert killed.query("select count(*) from raw.sync_state where state <> 'ok'") == [(0,)]
        killed.close()
        unkilled.close()


def test_a_night_killed_while_it_makes_its_tables_leaves_all_of_them_or_none(tmp_path: Path) -> None:
    """Incident: killed between two tables, it left a warehouse with `batches` and without `hubspot__deals`."""
    script = """
import os, signal, sys, duckdb
from ingestion import landing

class Killed:
    def __init__(self, connection, statements):
        self.connection, self.left = connection, statements
    def execute(self, query):
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        return self.connection.execute(query)

landing.prepare(Killed(duckdb.connect(sys.argv[1]), int(sys.argv[2])))
"""
    found = set()
    for statements in (2, 5, 12, 40, 999):
        path = tmp_path / f"{statements}.duckdb"
        subprocess.run([sys.executable, "-c", script, str(path), str(statements)], cwd=ROOT, check=False)
        with duckdb.connect(str(path)) as connection:
            found.add(connection.execute("select count(*) from duckdb_tables()").fetchone())
    assert len(found) == 2
    assert (0,) in found


def test_two_nights_cannot_write_at_once(portal: Portal, tmp_path: Path) -> None:
    """The file has one writer: the second one fails and the first one's night is whole."""
    warehouse = Warehouse(tmp_path / "data")
    warehouse.sync(portal)
    process = start(portal, warehouse.folder)
    process.communicate()
    assert process.returncode != 0
    before = warehouse.contents()
    warehouse.sync(portal)
    assert warehouse.contents() == before
    warehouse.close()
