"""The dbt project as assets, built in one step by dbt in this very process.

The manifest object is given to dbt, so that a night's own variables cost no parse (engineering notes, section 6), and
its connections are closed before anything else opens the files.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, build_dbt_asset_specs
from dagster_dbt.asset_utils import get_asset_check_key_for_test

from dagster_project.ingest import OWNER
from dagster_project.resources import night_of
from salesops import freshness
from salesops.layout import DataDirectory
from salesops.night import DBT, Night, dbt_arguments, without_silent_crms

TESTS = "dbt_tests"
BUILT = ("model", "seed", "snapshot")
PREVIEW_ROWS, PREVIEW_COLUMNS = 5, 12
WORST = 5
PLAIN_ENDINGS = ("_key", "_id", "_grain", "_state", "_kind", "_rule")  # text that names no person
PLAIN = {"source", "object", "state", "stage", "pipeline", "dimension", "currency", "country", "team", "segment"}


@dataclass(frozen=True)
class Project:
    """The parsed dbt project: the object that dbt reuses, and the same as plain data for everyone else."""

    manifest: Any
    content: dict[str, Any]


class Translator(DagsterDbtTranslator):
    """Asset keys are table names; groups are schemas. Sources join the raw assets by key, with no more wiring."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        return dg.AssetKey(list(_key_parts(dbt_resource_props)))

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        schema = _key_parts(dbt_resource_props)[0]
        return "publish" if schema == "meta" else schema

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """What the YAML says, else the comment that every model opens with: its grain."""
        opening = re.match(
            r"(?:\s*\{\{.*?\}\}\s*)?((?:--[^\n]*\n)+)", dbt_resource_props.get("raw_code") or "", re.DOTALL
        )
        comment = re.sub(r"^-- ?", "", opening.group(1), flags=re.MULTILINE).strip() if opening else ""
        return str(dbt_resource_props.get("description") or comment[:1].upper() + comment[1:])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        return [OWNER]

    def get_tags(self, dbt_resource_props: Mapping[str, Any]) -> dict[str, str]:
        return {}

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> dg.AssetSpec:
        policy = dg.FreshnessPolicy.time_window(fail_window=freshness.LATE)
        spec = super().get_asset_spec(manifest, unique_id, project)
        return spec.replace_attributes(freshness_policy=policy, kinds={"dbt", "duckdb"})


TRANSLATOR = Translator(DagsterDbtTranslatorSettings(enable_asset_checks=False))


def parse_project(data: DataDirectory) -> Project:
    """Parse, or reuse the last parse. Without a night's variables and without the paths of its databases, which parsing
    does not open: any of them, changed, would force a full parse, and a copied data directory would pay it again.

    One process at a time: the web page and its daemon load the project at the same moment, from the same folder.
    """
    from dbt.cli.main import dbtRunner

    target = data.dbt / "target"
    target.mkdir(parents=True, exist_ok=True)
    arguments = ["parse", "--quiet", "--project-dir", str(DBT), "--profiles-dir", str(DBT)]
    with (data.dbt / "parse.lock").open("w") as lock, _in_project(), _without("SALESOPS_MARTS", "SALESOPS_WAREHOUSE"):
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = dbtRunner().invoke([*arguments, "--target-path", str(target), "--log-path", str(data.dbt / "logs")])
        close_connections()
        if not done.success:
            raise dg.Failure(f"the dbt project does not parse: {done.exception}")
        return Project(done.result, json.loads((target / "manifest.json").read_text()))


