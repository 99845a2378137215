"""What is past its time goes after the publication, and never in its way."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import duckdb
import pytest

from dagster_project import retention
from ingestion import landing
from ingestion.raw_tables import LAYOUT, NewerWarehouse
from salesops.clock import Clock
from salesops.config import Settings
from salesops.layout import DataDirectory
from salesops.night import Night


@pytest.fixture
def night(tmp_path) -> Night:
    settings = Settings.model_validate({"retention": {"raw_versions_days": 30}})
    now = Clock().now()
    made = Night(settings, DataDirectory(tmp_path), Clock(), now, now, None, tmp_path / "published", "", "")
    with made.warehouse() as connection:
        landing.prepare(connection)
        for days, name in ((90, "first"), (60, "replaced"), (50, "newest before"), (1, "newest")):
            at = now - timedelta(days=days)
            connection.execute(
                "insert into raw.hubspot__contacts values ('7', ?, false, '{}', ?, 1, ?)", [at, name, at]
            )
    return made


def run(night: Night, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    publish = dg.AssetSpec("publish")
    return dg.materialize(
        [retention.build_retention(), publish],
        resources={"night": night},
        instance=instance,
        selection=[retention.KEY],
        raise_on_error=False,
    )


def test_a_replaced_version_goes_and_is_written_down(night):
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(night, instance).success
    with night.warehouse() as connection:
        kept = connection.execute("select payload_hash from raw.hubspot__contacts order by version_at").fetchall()
        assert kept == [("first",), ("newest before",), ("newest",)]
        assert connection.execute("select table_name, rows_deleted from raw.retention").fetchall() == [
            ("raw.hubspot__contacts", 1)
        ]


def test_what_cannot_be_taken_out_is_a_warning_of_a_published_night(night):
    with night.warehouse() as connection:
        connection.execute("drop table raw.retention")
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(night, instance).success
    assert [(check.name, check.state, check.is_blocking) for check in night.checks] == [("was_pruned", "failed", False)]
    with night.warehouse() as connection:
        assert connection.execute("select count(*) from raw.hubspot__contacts").fetchone() == (4,)


def test_runs_go_when_they_are_older_than_the_days_that_are_kept(night):
    with dg.DagsterInstance.ephemeral() as instance:
        run(night, instance)
        assert retention._delete_runs(instance, 7) == 0
        assert retention._delete_runs(instance, 0) == 1
        assert instance.get_runs_count() == 0


def test_a_warehouse_of_a_later_version_is_refused_and_left_as_it_is(night):
    with night.warehouse() as connection:
        connection.execute("update raw.layout set version = ?", [LAYOUT + 1])
        connection.execute("drop table raw.hubspot__deals")
        with pytest.raises(NewerWarehouse, match="later version"):
            landing.prepare(connection)
        with pytest.raises(duckdb.CatalogException):
            connection.execute("from raw.hubspot__deals")
