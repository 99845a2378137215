"""Landing and publication at each of their file operations: killed there, torn, no space from there on, and power cuts.

Small tables, the product's own code: what is asked of a night of any size is asked of each write that it makes.
"""

from __future__ import annotations

import errno
import hashlib
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import orjson

from ingestion import landing
from ingestion.landing import Batch, Spool
from ingestion.objects import find
from salesops import publication
from salesops.publication import Publication
from tests.torture import disk
from tests.torture.children import in_child, in_parallel
from tests.torture.disk import Operation
from tests.torture.report import Row, counted

FIRST = datetime(2026, 11, 2, 2, 15, tzinfo=UTC)
STATES = 30  # that a power cut could leave: as many of each act are tried
SEED = 20261126
RESTORED = "restored"
Digest = dict[str, str]


# --- landing -------------------------------------------------------------------------------------------------------


def record(kind: str, number: int, night: int) -> dict[str, Any]:
    changed = FIRST + timedelta(days=night if number % 5 == 0 else 1, minutes=number)
    values = {"name": f"{kind} {number}", "stage": f"of night {night if number % 5 == 0 else 1}"}
    revisions = [{"value": v, "timestamp": changed.isoformat(), "sourceType": "CRM_UI"} for v in values.values()]
    return {
        "id": str(number), "updatedAt": changed.isoformat(), "archived": False, "properties": values,
        "propertiesWithHistory": {"stage": revisions},
    }  # fmt: skip


def land_night(folder: Path, night: int) -> list[Digest]:
    """Contacts and deals of a night, landed as the night does it; the raw contents after each of its commits."""
    after = []
    for kind in ("contacts", "deals"):
        with landing.opened(folder / "warehouse.duckdb") as connection:
            landing.prepare(connection)
            now = FIRST + timedelta(days=night)
            spool = Spool(folder / "spool" / kind)
            rows = [record(kind, number, night) for number in range(60 + 2 * night) if number != night]
            for page in (rows[:40], [*rows[40:], {"id": None, "properties": {}}]):
                spool.add_page(orjson.dumps({"results": page}), page)
            spool.is_complete = True
            linked = [{"from": {"id": "7"}, "to": [{"toObjectId": str(night), "associationTypes": []}]}]
            spool.add_links("companies", ["7"], orjson.dumps({"results": linked}))
            batch = Batch(find("hubspot", kind), spool, f"night {night}", now, cursor=now.isoformat(), window_to=now)
            landing.land(connection, batch)
            spool.remove()
        after.append(raw(folder))
    return after


def raw(folder: Path) -> Digest:
    """Every raw table but the book of batches, without their numbers."""
    path = folder / "warehouse.duckdb"
    if not path.exists():
        return {}
    with landing.opened(path) as connection:
        connection.execute("set timezone = 'UTC'")
        names = connection.execute("select table_name from duckdb_tables() where schema_name = 'raw'").fetchall()
        without = {"batches", "settings_objects"}
        digests = {
            name: digest(connection, f"raw.{name}", ("batch_id",), "distinct" if name == "quarantine" else "")
            for (name,) in sorted(names)
            if name not in without
        }
        return {name: value for name, value in digests.items() if value}


def digest(connection: duckdb.DuckDBPyConnection, table: str, without: tuple[str, ...] = (), distinct: str = "") -> str:
    """Of the rows in any order; empty for an empty table."""
    columns = [row[0] for row in connection.execute(f"describe {table}").fetchall()]
    listed = ", ".join(f'"{name}"' for name in columns if name not in without) or "1"
    rows = connection.execute(f"select {distinct} cast(row({listed}) as varchar) from {table}").fetchall()
    return hashlib.sha256("\n".join(sorted(line for (line,) in rows)).encode()).hexdigest() if rows else ""


# --- publication ---------------------------------------------------------------------------------------------------


def publication_id(night: int) -> str:
    return publication.new_id(FIRST + timedelta(days=night))


