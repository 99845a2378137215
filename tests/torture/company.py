"""The smallest practice company over real HTTP, on two days, and nights of it cheap enough to break by the hundred.

A short night is the Dagster job as it is, on a dbt project of what `MODELS` need, with one check that passes.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from tests.torture.children import in_child

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("stages", "stg_hubspot__deals", "stg_hubspot__deals_history", "stg_spreadsheets__targets")
KEPT = tuple(f"model.salesops.{name}" for name in MODELS)
FIRST_DAY = date(2026, 3, 3)  # a Tuesday
SHORT = "[brief]\nenabled = false\n"
CONFIGURATION = """
[company]
name = "Broken AB"
[sources.hubspot]
base_url = "{url}"
[sources.spreadsheets]
enabled = true
folder = "{drop}"
[sources.exchange_rates]
enabled = true
base_url = "{rates_url}"
[sources.registries]
enabled = true
norway_url = "{norway_url}"
finland_url = "{finland_url}"
[freshness]
event_warn_business_hours = 100000
event_error_business_hours = 100000
{more}
"""


@dataclass(frozen=True)
class Day:
    """A practice server on one of the company's days. `environment`: of a night that asks it.

    `ahead`: of this machine's clock, seconds. Nights of the day have the day's clock, or the cursors of the first one
    would be past all that happens on the second.
    """

    told: dict[str, Any]
    drop: Path
    folder: Path
    ahead: float

    def environment(self, data: Path, more: str = SHORT) -> dict[str, str]:
        path = self.folder / f"salesops-{abs(hash(more))}.toml"
        path.write_text(CONFIGURATION.format(**self.told, drop=self.drop, more=more))
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SALESOPS_", "HUBSPOT_", "DAGSTER_"))}
        told = {"SALESOPS_CONFIG": str(path), "SALESOPS_DATA": str(data), "HUBSPOT_ACCESS_TOKEN": self.told["token"]}
        return kept | told | {"COLUMNS": "200"}


@contextmanager
def days(folder: Path, size: str = "tiny", apart: int = 14) -> Iterator[tuple[Day, Day]]:
    """The company on a day and `apart` days later, each served until the block ends."""
    earlier, later = folder / "earlier", folder / "later"
    _sandbox("tick", earlier, "--size", size, "--seed", "11", "--end", FIRST_DAY.isoformat(), "--days", "1")
    shutil.copytree(earlier, later)
    _sandbox("tick", later, "--days", str(apart))
    with _serving(earlier) as one, _serving(later) as other:
        yield one, other


def _sandbox(command: str, state: Path, *options: str) -> None:
    state.mkdir(parents=True, exist_ok=True)
    told = [sys.executable, "-m", "sandbox", command, "--state", str(state), *options]
    subprocess.run(told, cwd=ROOT, env=_plain(), check=True, stdout=subprocess.DEVNULL)


@contextmanager
def _serving(state: Path) -> Iterator[Day]:
    drop = state / "drop"
    told = [sys.executable, "-m", "sandbox", "serve", "--state", str(state), "--drop", str(drop)]
    told += ["--parent-pid", str(os.getpid())]
    said = (state / "server.log").open("w")  # readers that are killed are no news
    process = subprocess.Popen(told, cwd=ROOT, env=_plain(), stdout=subprocess.PIPE, stderr=said, text=True)
    said.close()
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        ahead = datetime.fromisoformat(told["now"]) - datetime.now(UTC)
        yield Day(told, drop, state, ahead.total_seconds())
    finally:
        process.terminate()
        process.wait(10)


def _plain() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}


def set_clock(ahead: float) -> None:
    """Nights of this process have a clock that is `ahead` of the machine's, and so has the CRM that they ask."""
    from salesops import night as nights
    from salesops.clock import Clock

    nights.Clock = functools.partial(Clock, timedelta(seconds=ahead))  # type: ignore[assignment,misc]
    nights.CLOCKS_APART = timedelta.max


def nightly(day: Day, data: Path, more: str = SHORT) -> subprocess.Popen[str]:
    """`salesops nightly` as a person starts it, with every model and check, on the day's clock."""
    environment = {name: value for name, value in day.environment(data, more).items() if name != "LD_PRELOAD"}
    with_clock = f"from tests.torture import company; company.set_clock({day.ahead})"
    told = [sys.executable, "-c", f"{with_clock}; from salesops.cli import app; app()", "nightly"]
    told += ["--as-of", day.told["now"]]
    pipe = subprocess.PIPE
    return subprocess.Popen(told, env=environment, cwd=ROOT, stdout=pipe, stderr=subprocess.STDOUT, text=True)


