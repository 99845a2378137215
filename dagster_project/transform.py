"""The dbt project as assets, built in one step by dbt in this very process.

The manifest object is given to dbt, so that a night's own variables cost no parse (engineering notes, section 6), and
its connections are closed before anything else opens the files.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets
from dagster_dbt.asset_utils import get_asset_check_key_for_test

from dagster_project.ingest import OWNER
from dagster_project.resources import night_of
from salesops.layout import DataDirectory
from salesops.night import DBT, Night, dbt_arguments

BUILT = ("model", "seed", "snapshot")
PREVIEW_ROWS, PREVIEW_COLUMNS = 5, 12
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
        return str(dbt_resource_props.get("description") or "")

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        return [OWNER]

    def get_tags(self, dbt_resource_props: Mapping[str, Any]) -> dict[str, str]:
        return {}

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> dg.AssetSpec:
        policy = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=30))
        spec = super().get_asset_spec(manifest, unique_id, project)
        return spec.replace_attributes(freshness_policy=policy, kinds={"dbt", "duckdb"})


TRANSLATOR = Translator(DagsterDbtTranslatorSettings(enable_asset_checks=True))


def parse_project(data: DataDirectory) -> Project:
    """Parse, or reuse the last parse. Without a night's variables: they would force a full parse every night."""
    from dbt.cli.main import dbtRunner

    target = data.dbt / "target"
    arguments = ["parse", "--quiet", "--project-dir", str(DBT), "--profiles-dir", str(DBT)]
    with _in_project():
        done = dbtRunner().invoke([*arguments, "--target-path", str(target), "--log-path", str(data.dbt / "logs")])
    close_connections()
    if not done.success:
        raise dg.Failure(f"the dbt project does not parse: {done.exception}")
    return Project(done.result, json.loads((target / "manifest.json").read_text()))


def build_transform(project: Project) -> dg.AssetsDefinition:
    @dbt_assets(
        manifest=project.content,
        dagster_dbt_translator=TRANSLATOR,
        name="dbt",
        required_resource_keys={"night"},
    )
    def dbt_models(context: dg.AssetExecutionContext) -> Iterator[Any]:
        night = night_of(context)
        night.say("Building the marts ...")
        results = run_dbt(night, project.manifest, ["build", "--quiet", "--exclude-resource-type", "unit_test"])
        tables = _look_at_tables(night)
        failures = []
        for result in results:
            yield from _events(project.content, result, tables, night, context.selected_asset_check_keys)
            if result.status in ("error", "fail"):
                failures.append(f"{result.node.name}: {result.message}")
        if failures or not results:
            raise dg.Failure("; ".join(failures[:5]) or "dbt built nothing", allow_retries=False)

    return dbt_models


def run_dbt(night: Night, manifest: Any, command: list[str]) -> list[Any]:
    """One dbt command on a fresh build file. Afterwards no connection of dbt is left. Returns its node results."""
    from dbt.cli.main import dbtRunner

    for leftover in night.data.marts.parent.glob("marts.duckdb*"):
        leftover.unlink()
    try:
        with _in_project():
            done = dbtRunner(manifest=manifest).invoke([*command, *dbt_arguments(night)])
    finally:
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


def _events(
    content: dict[str, Any],
    result: Any,
    tables: dict[tuple[str, str], dict[str, Any]],
    night: Night,
    shown: AbstractSet[dg.AssetCheckKey],
) -> Iterator[Any]:
    node = content["nodes"].get(result.node.unique_id)
    if node is None:
        return
    if node["resource_type"] in BUILT and result.status == "success":
        metadata: dict[str, Any] = {"seconds": round(result.execution_time, 3)}
        metadata |= tables.get((node["schema"], node["name"]), {})
        yield dg.MaterializeResult(asset_key=TRANSLATOR.get_asset_key(node), metadata=metadata)
    elif node["resource_type"] == "test":
        yield from _test_event(content, node, result, night, shown)


def _test_event(
    content: dict[str, Any], node: dict[str, Any], result: Any, night: Night, shown: AbstractSet[dg.AssetCheckKey]
) -> Iterator[Any]:
    """Of a test on an ephemeral model, which is no asset, only the night's own list knows."""
    status = str(result.status)
    passed, is_warning = status == "pass", status == "warn"
    state = "passed" if passed else "warned" if is_warning else "failed"
    reason = "" if passed else str(result.message or status)
    key = get_asset_check_key_for_test(content, TRANSLATOR, node["unique_id"], project=None)
    night.note("/".join(key.asset_key.path) if key else "dbt", node["name"], state, reason, not is_warning)
    if key in shown:
        severity = dg.AssetCheckSeverity.WARN if is_warning else dg.AssetCheckSeverity.ERROR
        yield dg.AssetCheckResult(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=passed,
            severity=severity,
            metadata={"status": status, "failing_rows": result.failures or 0, "reason": reason},
        )


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
