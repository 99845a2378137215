"""When the night runs by itself, and who looks after it between nights."""

from __future__ import annotations

import os

import dagster as dg

from salesops import alerts, config
from salesops.clock import Clock
from salesops.config import Settings
from salesops.layout import DataDirectory

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


def build_sensor(settings: Settings) -> dg.SensorDefinition:
    """Sends alerts that were held back in quiet hours or not delivered, and says when a night is missing."""

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=600,
        default_status=dg.DefaultSensorStatus.RUNNING if settings.alerts.enabled else dg.DefaultSensorStatus.STOPPED,
        description="Sends what was held back in quiet hours or not delivered; says when a night is missing",
    )
    def tell() -> dg.SkipReason:
        data = DataDirectory(config.data_directory(os.environ))
        return dg.SkipReason(alerts.catch_up(settings, data, Clock().now()) or "nobody has to be told of anything")

    return tell
