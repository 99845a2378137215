"""`make test-spark`: what DuckDB builds of a finished night, Spark builds too, row for row.

Raw landing -> Parquet -> the whole dbt project on a local Spark session, unit tests and the project's own data tests
included -> every table of pipeline, kpi and meta compared with DuckDB's by its key. No column is excepted. Ends with 1
when a model or test fails on Spark or a table differs. Not part of `make test`, since the gate has no room for it.

Usage: python -m tests.spark.run [data directory of a finished night; without one, a small practice company lives one]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
import yaml

from salesops import night
from salesops.layout import DataDirectory
from tests.spark.comparison import compare

ROOT = Path(__file__).parents[2]
PUBLISHED = ("pipeline", "kpi", "meta")
# dbt's own generic tests say nothing new of tables that are equal to DuckDB's, and take as long as the models
BUILD = ["build", "--quiet", "--exclude", "test_type:generic"]


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="salesops-spark-") as folder:
        scratch = Path(folder)
        data = DataDirectory(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else practice_night(scratch))
        started = time.monotonic()
        tables = export_raw(data, scratch / "raw")
        say(started, f"{len(tables)} raw tables exported")
        variables = json.dumps(night.without_sources(os.environ | {"SALESOPS_DATA": str(data.root)}).dbt_vars())
        build_on_duckdb(data, scratch, variables)
        say(started, "built on DuckDB")
        failures = build_on_spark(scratch, variables, tables)
        say(started, f"built on Spark, {len(failures)} failures")
        differences = compare_tables(scratch)
        say(started, f"compared, {len(differences)} differences")
    failures += differences
    print(*failures, sep="\n")
    return int(bool(failures))


def say(started: float, what: str) -> None:
    print(f"{time.monotonic() - started:6.0f} s  {what}", flush=True)


def practice_night(scratch: Path) -> Path:
    configuration, data = scratch / "salesops.toml", scratch / "data"
    configuration.write_text('[practice]\nsize = "small"\nseed = 11\n')
    os.environ |= {"SALESOPS_CONFIG": str(configuration), "SALESOPS_DATA": str(data)}
    subprocess.run([Path(sys.executable).with_name("salesops"), "nightly"], cwd=ROOT, check=True)
    return data


def export_raw(data: DataDirectory, target: Path) -> dict[str, Path]:
    """A folder of Parquet for each raw table. JSON goes out as plain text: Spark has no such type."""
    folders = {}
    with duckdb.connect(str(data.warehouse), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        for (table,) in connection.execute(
            "select table_name from duckdb_tables() where schema_name = 'raw'"
        ).fetchall():
            folders[table] = target / table
            folders[table].mkdir(parents=True)
            columns = connection.execute(f"describe raw.{table}").fetchall()
            listed = ", ".join(f"{n}::varchar as {n}" if kind == "JSON" else n for n, kind, *_ in columns)
            connection.execute(f"copy (select {listed} from raw.{table}) to '{folders[table]}/data.parquet'")
    return folders


def dbt_options(scratch: Path, target: str, variables: str) -> list[str]:
    project = ["--project-dir", str(ROOT / "dbt"), "--profiles-dir", str(ROOT / "dbt"), "--target", target]
    return [*project, "--target-path", str(scratch / target), "--log-path", str(scratch / target), "--vars", variables]


def build_on_duckdb(data: DataDirectory, scratch: Path, variables: str) -> None:
    """From a copy of the raw tables: the night's own files stay as they are."""
    with duckdb.connect(str(scratch / "warehouse.duckdb")) as connection:
        connection.execute(f"attach '{data.warehouse}' as night (read_only)")
        connection.execute("create schema raw")
        for (table,) in connection.execute(
            "select table_name from duckdb_tables() where database_name = 'night' and schema_name = 'raw'"
        ).fetchall():
            connection.execute(f"create table raw.{table} as from night.raw.{table}")
    files = {"SALESOPS_MARTS": "marts.duckdb", "SALESOPS_WAREHOUSE": "warehouse.duckdb"}
    environment = os.environ | {name: str(scratch / file) for name, file in files.items()}
    command = [Path(sys.executable).with_name("dbt"), *BUILD, "--exclude-resource-type", "unit_test"]
    subprocess.run([*command, *dbt_options(scratch, "dev", variables)], env=environment, cwd=ROOT / "dbt", check=True)


def build_on_spark(scratch: Path, variables: str, raw: dict[str, Path]) -> list[str]:
    """In this process: the session's catalog, and so the tables, live no longer than it does. What failed."""
    from dbt.cli.main import dbtRunner
    from pyspark.sql import SparkSession

    os.environ["SALESOPS_SPARK"] = str(scratch / "tables")
    profile = yaml.safe_load((ROOT / "dbt" / "profiles.yml").read_text())["salesops"]["outputs"]["spark"]
    settings = profile["server_side_parameters"] | {"spark.sql.warehouse.dir": os.environ["SALESOPS_SPARK"]}
    session = SparkSession.builder.config(map=settings).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    session.sql("create schema raw")
    for table, folder in raw.items():
        session.sql(f"create table raw.{table} using parquet location '{folder}'")
    os.chdir(ROOT / "dbt")
    done = dbtRunner().invoke([*BUILD, *dbt_options(scratch, "spark", variables)])
    results: list[Any] = list(getattr(done.result, "results", []))
    if not results:
        return [f"dbt did not run on Spark: {done.exception}"]
    failures = [f"{r.node.name}: {r.message}" for r in results if str(r.status) not in ("success", "pass", "warn")]
    models = [r.node for r in results if r.node.resource_type == "model" and str(r.status) == "success"]
    for view in (node for node in models if node.config.materialized == "view"):
        session.table(f"{view.schema}.{view.name}").write.parquet(str(parquet_of(scratch, view.schema, view.name)))
    kinds = [str(r.node.resource_type) for r in results]
    print("         " + ", ".join(f"{kinds.count(kind)} {kind}s" for kind in sorted(set(kinds))))
    return failures


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
