"""The one assembly of assets, checks, job and schedule: for the command line, the web page, and the tests."""

from __future__ import annotations

import os

import dagster as dg

from dagster_project.brief import build_brief
from dagster_project.checks import build_checks
from dagster_project.dead_runs import build_dead_runs_sensor
from dagster_project.ingest import build_ingest
from dagster_project.publish import build_publish
from dagster_project.resources import night_resource
from dagster_project.retention import build_retention
from dagster_project.schedules import build_schedule, build_sensor
from dagster_project.transform import build_transform, parse_project
from salesops import config
from salesops.layout import DataDirectory
from salesops.night import Night, set_environment


def build_defs(night: Night | None = None) -> dg.Definitions:
    """Everything, for the given night; without one, each run opens its own from the environment."""
    settings = night.settings if night else config.load(os.environ)
    data = night.data if night else DataDirectory(config.data_directory(os.environ))
    set_environment(data)
    project = parse_project(data)
    job = dg.define_asset_job(
        "nightly",
        selection=dg.AssetSelection.all() | dg.AssetSelection.all_asset_checks(),
        description="Sources to raw, raw to marts, checks, publication",
        executor_def=dg.in_process_executor,
    )
    return dg.Definitions(
        assets=[
            *build_ingest(settings),
            build_transform(project),
            build_publish(project),
            build_brief(),
            build_retention(),
        ],
        asset_checks=[build_checks(settings)],
        jobs=[job],
        schedules=[build_schedule(job, settings)],
        sensors=[build_sensor(settings), build_dead_runs_sensor()],
        resources={"night": night_resource(night)},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What the web page and the daemon load."""
    return build_defs()
