"""What the comparison of one company in two CRMs takes for the same."""

from __future__ import annotations

import pytest

from bench.same_company import Names, whole_seconds
from sandbox.world import World
from tests.unit.ingestion.practice import tiny_world


def test_keys_ids_and_stages_are_spelt_as_hubspot_does_and_nothing_else_is():
    names = Names("other", {("deal", "D1"): "7", ("contact", "D1"): "9", ("stage", "New"): "new"})
    assert names.in_cell("any", "deal_key", "other:deal:D1>other:contact:D1") == "crm:deal:7>crm:contact:9"
    assert names.in_cell("any", "deal_id", "D1") == "7"
    assert names.in_cell("any", "contact_id", "D1") == "9"
    assert names.in_cell("any", "stage_id", "New") == "new"
    assert names.in_cell("any", "stage", "New") == "New"
    assert names.in_cell("any", "deal_key", "other:deal:unknown") == "crm:deal:unknown"
    assert names.in_cell("contacts", "source_ids", "other:D1, other:D2") == "crm:9, crm:D2"


@pytest.fixture(scope="module")
def world() -> World:
    return whole_seconds(tiny_world())


def test_the_company_has_no_instant_within_a_second(world):
    instants = [event.at for event in world.store.log]
    for kind in world.store.records.values():
        for record in kind.values():
            instants += [record.created_at, record.updated_at, record.born, record.archived_at or 0]
            instants += [change.at for changes in record.history.values() for change in changes]
            assert not any(
                str(value).endswith("Z") and ".000Z" not in str(value) for value in record.properties.values()
            )
    assert len(instants) > 1_000 and {at % 1_000 for at in instants} == {0}