def build_transform(project: Project) -> dg.AssetsDefinition:
    """One step for the whole dbt project. A table's tests are one check: an event for each of several hundred tests
    costs more than the tests do (bench/night.py); meta.check_results has them one by one."""
    specs = build_dbt_asset_specs(manifest=project.content, dagster_dbt_translator=TRANSLATOR)
    guarded = _guarded_tables(project, {spec.key for spec in specs})
    text = "Every dbt test of the table: keys, references, accepted values, identities"
    checks = [dg.AssetCheckSpec(TESTS, asset=key, blocking=True, description=text) for key in set(guarded.values())]

    @dg.multi_asset(name="dbt", specs=specs, check_specs=checks, required_resource_keys={"night"})
    def dbt_models(context: dg.AssetExecutionContext) -> Iterator[Any]:
        night = night_of(context)
        night.say("Building the marts ...")
        command = ["build", "--quiet", "--exclude-resource-type", "unit_test", *without_silent_crms(night)]
        results = run_dbt(night, project.manifest, command)
        yield from _materializations(project.content, results, _look_at_tables(night))
        yield from _check_results(results, guarded, night)
        failures = [f"{r.node.name}: {r.message}" for r in results if r.status in ("error", "fail")]
        if failures or not results:
            skipped = sum(r.status == "skipped" for r in results)
            reason = "; ".join(failures[:5]) or "dbt built nothing"
            raise dg.Failure(f"{reason} ({skipped} tables and tests behind it were left out)", allow_retries=False)

    return dbt_models


