"""`make test-spark`: what DuckDB builds of a finished night, Spark builds too, row for row.

Raw landing -> Parquet -> the whole dbt project on a local Spark session, unit tests and the project's own data tests
included -> every table of pipeline, kpi and meta compared with DuckDB's by its key. No column is excepted. Ends with 1
when a model or test fails on Spark or a table differs. Not part of `make test`, since the gate has no room for it.

Usage: python -m tests.spark.run [data directory of a finished night; without one, a small practice company lives one]
  --company seed   a random small company of tests/whole instead: other states, no unit tests
  --keep folder    everything stays there: both engines' tables, dbt's logs, each model's seconds
  --select models  only these, on both engines, upon what an earlier run kept: to mend one model
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import duckdb
import yaml

from ingestion import landing
from salesops import night
from salesops.layout import DataDirectory
from tests.spark.comparison import compare
from tests.whole.companies import anyones
from tests.whole.project import AS_OF, LATER, land

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[2]
PUBLISHED = ("pipeline", "kpi", "meta")
PYTHON_MODELS = (
    *(("matching", "int_matching__matches"), ("matching", "int_matching__enriched_matches")),
    *(("forecasts", "int_kpi__forecasts"), ("signals", "int_signals__verdicts")),
)
# dbt's own generic tests say nothing new of tables that are equal to DuckDB's, and take as long as the models
BUILD = ["build", "--quiet", "--exclude", "test_type:generic"]
NO_UNIT_TESTS = ["--exclude-resource-type", "unit_test"]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--company", type=int)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--select", nargs="+")
    options = parser.parse_args()
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        return compare_engines(options.keep.resolve(), options.data, options.company, options.select)
    with tempfile.TemporaryDirectory(prefix="salesops-spark-") as folder:
        return compare_engines(Path(folder), options.data, options.company, options.select)


def compare_engines(scratch: Path, night_root: Path | None, seed: int | None, select: list[str] | None) -> int:
    started = time.monotonic()
    data = DataDirectory(night_root.resolve() if night_root else scratch / "data")
    if seed is None:
        if not night_root:
            live_practice_night(scratch, data)
        variables = json.dumps(night.without_sources(os.environ | {"SALESOPS_DATA": str(data.root)}).dbt_vars())
    else:
        variables = json.dumps(land_any_company(data, seed))
    if not select:
        say(started, f"{export_raw(data, scratch)} raw tables exported")
    build_on_duckdb(scratch, variables, select)
    say(started, "built on DuckDB")
    failures = build_on_spark(scratch, variables, select, with_unit_tests=seed is None)
    say(started, f"built on Spark, {len(failures)} failures")
    differences = compare_tables(scratch)
    say(started, f"compared, {len(differences)} differences")
    failures += differences
    print(*failures, sep="\n")
    return int(bool(failures))


def say(started: float, what: str) -> None:
    print(f"{time.monotonic() - started:6.0f} s  {what}", flush=True)


def live_practice_night(scratch: Path, data: DataDirectory) -> None:
    configuration = scratch / "salesops.toml"
    configuration.write_text('[practice]\nsize = "small"\nseed = 11\n')
    os.environ |= {"SALESOPS_CONFIG": str(configuration), "SALESOPS_DATA": str(data.root)}
    if not data.warehouse.exists():
        subprocess.run([Path(sys.executable).with_name("salesops"), "nightly"], cwd=ROOT, check=True)


def land_any_company(data: DataDirectory, seed: int) -> dict[str, Any]:
    """What the practice company has not: currencies and their rates, nights on which much was learnt late, another
    fiscal year. The variables to build it with."""
    if not data.warehouse.exists():
        data.root.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(str(data.warehouse)) as connection:
            connection.execute("set timezone = 'UTC'")
            landing.prepare(connection)
            land(connection, anyones(seed, deals=60), [AS_OF - timedelta(days=31), AS_OF, LATER])
    return {"as_of": AS_OF.isoformat(), "known_as_of": LATER.isoformat(), "fiscal_year_start_month": 5}


def export_raw(data: DataDirectory, scratch: Path) -> int:
    """A copy of the raw tables for either engine, since the night's own files stay as they are. How many they are.

    JSON goes out to Parquet as plain text: Spark has no such type.
    """
    with duckdb.connect(str(scratch / "warehouse.duckdb")) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"attach '{data.warehouse}' as night (read_only)")
        connection.execute("create schema raw")
        tables = connection.execute(
            "select table_name from duckdb_tables() where database_name = 'night' and schema_name = 'raw'"
        ).fetchall()
        for (table,) in tables:
            connection.execute(f"create table raw.{table} as from night.raw.{table}")
            folder = parquet_of(scratch, "raw", table)
            folder.mkdir(parents=True)
            columns = connection.execute(f"describe raw.{table}").fetchall()
            listed = ", ".join(f"{n}::varchar as {n}" if kind == "JSON" else n for n, kind, *_ in columns)
            connection.execute(f"copy (select {listed} from raw.{table}) to '{folder}/data.parquet'")
    return len(tables)


def dbt_options(scratch: Path, target: str, variables: str) -> list[str]:
    project = ["--project-dir", str(ROOT / "dbt"), "--profiles-dir", str(ROOT / "dbt"), "--target", target]
    return [*project, "--target-path", str(scratch / target), "--log-path", str(scratch / target), "--vars", variables]


def build_on_duckdb(scratch: Path, variables: str, select: list[str] | None) -> None:
    files = {"SALESOPS_MARTS": "marts.duckdb", "SALESOPS_WAREHOUSE": "warehouse.duckdb"}
    environment = os.environ | {name: str(scratch / file) for name, file in files.items()}
    command = [Path(sys.executable).with_name("dbt"), *BUILD, *NO_UNIT_TESTS]
    command += ["--select", *select] if select else []
    subprocess.run([*command, *dbt_options(scratch, "dev", variables)], env=environment, cwd=ROOT / "dbt", check=True)
    # Spark runs no Python model: it is given what the engine found
    with duckdb.connect(str(scratch / "warehouse.duckdb"), read_only=True) as connection:
        for schema, model in PYTHON_MODELS:
            found = parquet_of(scratch, schema, model)
            found.mkdir(parents=True, exist_ok=True)
            connection.execute(f"copy {schema}.{model} to '{found}/data.parquet'")


def build_on_spark(scratch: Path, variables: str, select: list[str] | None, with_unit_tests: bool) -> list[str]:
    """In this process: the session's catalog lives no longer than it does. What failed."""
    from dbt.cli.main import dbtRunner
    from pyspark.sql import SparkSession

    os.environ["SALESOPS_SPARK"] = str(scratch / "tables")
    profile = yaml.safe_load((ROOT / "dbt" / "profiles.yml").read_text())["salesops"]["outputs"]["spark"]
    settings = profile["server_side_parameters"] | {"spark.sql.warehouse.dir": os.environ["SALESOPS_SPARK"]}
    session = SparkSession.builder.config(map=settings).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    os.chdir(ROOT / "dbt")
    options = dbt_options(scratch, "spark", variables)
    anew: set[str] = set()
    if select:
        kinds = ["--resource-type", "model", "--resource-type", "seed"]
        listed = dbtRunner().invoke(["ls", "--quiet", "--output", "name", *kinds, "--select", *select, *options])
        anew = set(cast(list[str], listed.result))
    anew |= register_tables(session, scratch, anew)
    build = BUILD if with_unit_tests else [*BUILD, *NO_UNIT_TESTS]
    done = dbtRunner().invoke([*build, *(["--select", *select, *sorted(anew)] if select else []), *options])
    results: list[Any] = list(getattr(done.result, "results", []))
    if not results:
        return [f"dbt did not run on Spark: {done.exception}"]
    failed = [r for r in results if str(r.status) not in ("success", "pass", "warn")]
    failures = [f"{r.node.name}: {r.message or r.status}" for r in failed]
    models = [r.node for r in results if r.node.resource_type == "model" and str(r.status) == "success"]
    for view in (node for node in models if node.config.materialized == "view"):
        session.table(f"{view.schema}.{view.name}").write.parquet(str(parquet_of(scratch, view.schema, view.name)))
    kinds = [str(r.node.resource_type) for r in results]
    print("         " + ", ".join(f"{kinds.count(kind)} {kind}s" for kind in sorted(set(kinds))))
    return failures


