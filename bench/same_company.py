"""One practice company, served as HubSpot and as another CRM, gives the same marts: what does not agree, by table.

    python -m bench.same_company salesforce [--size small] [--seed 11]

Both are read over HTTP into a warehouse each and built to their marts; then every key, id and stage of the other CRM is
spelt as HubSpot spells it, and every pipeline and kpi table is compared row for row by its key. What a CRM cannot hold,
or stamps otherwise, is excepted by name in `bench/as_<crm>.py`, with the reason. Ends with 1 if anything else differs.

A CRM's module has `prepare(world)`, which takes out of the company what neither shall show; `names(world)`; `EXCEPTED`;
and `read(world, open_connection, folder, now)`, which serves and lands it. Where the CRM has one word for several of
HubSpot's, `SHARED_NAMES` spells HubSpot's in it. The instants are cut to whole seconds first: no other CRM keeps more.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb

from ingestion import landing
from sandbox.store import instant_of, iso
from sandbox.world import World, live
from tests.spark.comparison import compare
from tests.whole.project import Project

END = date(2026, 11, 2)
AFTER = timedelta(minutes=5)  # the night begins so long after the company's last instant
ACTIVITIES = ("call", "email", "meeting", "note", "task")
# fields of the portal's own: what a CRM that tracks everything knows of the past, HubSpot must be asked for
OWN_HISTORY = {"deals": ["next_step_date", "legal_terms_date", "signed_date", "contract_term_months", "competitor"]}
# column -> the things whose id it holds; the first of them that knows it
COLUMNS: dict[str, tuple[str, ...]] = {
    "deal_id": ("deal",), "contact_id": ("contact",), "company_id": ("company",), "lead_id": ("lead",),
    "owner_id": ("owner",), "activity_id": ACTIVITIES, "stage_id": ("stage",), "pipeline_id": ("pipeline",),
    "from_stage_id": ("stage",), "to_stage_id": ("stage",), "user_id": ("user",),
    "record_id": ("contact", "company", "deal", "lead", "pipeline"),
    "pipeline": ("pipeline label",), "member": ("pipeline label",), "member_key": ("pipeline label",),
    "stage": ("stage label",), "present_stage": ("stage label",), "lost_from_stage": ("stage label",),
    "old_value": ("stage label",), "new_value": ("stage label",),
    "companies.source_ids": ("company",), "contacts.source_ids": ("contact",),
}  # fmt: skip


@dataclass
class Names:
    """How a CRM calls what HubSpot calls otherwise: (thing, its id) -> HubSpot's id. Things as in keys: deal, owner."""

    crm: str
    ids: dict[tuple[str, str], str] = field(default_factory=dict)

    def in_text(self, text: str) -> str:
        """Keys within a text, and the CRM's name."""

        def spelt(found: re.Match[str]) -> str:
            thing, key = found.groups()
            return f"crm:{thing}:{self.ids.get((thing, key), key)}"

        return re.sub(rf"{self.crm}:(\w+):([^>|,;: ]+)", spelt, text).replace(self.crm, "crm")

    def in_cell(self, table: str, column: str, text: str) -> str:
        """`table` without its schema."""
        things = COLUMNS.get(f"{table}.{column}", COLUMNS.get(column, ()))
        for thing in things:
            if (thing, text) in self.ids:
                return self.ids[thing, text]
        if column == "source_ids":  # source:id, joined by commas
            listed = [part.partition(":") for part in text.split(", ")]
            return ", ".join(f"{source}:{self.ids.get((things[0], key), key)}" for source, _, key in listed).replace(
                self.crm, "crm"
            )
        return self.in_text(text)


@dataclass(frozen=True)
class Excepted:
    """`columns` of `table` that are not compared, in the rows `where` alone; without columns those rows, or all."""

    table: str
    columns: tuple[str, ...]
    why: str
    where: str = ""


@dataclass
class Result:
    tables: int = 0
    rows: int = 0
    differences: dict[str, list[str]] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)  # of the other CRM: data tests that find rows, and how many