def run_dbt(night: Night, manifest: Any, command: list[str]) -> list[Any]:
    """One dbt command on a fresh build file. Afterwards no connection of dbt is left. Returns its node results."""
    from dbt.cli.main import dbtRunner

    for leftover in night.data.marts.parent.glob("marts.duckdb*"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()  # a folder: what a killed night had spilled
    if not night.looks_back:
        os.environ["SALESOPS_MATCHING"] = str(night.data.matching)
    try:
        with _in_project():
            done = dbtRunner(manifest=manifest).invoke([*command, *dbt_arguments(night)])
    finally:
        os.environ.pop("SALESOPS_MATCHING", None)
        close_connections()
    if done.result is None:
        raise dg.Failure(f"dbt did not run: {done.exception}", allow_retries=False)
    return list(done.result.results)


def close_connections() -> None:
    """dbt keeps the files open after it returns; nobody else could open them."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    DuckDBConnectionManager.close_all_connections()


def gated_tables(project: Project) -> set[dg.AssetKey]:
    """Every model of the published schemas: publication waits for each of them and for its blocking checks."""
    nodes = project.content["nodes"].values()
    keys = (_key_parts(node) for node in nodes if node["resource_type"] == "model" and _is_table(node))
    return {dg.AssetKey(list(key)) for key in keys if key[0] in ("pipeline", "kpi", "meta")}


def units(project: Project) -> dict[tuple[str, str, str], str]:
    """(schema, table, column) -> unit, from the `meta` of the columns."""
    found = {}
    for node in project.content["nodes"].values():
        for name, column in node.get("columns", {}).items():
            meta = column.get("meta") or column.get("config", {}).get("meta") or {}
            if unit := meta.get("unit"):
                found[node["schema"], node["name"], name] = str(unit)
    return found


def _key_parts(node: Mapping[str, Any]) -> tuple[str, str]:
    if node["resource_type"] == "source":
        return node["schema"], node["identifier"]
    return node["schema"], node["name"]


def _is_table(node: Mapping[str, Any]) -> bool:
    return bool(node["config"].get("materialized") != "ephemeral")


def _guarded_tables(project: Project, tables: AbstractSet[dg.AssetKey]) -> dict[str, dg.AssetKey]:
    """Test -> the table whose check it is part of. Tests of ephemeral models, which are no assets, are left out."""
    found = {}
    for name, node in project.content["nodes"].items():
        if node["resource_type"] == "test":
            key = get_asset_check_key_for_test(project.content, TRANSLATOR, name, project=None)
            if key is not None and key.asset_key in tables:
                found[name] = key.asset_key
    return found


def _materializations(
    content: dict[str, Any], results: list[Any], tables: dict[tuple[str, str], dict[str, Any]]
) -> Iterator[dg.MaterializeResult[Any]]:
    for result in results:
        node = content["nodes"].get(result.node.unique_id)
        if node is not None and node["resource_type"] in BUILT and result.status == "success":
            metadata: dict[str, Any] = {"seconds": round(result.execution_time, 3)}
            metadata |= tables.get((node["schema"], node["name"]), {})
            yield dg.MaterializeResult(asset_key=TRANSLATOR.get_asset_key(node), metadata=metadata)


def _check_results(
    results: list[Any], guarded: Mapping[str, dg.AssetKey], night: Night
) -> Iterator[dg.AssetCheckResult]:
    """Every test noted for meta.check_results, and one result for each table with all of its tests listed."""
    rows: dict[dg.AssetKey, list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        if result.node.resource_type != "test" or result.status == "skipped":
            continue
        status = str(result.status)
        state = {"pass": "passed", "warn": "warned"}.get(status, "failed")
        reason = "" if status == "pass" else str(result.message or status)
        if result.failures and status != "pass":
            reason = f"{result.failures} row{'s break' if result.failures > 1 else ' breaks'} it"
        key = guarded.get(result.node.unique_id)
        is_blocking = str(result.node.config.severity).lower() != "warn"
        worst = [] if status == "pass" or not result.failures else _offenders(night, result.node.compiled_code)
        night.note("/".join(key.path) if key else "dbt", result.node.name, state, reason, is_blocking, worst)
        if key is not None:
            row = {"state": state, "test": result.node.name, "failing_rows": result.failures or 0, "reason": reason}
            rows[key].append(row | {"worst_offenders": "; ".join(worst)})
    for key, tests in rows.items():
        tests.sort(key=lambda row: (row["state"] == "passed", row["test"]))
        states = [row["state"] for row in tests]
        yield dg.AssetCheckResult(
            asset_key=key,
            check_name=TESTS,
            passed=states.count("passed") == len(states),
            severity=dg.AssetCheckSeverity.ERROR if "failed" in states else dg.AssetCheckSeverity.WARN,
            description="; ".join(f"{row['test']}: {row['reason']}" for row in tests if row["state"] != "passed"),
            metadata={
                "tests": len(tests),
                "failed": states.count("failed"),
                "results": dg.MetadataValue.table([dg.TableRecord(row) for row in tests]),
            },
        )


def _offenders(night: Night, query: str) -> list[str]:
    """The first rows that a failed test returns, for the summary and the page."""
    import duckdb

    with duckdb.connect(str(night.data.marts)) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(
            f"attach '{str(night.data.warehouse).replace(chr(39), chr(39) * 2)}' as warehouse (read_only)"
        )
        cursor = connection.execute(query)
        names = [column[0] for column in cursor.description or []]
        return [", ".join(f"{n} {v}" for n, v in zip(names, row, strict=True)) for row in cursor.fetchmany(WORST)]


def _look_at_tables(night: Night) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows and a preview of every table that dbt made, read in connections of our own."""
    import duckdb

    found: dict[tuple[str, str], dict[str, Any]] = {}
    for path in (night.data.warehouse, night.data.marts):
        if not path.exists():
            continue
        with duckdb.connect(str(path)) as connection:
            tables = connection.execute(
                """select schema_name, table_name, estimated_size from duckdb_tables()
                where schema_name <> 'raw' and not internal"""
            ).fetchall()
            for schema, table, rows in tables:
                found[schema, table] = {"rows": rows, "preview": _preview(connection, schema, table)}
    return found


def _preview(connection: Any, schema: str, table: str) -> dg.MetadataValue:
    """Five rows without free text: run history is no place for names, addresses and notes of people."""
    described = connection.execute(f'describe {schema}."{table}"').fetchall()
    names = [name for name, kind, *_ in described if kind != "VARCHAR" or name.endswith(PLAIN_ENDINGS) or name in PLAIN]
    names = names[:PREVIEW_COLUMNS]
    if not names:
        return dg.MetadataValue.text("no column without free text")
    listed = ", ".join(f'"{name}"' for name in names)
    rows = connection.execute(f'select {listed} from {schema}."{table}" limit {PREVIEW_ROWS}').fetchall()
    records = [
        dg.TableRecord({n: "" if v is None else str(v) for n, v in zip(names, row, strict=True)}) for row in rows
    ]
    return dg.MetadataValue.table(records, dg.TableSchema([dg.TableColumn(name) for name in names]))


@contextlib.contextmanager
def _in_project() -> Iterator[None]:
    """dbt looks for some files from the current folder, whatever --project-dir says."""
    before = Path.cwd()
    os.chdir(DBT)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _without(*names: str) -> Iterator[None]:
    """The environment without these variables: dbt falls back to what its profile names."""
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