def build(folder: Path, night: int) -> None:
    marts = folder / "build" / "marts.duckdb"
    marts.parent.mkdir(parents=True, exist_ok=True)
    marts.unlink(missing_ok=True)
    with duckdb.connect(str(marts)) as connection:
        connection.execute("create schema pipeline; create schema kpi")
        for table in ("pipeline.deals", "pipeline.contacts", "kpi.win_rate"):
            connection.execute(f"create table {table} as select range as n, {night} as night from range({99 + night})")
    at = FIRST + timedelta(days=night)
    told = Publication(publication_id(night), at, None, at, "c0ffee", 1, "Å AB", "SEK", "Europe/Oslo", False, "run")
    publication.write_meta(marts, told, [("pipeline/deals", "is_good", "passed", "", True)], {})


def publish(folder: Path, night: int) -> None:
    publication.publish(folder / "build" / "marts.duckdb", folder / "published", publication_id(night))


def build_and_publish(folder: Path, night: int) -> None:
    build(folder, night)
    publish(folder, night)


def published(folder: Path) -> tuple[str, str]:
    """What a reader of the file and one of the Parquet pointer see: an id each. Raises where a reader would."""
    target, seen = folder / "published", ""
    for path in ([target / "marts.duckdb"] if (target / "marts.duckdb").exists() else []) + (
        publication.kept_publications(target)
    ):
        with publication.reading(path) as connection:
            found = _agreed(connection, {t: t for t in ("pipeline.deals", "pipeline.contacts", "kpi.win_rate")})
            (name,) = connection.execute("select publication_id from meta.publication").fetchone()  # type: ignore[misc]
        if name != publication_id(found) or (path.parent.name == "previous" and path.stem != name):
            raise AssertionError(f"{path.name} is {name} with the rows of night {found}")
        seen = seen or name
    pointer = target / "parquet" / "CURRENT"
    if not pointer.exists():
        return seen, ""
    pointed = pointer.read_text().strip()
    with duckdb.connect() as connection:
        tables = ("pipeline.deals", "pipeline.contacts", "kpi.win_rate")
        files = {t: f"'{target / 'parquet' / pointed / t.replace('.', '/')}.parquet'" for t in tables}
        found = _agreed(connection, files)
    if publication_id(found) != pointed:
        raise AssertionError(f"CURRENT says {pointed} and its rows are of night {found}")
    return seen, pointed


def _agreed(connection: duckdb.DuckDBPyConnection, tables: dict[str, str]) -> int:
    """The night whose rows all the tables hold, whole."""
    ask = "select min(night), max(night), count(*) from"
    found = {connection.execute(f"{ask} {table}").fetchone() for table in tables.values()}
    ((low, high, rows),) = found
    assert low == high and rows == 99 + low, found
    return int(low)


# --- the acts ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Act:
    """`check` says what is torn right after the fault, `again` is the ordinary run, `end` what is wrong after that."""

    name: str
    prepare: Callable[[Path], None]
    do: Callable[[Path], Any]
    check: Callable[[Path], str]
    again: Callable[[Path], Any]
    end: Callable[[Path], str]


