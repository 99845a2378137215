"""Runs whose process died: Dagster goes on showing them as under way, and its queue, one at a time, waits for them.

Whoever holds the night's lock knows that no other night is under way. A run takes the lock some seconds after it has
started, so that only those are judged that started a while ago.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import dagster as dg

from salesops import config
from salesops import night as nights
from salesops.layout import DataDirectory

A_WHILE = timedelta(minutes=10)
UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
DIED = "The process of this run ended without a word: killed, or the machine was restarted. Its lock is free."


def bury(instance: dg.DagsterInstance, own_run: str = "", older_than: timedelta = timedelta(0)) -> list[str]:
    """Mark the dead ones as failed. To be called by a holder of the lock. Returns their ids."""
    began_before = datetime.now(UTC) - older_than
    listed = instance.get_run_records(
        dg.RunsFilter(statuses=UNDER_WAY, updated_before=began_before if older_than else None)
    )
    dead = [record.dagster_run for record in listed if record.dagster_run.run_id != own_run]
    for run in dead:
        instance.report_run_failed(run, DIED)
    return [run.run_id for run in dead]


def bury_if_nothing_runs(instance: dg.DagsterInstance, data: DataDirectory) -> list[str]:
    """The same for whoever does not hold the lock. It is tried only where there is something to bury."""
    listed = instance.get_run_records(dg.RunsFilter(statuses=UNDER_WAY))
    if not any(record.update_timestamp < datetime.now(UTC) - A_WHILE for record in listed):
        return []
    try:
        with nights.locked(data):
            return bury(instance, older_than=A_WHILE)
    except nights.AlreadyRunning:
        return []


def build_dead_runs_sensor() -> dg.SensorDefinition:
    @dg.sensor(
        name="dead_runs",
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Marks runs as failed whose process was killed: the queue would wait for them, and no night begin",
    )
    def look(context: dg.SensorEvaluationContext):  # type: ignore[no-untyped-def]
        buried = bury_if_nothing_runs(context.instance, DataDirectory(config.data_directory(os.environ)))
        return dg.SkipReason(f"marked as failed: {', '.join(buried)}" if buried else "no run is dead")

    return look
