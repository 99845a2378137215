"""The asset graph as Dagster loads it: complete, described, gated, scheduled."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from ingestion.objects import ALL_OBJECTS, HUBSPOT
from salesops.config import Settings, Sources
from salesops.layout import DataDirectory
from salesops.night import ROOT
from tests.conftest import parsed_once

GROUPS = {"raw", "staging", "crm", "matching", "pipeline", "rules", "forecasts", "sellers", "signals", "kpi", "publish"}

pytestmark = pytest.mark.dbt


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> DataDirectory:
    return DataDirectory(tmp_path_factory.mktemp("definitions"))


@pytest.fixture(scope="module")
def definitions(data):
    """What the web page loads, without a configuration; the environment is put back afterwards."""
    from dagster_project.definitions import build_defs

    before = dict(os.environ)
    os.environ.pop("SALESOPS_CONFIG", None)
    os.environ |= {"SALESOPS_DATA": str(data.root)} | parsed_once()
    try:
        yield build_defs()
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
def project(definitions, data):
    from dagster_project.transform import parse_project

    return parse_project(data)


@pytest.fixture(scope="module")
def specs(definitions) -> dict[str, dg.AssetSpec]:
    return {"/".join(spec.key.path): spec for spec in definitions.resolve_all_asset_specs()}


def models(project) -> dict[str, dict]:
    nodes = project.content["nodes"].values()
    return {
        f"{n['schema']}/{n['name']}": n
        for n in nodes
        if n["resource_type"] == "model" and n["config"]["materialized"] != "ephemeral"
    }


def test_every_model_is_an_asset(specs, project):
    assert models(project).keys() <= specs.keys()
    assert len(models(project)) > 60


def test_every_raw_table_of_an_enabled_source_is_an_asset(specs):
    raw = {entry.table.replace(".", "/") for entry in HUBSPOT}
    raw |= {e.history_table.replace(".", "/") for e in HUBSPOT if e.has_history}
    raw |= {e.link_table(target).replace(".", "/") for e in HUBSPOT for target in e.links}
    assert raw <= specs.keys()


def test_every_node_of_the_graph_is_in_a_group_and_described(specs):
    """Tables of a source that is not enabled included: the graph is read by people who do not know that."""
    assert {name: spec.group_name for name, spec in specs.items() if spec.group_name not in GROUPS} == {}
    assert [name for name, spec in specs.items() if not spec.description] == []


def executable(definitions) -> set[str]:
    graph = definitions.resolve_asset_graph()
    return {"/".join(key.path) for key in graph.materializable_asset_keys}


def test_every_asset_says_what_it_is_whose_it_is_and_where_it_belongs(specs, definitions):
    incomplete = {}
    for name in executable(definitions):
        spec = specs[name]
        missing = [what for what in ("description", "owners", "kinds") if not getattr(spec, what)]
        missing += [] if spec.group_name in GROUPS else [f"group {spec.group_name}"]
        missing += [] if spec.freshness_policy else ["freshness_policy"]
        if missing:
            incomplete[name] = missing
    assert incomplete == {}


def test_lineage_leads_from_the_crm_to_the_published_file(definitions):
    graph = definitions.resolve_asset_graph()
    publish = graph.get(dg.AssetKey(["publish"]))
    seen, waiting = set(), [publish.key]
    while waiting:
        key = waiting.pop()
        if key not in seen:
            seen.add(key)
            waiting += graph.get(key).parent_keys
    names = {"/".join(key.path) for key in seen}
    assert {"raw/hubspot__deals", "staging/stg_hubspot__deals", "pipeline/deals", "kpi/win_rate"} <= names


def test_publish_waits_for_every_published_model(definitions, project):
    graph = definitions.resolve_asset_graph()
    waits_for = {"/".join(key.path) for key in graph.get(dg.AssetKey(["publish"])).parent_keys}
    assert waits_for == {name for name in models(project) if name.split("/")[0] in ("pipeline", "kpi", "meta")}


def test_every_blocking_gate_hangs_on_something_that_publish_waits_for(definitions):
    """A blocking check stops only what depends on its own asset: any other place would let publication through."""
    graph = definitions.resolve_asset_graph()
    waits_for = graph.get(dg.AssetKey(["publish"])).parent_keys
    from dagster_project.checks import build_checks

    gates = list(build_checks(Settings()).check_specs)
    assert len(gates) > 10 and all(gate.blocking for gate in gates)
    assert {gate.asset_key for gate in gates} <= waits_for


@pytest.mark.parametrize("source", ["hubspot", "spreadsheets", "exchange_rates", "registries"])
def test_every_object_of_an_enabled_source_has_its_gate_and_its_counts(source):
    from dagster_project.checks import build_checks
    from dagster_project.ingest import build_ingest

    # neither rates nor registers are a company: alone they would be the practice one's
    others = {"spreadsheets": {}} if source in ("exchange_rates", "registries") else {}
    settings = Settings(sources=Sources.model_validate({source: {}, **others}))
    gates = {spec.name for spec in build_checks(settings).check_specs}
    asset = next(asset for asset in build_ingest(settings) if asset.node_def.name == source)
    counted = {(spec.asset_key.path[-1], spec.name) for spec in asset.check_specs}
    for entry in ALL_OBJECTS:
        enabled = entry.source in (source, *others)
        assert (f"{entry.source}_{entry.name}_is_fresh" in gates) == enabled
        assert ((f"{entry.source}__{entry.name}", "counts_balance") in counted) == (entry.source == source)


def test_the_run_book_has_every_check(definitions):
    """Whoever is woken by one looks it up by its name, or by what its name ends with."""
    text = (ROOT / "docs" / "operations.md").read_text()
    sections = {line.removeprefix("### ") for line in text.splitlines() if line.startswith("### ")}
    names = {key.name for key in definitions.resolve_asset_graph().asset_check_keys}
    assert names, "no check was found"
    assert {name for name in names if name not in sections and not name.endswith(tuple(sections))} == set()


def test_was_read_never_blocks_and_counts_balance_does():
    from dagster_project.ingest import build_ingest

    asset, *_ = build_ingest(Settings())
    blocking = {spec.name: spec.blocking for spec in asset.check_specs}
    assert blocking == {"was_read": False, "counts_balance": True, "is_not_empty": True}


def test_the_night_is_scheduled_in_the_companys_zone_and_daylight_saving_does_not_move_it(definitions):
    schedule = definitions.resolve_schedule_def("every_night")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("15 3 * * *", "Europe/Stockholm")
    for start in (datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC)):
        from dagster._utils.schedules import schedule_execution_time_iterator as ticks

        iterator = ticks(start.timestamp(), schedule.cron_schedule, schedule.execution_timezone)
        local = [next(iterator).astimezone(ZoneInfo("Europe/Stockholm")) for _ in range(4)]
        assert [(t.hour, t.minute) for t in local] == [(3, 15)] * 4
        assert len({t.date() for t in local}) == 4


def test_a_publication_outside_a_whole_night_is_refused(definitions, data, tmp_path):
    from dagster_project.publish import build_publish
    from dagster_project.transform import parse_project
    from salesops.clock import Clock
    from salesops.night import Night

    now = Clock().now()
    night = Night(Settings(), DataDirectory(tmp_path), Clock(), now, now, None, tmp_path / "published", "", "")
    asset = build_publish(parse_project(data))
    done = dg.materialize([asset], resources={"night": night}, raise_on_error=False)
    assert not done.success and not (tmp_path / "published").exists()


def test_the_page_and_its_daemon_load_the_project_at_the_same_time(tmp_path):
    """Both parse into one folder; read half-written, the manifest left an empty graph."""
    code = "from dagster_project.definitions import build_defs as b; print(len(list(b().resolve_all_asset_specs())))"
    environment = os.environ | {"SALESOPS_DATA": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)}
    environment.pop("SALESOPS_CONFIG", None)
    loading = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    counts = {process.communicate(timeout=200)[0].strip().splitlines()[-1] for process in loading}
    assert len(counts) == 1 and int(counts.pop()) > 100
