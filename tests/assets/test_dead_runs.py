"""Runs whose process was killed: shown as failed as soon as somebody can know it, so that the queue goes on."""

from __future__ import annotations

import fcntl
from datetime import timedelta

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id

from dagster_project import dead_runs
from salesops.layout import DataDirectory


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def under_way(instance: dg.DagsterInstance) -> str:
    run = dg.DagsterRun(job_name="nightly", run_id=make_new_run_id(), status=dg.DagsterRunStatus.STARTED)
    return instance.add_run(run).run_id


def status(instance: dg.DagsterInstance, run_id: str) -> str:
    return instance.get_run_by_id(run_id).status.value


def test_the_next_night_marks_a_killed_run_as_failed_and_not_itself(instance):
    killed, own = under_way(instance), under_way(instance)
    assert dead_runs.bury(instance, own) == [killed]
    assert (status(instance, killed), status(instance, own)) == ("FAILURE", "STARTED")


def test_between_nights_only_a_run_of_long_ago_whose_lock_is_free_is_dead(instance, tmp_path, monkeypatch):
    data = DataDirectory(tmp_path)
    run = under_way(instance)
    assert dead_runs.bury_if_nothing_runs(instance, data) == [], "it may not have taken the lock yet"
    monkeypatch.setattr(dead_runs, "A_WHILE", timedelta(seconds=-5))
    with data.lock.open("a+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert dead_runs.bury_if_nothing_runs(instance, data) == []
    assert status(instance, run) == "STARTED"
    assert dead_runs.bury_if_nothing_runs(instance, data) == [run]
    assert status(instance, run) == "FAILURE"
