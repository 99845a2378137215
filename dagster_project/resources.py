"""The night as a Dagster resource: one for a whole run, whoever started it (command line, web page, schedule)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import dagster as dg

from dagster_project import dead_runs
from salesops import alerts
from salesops import night as nights
from salesops.erasure import forget


def night_resource(night: nights.Night | None = None) -> dg.ResourceDefinition:
    """The given night, or one that is opened when a run starts and that holds the lock until the run ends."""
    if night is not None:
        return dg.ResourceDefinition.hardcoded_resource(night)

    @dg.resource(description="Configuration, clock, lock and sources of one night")
    def opened_for_this_run(context: dg.InitResourceContext) -> Iterator[nights.Night]:
        with ExitStack() as stack:
            with alerts.told_if_refused():
                opened = stack.enter_context(nights.opened(os.environ))
            nights.set_environment(opened.data)
            if context.instance is not None and context.run is not None:
                dead_runs.bury(context.instance, context.run.run_id)
            try:
                yield opened
            finally:
                alerts.after_night(opened, nights.failures(opened, _step_failures(context)))
                forget.after_night(opened.data, opened.settings, opened.drop, opened.clock.now())

    return opened_for_this_run


def _step_failures(context: dg.InitResourceContext) -> list[dg.DagsterEvent]:
    if context.instance is None or context.run is None:
        return []
    logged = context.instance.all_logs(context.run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    return [entry.dagster_event for entry in logged if entry.dagster_event is not None]


def night_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> nights.Night:
    found = context.resources.night
    assert isinstance(found, nights.Night)
    return found