def whole_seconds(world: World) -> World:
    """Every instant of the company cut to its second."""
    for kind in world.store.records.values():
        for record in kind.values():
            record.created_at, record.updated_at, record.born = (
                at // 1000 * 1000 for at in (record.created_at, record.updated_at, record.born)
            )
            record.archived_at = record.archived_at and record.archived_at // 1000 * 1000
            for name, changes in record.history.items():
                record.history[name] = [
                    change._replace(at=change.at // 1000 * 1000, value=_cut(change.value)) for change in changes
                ]
            record.properties |= {name: _cut(value) for name, value in record.properties.items()}
    for key, (record, at, survivor) in world.store.absorbed.items():
        world.store.absorbed[key] = (record, at // 1000 * 1000, survivor)
    for place, event in enumerate(world.store.log):
        world.store.log[place] = event._replace(at=event.at // 1000 * 1000)
    return world


def _cut(value: str | None) -> str | None:
    if value and re.fullmatch(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", value):
        return iso((instant_of(value) or 0) // 1000 * 1000)
    return value


def read_hubspot(world: World, open_connection: Any, folder: Path, now: datetime) -> None:
    from ingestion.hubspot import HubSpotSource, sync_hubspot
    from sandbox.servers.hubspot import serve

    with serve(world) as portal:
        source = HubSpotSource(portal.token, portal.url, folder / "spool", now, extra_history=OWN_HISTORY)
        try:
            must_be_read(sync_hubspot(open_connection, source, "as hubspot", now))
        finally:
            source.session.close()


def must_be_read(results: Iterator[landing.ObjectResult]) -> None:
    if failed := [f"{result.object}: {result.reason}" for result in results if result.state == "failed"]:
        raise RuntimeError("; ".join(failed))


def landed(world: World, read: Callable[..., None], folder: Path, now: datetime) -> Path:
    """A warehouse file with what a first night would have landed."""
    folder.mkdir(parents=True)
    path = folder / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        landing.prepare(connection)

        @contextmanager
        def held() -> Iterator[duckdb.DuckDBPyConnection]:
            yield connection

        read(world, held, folder, now)
    return path


def differences(project: Project, world: World, crm: str, folder: Path) -> Result:
    """The company as HubSpot and as `crm`, compared."""
    other = import_module(f"bench.as_{crm}")
    whole_seconds(world)
    other.prepare(world)
    now = datetime.fromtimestamp(world.now / 1000, UTC) + AFTER
    marts, failures = {}, {}
    for name, read in (("hubspot", read_hubspot), (crm, other.read)):
        file = landed(world, read, folder / name, now)
        marts[name] = folder / name / "marts.duckdb"
        failures[name] = project.build_landed(file, now, marts[name])
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        for side, name in (("one", "hubspot"), ("other", crm)):
            connection.execute(f"attach '{marts[name]}' as {side}")
            names = _hubspot_names(world) if side == "one" else other.names(world)
            names.ids |= getattr(other, "SHARED_NAMES", {}) if side == "one" else {}
            respell(connection, side, names, project.tables())
        result = compared(connection, project, other.EXCEPTED)
    result.failures = {test: rows for test, rows in failures[crm].items() if test not in failures["hubspot"]}
    return result


def _hubspot_names(world: World) -> Names:
    """HubSpot's own, but that a seller has two ids there: one of the owner, one of the user."""
    return Names("hubspot", {("user", str(owner.user_id)): owner.id for owner in world.owners})


def respell(connection: duckdb.DuckDBPyConnection, side: str, names: Names, tables: list[str]) -> None:
    """Every text of every table in HubSpot's words and under one CRM's name."""
    for table in tables:
        described = connection.execute(f"describe {side}.{table}").fetchall()
        for column in [name for name, kind, *_ in described if kind == "VARCHAR"]:
            texts = connection.execute(f"select distinct {column} from {side}.{table} where {column} <> ''").fetchall()
            changed = [[text, names.in_cell(table.partition(".")[2], column, text)] for (text,) in texts]
            changed = [pair for pair in changed if pair[0] != pair[1]]
            if changed:
                connection.execute("create or replace temp table spelt (was varchar, became varchar)")
                was, became = zip(*changed, strict=True)
                connection.execute("insert into spelt select unnest(?), unnest(?)", [list(was), list(became)])
                connection.execute(
                    f"update {side}.{table} set {column} = spelt.became from spelt where {column} = spelt.was"
                )


def compared(connection: duckdb.DuckDBPyConnection, project: Project, excepted: tuple[Excepted, ...]) -> Result:
    result = Result()
    for table, key in project.keys().items():
        without = [one for one in excepted if one.table == table]
        if any(not one.columns and not one.where for one in without):
            continue
        sides = [_shown(f"{side}.{table}", without) for side in ("one", "other")]
        found = compare(connection, *sides, key)
        result.tables, result.rows = result.tables + 1, result.rows + found.rows
        if found.differences:
            result.differences[table] = found.differences
    return result


def _shown(table: str, without: list[Excepted]) -> str:
    """The table less what is excepted."""
    left_out = [column for one in without if not one.where for column in one.columns]
    blank = {column: one.where for one in without if one.where for column in one.columns}
    columns = f"* exclude ({', '.join(left_out)})" if left_out else "*"
    if blank:
        cases = [f"case when not ({where}) then {column} end as {column}" for column, where in blank.items()]
        columns += f" replace ({', '.join(cases)})"
    rows = [f"({one.where}) is not true" for one in without if not one.columns]
    return f"(select {columns} from {table}" + (f" where {' and '.join(rows)}" if rows else "") + ")"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crm")
    parser.add_argument("--size", default="small", choices=["tiny", "small", "default"])
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--keep", type=Path, help="a folder in which both warehouses and marts stay")
    options = parser.parse_args()
    started = time.process_time()
    with tempfile.TemporaryDirectory(prefix="same-company-") as scratch:
        folder = options.keep or Path(scratch) / "companies"
        (Path(scratch) / "project").mkdir()
        project = Project(Path(scratch) / "project")
        result = differences(project, live(options.seed, options.size, END), options.crm, folder)
    for table, found in result.differences.items():
        print(table, *found, sep="\n    ")
    excepted = import_module(f"bench.as_{options.crm}").EXCEPTED
    print(*(f"{test} finds {rows} rows" for test, rows in result.failures.items()), sep="\n")
    print(f"{result.tables} tables compared, {result.rows:,} rows; {len(result.differences)} tables differ; excepted:")
    for one in excepted:
        print(f"    {one.table} {', '.join(one.columns) or 'rows'} {one.where or '(all)'}: {one.why}")
    print(f"{time.process_time() - started:.0f} CPU-s")
    return int(bool(result.differences or result.failures))


if __name__ == "__main__":
    sys.exit(main())