@dataclass
class Nights:
    """Dagster, dbt and the parsed project, held by the process that forks the nights."""

    scratch: Path

    def __post_init__(self) -> None:
        import dagster as dg
        import dbt.cli.main  # noqa: F401

        import dagster_project.storage  # noqa: F401
        from dagster_project import definitions, transform
        from salesops import night as nights
        from salesops.layout import DataDirectory

        os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
        data = DataDirectory(self.scratch / "parsed")
        nights.set_environment(data)
        project = transform.parse_project(data)
        content = dict(project.content)
        wanted, open_ones = set(), list(KEPT)
        while open_ones:
            name = open_ones.pop()
            if name in content["nodes"] and name not in wanted:
                wanted.add(name)
                open_ones += content["nodes"][name]["depends_on"].get("nodes", [])
        content["nodes"] = {name: node for name, node in content["nodes"].items() if name in wanted}
        for graph in ("child_map", "parent_map"):
            rest = wanted | content["sources"].keys()
            content[graph] = {n: [m for m in near if m in rest] for n, near in content[graph].items() if n in rest}
        held = project.manifest  # all else would be compiled in every night
        held.nodes = {name: node for name, node in held.nodes.items() if name in wanted}
        held.unit_tests, held.exposures = {}, {}
        self.project = transform.Project(held, content)
        self.selected = sorted(name.rpartition(".")[2] for name in wanted)
        stages = dg.AssetKey(["pipeline", "stages"])

        def build_checks(_: Any) -> dg.AssetChecksDefinition:
            specs = [dg.AssetCheckSpec("is_there", asset=stages, blocking=True)]

            @dg.multi_asset_check(name="gates", specs=specs, required_resource_keys={"night"})
            def gates(context):  # type: ignore[no-untyped-def]
                context.resources.night.gates_ran = True
                yield dg.AssetCheckResult(passed=True, asset_key=stages, check_name="is_there")

            return gates

        real_dbt = transform.run_dbt

        def run_dbt(night: Any, manifest: Any, command: list[str]) -> list[Any]:
            chosen = ["build", "--quiet", "--exclude-resource-type", "unit_test", "test", "--select", *self.selected]
            return real_dbt(night, manifest, chosen if command[0] == "build" else command)

        definitions.parse_project = lambda data: self.project  # type: ignore[assignment]
        definitions.build_checks = build_checks  # type: ignore[assignment]
        transform.run_dbt = run_dbt  # type: ignore[assignment]

    def warm(self, day: Day, data: Path) -> None:
        """A first night in a child; what it had to import, its successors will find imported."""

        def imported() -> list[str]:
            code, failures = self.run(day, data)
            assert code == 0, failures
            return sorted(sys.modules)

        for name in in_child(imported).or_raise():
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        gc.collect()
        gc.freeze()  # a child need not look through what its parent holds, which copies it

    def run(self, day: Day, data: Path) -> tuple[int, list[str]]:
        """A short night in this very process, a forked one: exit code and what failed. Errors of its opening go up."""
        from salesops import night as nights

        os.environ.clear()
        os.environ.update(day.environment(data))
        tempfile.tempdir = None
        set_clock(day.ahead)
        with nights.opened(os.environ, as_of=day.told["now"]) as night:
            outcome = nights.run(night)
            return outcome.exit_code, outcome.failures

    def unbroken(self, day: Day, data: Path) -> str:
        """An ordinary run in a child of its own; what was wrong with it, or nothing."""
        ended = in_child(lambda: self.run(day, data))
        if ended.error or ended.signal:
            return ended.error.strip().splitlines()[-1] if ended.error else f"signal {ended.signal}"
        code, failures = ended.value
        return "" if code == 0 else f"exit code {code}: {failures[:3]}"


# When our extract held it: a night that was broken and run again held it a moment later.
LANDED_THEN = ("batch_id", "landed_at", "run_id", "known_from", "first_seen_at", "accepted_at")
OF_THE_RUN = {
    "raw.batches", "raw.sync_state", "raw.settings_objects", "meta.publication", "meta.check_results",
    "meta.dictionary", "meta.data_status",
}  # fmt: skip


def contents(data: Path) -> dict[str, str]:
    """Digest of each raw table, each table of the marts, and what the Parquet pointer names: rows in any order."""
    found = {}
    with duckdb.connect(str(data / "warehouse.duckdb")) as connection:
        found |= _digests(connection, "raw") | _digests(connection, "staging")
    with duckdb.connect(str(data / "published" / "marts.duckdb"), read_only=True) as connection:
        for schema in ("pipeline", "kpi", "meta"):
            found |= _digests(connection, schema)
        (name,) = connection.execute("select publication_id from meta.publication").fetchone()  # type: ignore[misc]
    pointed = (data / "published" / "parquet" / "CURRENT").read_text().strip()
    found["parquet pointer"] = "" if pointed == name else f"{pointed} is not {name}"
    return found


def _digests(connection: duckdb.DuckDBPyConnection, schema: str) -> dict[str, str]:
    connection.execute("set timezone = 'UTC'")
    query = "select table_name from duckdb_tables() where schema_name = ? and not internal order by 1"
    digests = {}
    for (table,) in connection.execute(query, [schema]).fetchall():
        name = f"{schema}.{table}"
        if name in OF_THE_RUN:
            continue
        columns = [row[0] for row in connection.execute(f'describe {schema}."{table}"').fetchall()]
        told = [f'"{column}"' for column in columns if column not in LANDED_THEN]
        if {"version_at", "landed_at"} <= set(columns):  # the vendor gave no stamp: it has that of its landing
            told.remove('"version_at"')
            no_stamp = (
                "true" if "registries__" in name else "version_at = landed_at"
            )  # there it is the night's beginning
            told.append(f"case when {no_stamp} then null else version_at end")
        rows = f'select md5(cast(row({", ".join(told)}) as varchar)) as line from {schema}."{table}"'
        if name == "raw.quarantine":  # a file that a broken night could not read at all is a line of that night
            rows += " where row_number is not null"
        count, mark = connection.execute(
            f"select count(*), md5(string_agg(line, '' order by line)) from ({rows})"
        ).fetchone()  # type: ignore[misc]
        digests[name] = f"{count} rows {mark}" if count else ""
    return digests


def differing(found: dict[str, str], wanted: dict[str, str]) -> str:
    names = [name for name in sorted(found.keys() | wanted.keys()) if found.get(name, "") != wanted.get(name, "")]
    return f"differs in {', '.join(names[:8])}" if names else ""