def acts(scratch: Path) -> Iterator[Act]:
    for name, before in (("first landing", 0), ("later landing", 1)):
        folder = scratch / "unbroken"
        shutil.rmtree(folder, ignore_errors=True)
        states = in_child(lambda b=before, f=folder: _all_states(f, b)).or_raise()  # type: ignore[misc]

        def check(folder: Path, states: list[Digest] = states) -> str:
            return "" if raw(folder) in states else "raw is neither as before the commit nor as after it"

        def end(folder: Path, states: list[Digest] = states) -> str:
            return "" if raw(folder) == states[-1] else f"raw differs in {_different(raw(folder), states[-1])}"

        yield Act(
            name,
            lambda folder, b=before: [land_night(folder, night) for night in range(1, b + 1)],  # type: ignore[misc,arg-type]
            lambda folder, b=before: land_night(folder, b + 1),  # type: ignore[misc]
            check,
            lambda folder, b=before: land_night(folder, b + 1),  # type: ignore[misc]
            end,
        )

    def after_publication(*allowed: int) -> Callable[[Path], str]:
        names = {publication_id(night) if night else "" for night in allowed}

        def check(folder: Path) -> str:
            found = published(folder)
            return "" if set(found) <= names else f"published is {found}"

        return check

    def ended(folder: Path) -> str:
        wrong = "" if published(folder) == (publication_id(9),) * 2 else f"published is {published(folder)}"
        hidden = [p.name for p in (folder / "published").rglob("*") if p.name.startswith(".") or p.suffix == ".wal"]
        return wrong or (f"left over: {hidden}" if hidden else "")

    def with_write_ahead_file(folder: Path) -> None:
        """Three publications and a fourth to come; somebody opened the present one for writing and left it so."""
        for night in range(1, 5):
            build_and_publish(folder, night)
        build(folder, 5)
        (folder / "published" / "marts.duckdb.wal").write_bytes(b"left by somebody")

    def rolled_back(folder: Path) -> None:
        for night in (1, 2):
            build_and_publish(folder, night)

    def once_more(folder: Path) -> None:
        build_and_publish(folder, 9)

    def put_back(folder: Path) -> None:
        publication.rollback(folder / "published")

    first, later = (lambda f: build(f, 1), lambda f: publish(f, 1)), (with_write_ahead_file, lambda f: publish(f, 5))
    yield Act("first publication", *first, after_publication(0, 1), once_more, ended)
    yield Act("later publication", *later, after_publication(4, 5), once_more, ended)
    yield Act("rollback", rolled_back, put_back, after_publication(1, 2), once_more, ended)


def _all_states(folder: Path, before: int) -> list[Digest]:
    folder.mkdir(parents=True)
    states = [raw(folder)]
    if not before:
        landing.opened(folder / "warehouse.duckdb").close()
        states.append(raw(folder))
    for night in range(1, before + 1):
        states = land_night(folder, night)[-1:]
    return states + land_night(folder, before + 1)


def _different(found: Digest, wanted: Digest) -> list[str]:
    return sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))


# --- the faults ----------------------------------------------------------------------------------------------------


def tried(act: Act, folder: Path, backup: Path | None = None) -> str:
    """What was lost, looked at as a reader would and then after the ordinary run; empty: nothing.

    RESTORED: nothing either, but the warehouse could not be opened, said so, and was put back from `backup`.
    """
    stage = folder.with_name(f"{folder.name}.stage")

    def look() -> str:
        restored = ""
        for name, step in (("right after", act.check), ("in the next run", act.again), ("after the next run", act.end)):
            stage.write_text(name)
            try:
                wrong = step(folder)
            except landing.BrokenWarehouse:
                if backup is None or restored or step is not act.check:
                    raise
                shutil.rmtree(folder)
                shutil.copytree(backup, folder)
                restored = RESTORED
                continue
            if wrong and step is not act.again:
                return f"{name}: {wrong}"
        return restored

    looked = in_child(look)
    if looked.error or looked.signal:
        return f"{stage.read_text()}: {looked.error.strip().splitlines()[-1] if looked.error else looked.signal}"
    return str(looked.value)


def fault_at(act: Act, base: Path, folder: Path, mode: str, number: int, error: int, only_syncs: bool) -> str:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder)

    def broken() -> None:
        disk.arm(mode, folder, number, error, only_syncs=only_syncs)
        act.do(folder)

    ended = in_child(broken)
    if mode == "fail" and ended.signal:
        return f"{act.name}: an error of the disk ended the process by signal {ended.signal}"
    return tried(act, folder, base)


def every(step: int) -> Callable[[list[Operation]], list[int]]:
    return lambda operations: list(range(1, len(operations) + 1, step))


def each(*kinds: str, step: int = 1) -> Callable[[list[Operation]], list[int]]:
    return lambda operations: [number for number, done in enumerate(operations, 1) if done.what in kinds][::step]


