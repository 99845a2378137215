"""What retention takes out of raw, no mart of today can tell from not being there."""

from __future__ import annotations

from datetime import timedelta

import duckdb

from ingestion import retention
from ingestion.objects import ALL_OBJECTS
from tests.whole.companies import anyones
from tests.whole.project import AS_OF, LATER, Company

NIGHTS = [AS_OF - timedelta(days=days) for days in (300, 200, 100, 60, 31, 7, 0)] + [LATER]


def busy() -> Company:
    """A company whose contacts, companies and meetings change between the nights; one meeting goes, one comes back."""
    company = anyones(3)
    for kind, name in (("contacts", "jobtitle"), ("companies", "city"), ("meetings", "hs_meeting_title")):
        ids = [id for found, id in company.records if found == kind]
        assert ids, kind
        for id in ids:
            for place, night in enumerate(NIGHTS[:-1]):
                at = max(company.records[kind, id].created, night - timedelta(days=1))
                company.set(kind, id, at + timedelta(minutes=place), **{name: f"{name} {place}"})
    company.end("meetings", ids[0], NIGHTS[4])
    return company


def test_the_marts_are_the_same_without_replaced_versions(project):
    whole, pruned = (project.build(busy(), NIGHTS, as_of=LATER) for _ in range(2))
    with whole, pruned:
        pruned.execute("use warehouse")
        deleted = retention.prune(pruned, LATER - timedelta(hours=1), LATER)
        pruned.execute("use memory")
        project.make(pruned, LATER)
        assert {"raw.hubspot__contacts", "raw.hubspot__companies", "raw.hubspot__meetings"} <= set(deleted)
        assert project.differences(whole, pruned) == {}
        for table, count in deleted.items():
            before, after = (one(side, f"select count(*) from warehouse.{table}") for side in (whole, pruned))
            assert before - after == count
        assert one(pruned, "select sum(rows_deleted) from warehouse.raw.retention") == sum(deleted.values())


def test_objects_whose_versions_are_read_are_left_whole(project):
    """Of a pruned object no model reads versions itself: only by the macro that takes the newest."""
    tables = {entry.table: entry for entry in ALL_OBJECTS if (entry.source, entry.name) in retention.PRUNED}
    assert len(tables) == len(retention.PRUNED), "an object of that name is not in the catalogue"
    for model in project.models:
        for table, entry in tables.items():
            if f"source.salesops.{entry.source}.{entry.name}" in model.depends_on.nodes:
                code = model.raw_code
                assert "landed_versions(" not in code and "departures(" not in code, f"{model.name} reads {table}"


def one(connection: duckdb.DuckDBPyConnection, query: str):
    return connection.execute(query).fetchone()[0]
