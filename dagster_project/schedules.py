"""When the night runs by itself."""

from __future__ import annotations

import dagster as dg

from salesops.config import Settings

AT = "15 3 * * *"  # outside 02:00-03:00, the hour that daylight saving repeats or skips


def build_schedule(job: dg.UnresolvedAssetJobDefinition, settings: Settings) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name="every_night",
        job=job,
        cron_schedule=AT,
        execution_timezone=settings.company.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="The whole night, at 03:15 in the company's zone",
    )