FAULTS: dict[str, tuple[str, int, bool, Callable[[list[Operation]], list[int]]]] = {
    "kill -9 at each file operation": ("kill", 0, False, every(1)),
    "kill -9 in the middle of each second write": ("tear", 0, False, each("write", step=2)),
    "disk full from each fifth file operation on": ("fail", errno.ENOSPC, False, every(5)),
    "read-only from each eighth file operation on": ("fail", errno.EROFS, False, every(8)),
    "disk that refuses each sync": ("fail", errno.EIO, True, each("sync", "syncdir")),
}


def run(scratch: Path, share: float = 1.0, only: str = "") -> Iterator[Row]:
    """`share`: of the operations and states, drawn; `only`: acts whose name has it."""
    chance = random.Random(SEED)
    for act in acts(scratch):
        if only not in act.name:
            continue
        cut, operations = recorded(act, scratch)
        yield from faults(act, scratch, operations, lambda _, numbers: _drawn(numbers, share, chance))
        found = _states(cut, operations, chance)
        drawn = _drawn(sorted(found), share, chance)[:STATES]

        def cut_at(worker: int, mark: bytes, act: Act = act, found: dict[bytes, Any] = found) -> str:
            folder = scratch / f"try{worker}"
            disk.lay_out(found[mark], folder)
            return tried(act, folder, scratch / "base")

        note = f"of {len(found)} states that differ"
        yield _counted(f"{act.name}: power cut", in_parallel(cut_at, drawn), note)


def _counted(fault: str, ends: list[str], note: str = "") -> Row:
    if restored := ends.count(RESTORED):
        note = f"{note} {restored} needed a backup, and said so".strip()
    return counted(fault, ["" if end == RESTORED else end for end in ends], note)


def recorded(act: Act, scratch: Path) -> tuple[disk.Cut, list[Operation]]:
    """The act's operations on a copy of `scratch`/base, which is made here, and what a power cut before them finds."""
    base, traced = scratch / "base", scratch / "traced"
    for folder in (base, traced):
        shutil.rmtree(folder, ignore_errors=True)
    base.mkdir()
    in_child(lambda: act.prepare(base) and None).or_raise()
    shutil.copytree(base, traced)
    return disk.Cut(traced), disk.recorded(lambda: act.do(traced), traced, scratch / "log")


def faults(
    act: Act, scratch: Path, operations: list[Operation], drawn: Callable[[str, list[int]], list[int]]
) -> Iterator[Row]:
    """A row for each fault but the power cut, of the operations that `drawn` chooses among those that it can hit."""
    for name, (mode, error, only_syncs, numbers) in FAULTS.items():

        def at(worker: int, number: int, how: Any = (mode, error, only_syncs)) -> str:
            mode, error, only_syncs = how
            return fault_at(act, scratch / "base", scratch / f"try{worker}", mode, number, error, only_syncs)

        possible = numbers(operations)
        chosen = drawn(name, possible)
        note = f"drawn of {len(possible)}" if len(chosen) < len(possible) else ""
        yield _counted(f"{act.name}: {name}", in_parallel(at, chosen), note)


def _states(cut: disk.Cut, operations: list[Operation], chance: random.Random) -> dict[bytes, dict[str, bytes | None]]:
    """Every state that a power cut before, between or after these operations could leave, once."""
    found: dict[bytes, dict[str, bytes | None]] = {}
    for operation in [*operations, None]:
        for state in cut.states(chance):
            mark = hashlib.sha256()
            for path, content in sorted(state.items()):
                mark.update(f"{path}\0{content is None}".encode() + hashlib.sha256(content or b"").digest())
            found[mark.digest()] = state
        if operation is not None:
            cut.follow(operation)
    return found


def _drawn(listed: list[Any], share: float, chance: random.Random) -> list[Any]:
    return listed if share >= 1 else sorted(chance.sample(listed, max(1, round(share * len(listed)))))