def register_tables(session: SparkSession, scratch: Path, anew: set[str]) -> set[str]:
    """What the folder holds: the raw tables, and of an earlier run all but what is built `anew`; returns more of those.

    A table without a row may have no file, and so no columns.
    """
    more = set()
    for folder in sorted((scratch / "tables").glob("*.db/*")):
        schema, table = folder.parent.stem, folder.name
        session.sql(f"create schema if not exists {schema}")
        if schema != "raw" and (table in anew or not any(folder.glob("*.parquet"))):
            shutil.rmtree(folder)
            more.add(table)
        else:
            session.sql(f"create table {schema}.{table} using parquet location '{folder}'")
    return more


def parquet_of(scratch: Path, schema: str, table: str) -> Path:
    return scratch / "tables" / f"{schema}.db" / table


def compare_tables(scratch: Path) -> list[str]:
    """One line for each published table, and the differences."""
    nodes = json.loads((scratch / "dev" / "manifest.json").read_text())["nodes"]
    keys: dict[str, list[str]] = {}
    for node in nodes.values():
        test = node.get("test_metadata") or {}
        if test.get("name") in ("unique", "unique_combination"):
            keys[node["attached_node"]] = test["kwargs"].get("columns") or [test["kwargs"]["column_name"]]
    failures = []
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"attach '{scratch / 'marts.duckdb'}' as marts (read_only)")
        connection.execute(f"attach '{scratch / 'warehouse.duckdb'}' as warehouse (read_only)")
        for name, node in sorted(nodes.items(), key=lambda item: (item[1]["schema"], item[1]["name"])):
            is_table = node["resource_type"] == "model" and node["config"]["materialized"] != "ephemeral"
            if not is_table or node["schema"] not in PUBLISHED:
                continue
            table = f"{node['schema']}.{node['name']}"
            files = parquet_of(scratch, node["schema"], node["name"])
            if not files.exists():
                failures.append(f"{table}: not built on Spark")
                continue
            found = compare(connection, f"marts.{table}", f"read_parquet('{files}/*.parquet')", keys[name])
            verdict = "differs" if found.differences else "equal"
            print(f"         {table:40} {found.rows:9,} rows  {verdict:8} worst {found.worst:.0e}")
            failures += [f"{table}: {difference}" for difference in found.differences]
    return failures


if __name__ == "__main__":
    sys.exit(main())
