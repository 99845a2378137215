"""A night on a machine whose clock was ahead: what its cursor passed over is read when the clock is right again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ingestion.reads import AHEAD, LONG_AGO, believable, is_due
from sandbox.servers import hubspot, pipedrive, salesforce
from tests.unit.ingestion import pipedrive_practice, practice, salesforce_practice
from tests.unit.ingestion.practice import Warehouse, change, portal_now, tiny_world

YEAR = timedelta(days=400)


def after_a_year_ahead(portal, warehouse, read, now) -> None:
    """A night, one on a clock that is a year ahead, a change, and a night on the right clock."""
    read(portal)
    read(portal, now=now(portal) + YEAR)
    change(portal, "deals", 3, hs_next_step="Call again")
    change(portal, "contacts", 3, jobtitle="Buyer")
    read(portal)


def test_hubspot_is_read_again(tmp_path: Path):
    warehouse = Warehouse(tmp_path / "data")
    with hubspot.serve(tiny_world()) as portal:
        after_a_year_ahead(portal, warehouse, warehouse.sync, portal_now)
        practice.assert_same_as_vendor(warehouse, portal)
        later = warehouse.sync(portal)
    assert later["deals"].rows_appended == 0
    assert {row[0] < portal_now(portal) + AHEAD for row in warehouse.query("select window_to from raw.sync_state")} == {
        True
    }
    warehouse.close()


def test_pipedrive_is_read_again(tmp_path: Path):
    warehouse = pipedrive_practice.PipedriveWarehouse(tmp_path / "data")
    with pipedrive.serve(tiny_world()) as portal:
        after_a_year_ahead(portal, warehouse, warehouse.night, portal_now)
        pipedrive_practice.assert_same_as_vendor(warehouse, portal)
    warehouse.close()


def test_salesforce_is_read_again(tmp_path: Path):
    warehouse = salesforce_practice.OrgWarehouse(tmp_path / "data")
    with salesforce.serve(tiny_world()) as org:
        after_a_year_ahead(org, warehouse, warehouse.read, salesforce_practice.org_now)
        salesforce_practice.assert_same_as_org(warehouse, org)
    warehouse.close()


@pytest.mark.parametrize(
    ("ahead", "is_believed"), [(-YEAR, True), (AHEAD, True), (AHEAD + timedelta(seconds=1), False)]
)
def test_an_hour_ahead_is_believed_and_more_is_not(ahead, is_believed):
    now = LONG_AGO + timedelta(days=9000)
    assert believable(now + ahead, now) == (now + ahead if is_believed else LONG_AGO)
    assert believable(None, now) is None
    assert is_due(now + ahead, now, "weekly") == (ahead == -YEAR or not is_believed)
