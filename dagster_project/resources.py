"""The night as a Dagster resource: one for a whole run, whoever started it (command line, web page, schedule)."""

from __future__ import annotations

import os
from collections.abc import Iterator

import dagster as dg

from salesops import alerts
from salesops import night as nights


def night_resource(night: nights.Night | None = None) -> dg.ResourceDefinition:
    """The given night, or one that is opened when a run starts and that holds the lock until the run ends."""
    if night is not None:
        return dg.ResourceDefinition.hardcoded_resource(night)

    @dg.resource(description="Configuration, clock, lock and sources of one night")
    def opened_for_this_run(_: dg.InitResourceContext) -> Iterator[nights.Night]:
        with nights.opened(os.environ) as opened:
            nights.set_environment(opened.data)
            try:
                yield opened
            finally:
                alerts.after_night(opened, nights.refusals(opened))

    return opened_for_this_run


def night_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> nights.Night:
    found = context.resources.night
    assert isinstance(found, nights.Night)
    return found
