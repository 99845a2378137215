"""The practice company served as HubSpot and as another CRM: equal marts, but for what bench/as_<crm>.py excepts."""

from __future__ import annotations

from importlib import import_module

import pytest

from bench.same_company import differences
from tests.unit.ingestion.practice import tiny_world

CRMS = ("salesforce", "pipedrive")


@pytest.mark.parametrize("crm", CRMS)
def test_the_marts_of_one_company_do_not_depend_on_its_crm(project, crm, tmp_path):
    found = differences(project, tiny_world(), crm, tmp_path / "companies")
    assert found.differences == {} and found.failures == {}
    assert found.tables > 55 and found.rows > 50_000


@pytest.mark.parametrize("crm", CRMS)
def test_what_is_excepted_is_there(project, crm):
    columns = {f"{model.schema}.{model.name}": set(model.columns) for model in project.models}
    for one in import_module(f"bench.as_{crm}").EXCEPTED:
        assert one.why and set(one.columns) <= columns[one.table], one
