"""A data directory of an earlier version opens, is brought up to date, and gives the marts that it gave then."""

from __future__ import annotations

import duckdb
import pytest

from ingestion import landing
from tests.upgrades import fixtures

# What is said otherwise now: table -> columns, or the whole table (None), with the reason.
ONE_COMPANY: dict[str, set[str] | None] = {  # companies of one organisation number or name are one since the matching
    "pipeline.companies": None,
    "pipeline.company_identities": None,
    "pipeline.company_versions": None,
}
SETTINGS: dict[str, set[str] | None] = {  # of the night that made it (phases of stages, addresses of portals): not here
    "kpi.crm_rule_results": None,
    "kpi.crm_rules": None,
    "kpi.crm_score": None,
    "kpi.data_quality_issues": None,
    "kpi.hygiene_worklist": None,
    "kpi.threading": {"is_late_stage"},
    "kpi.lead_funnel": {"value_per_lead", "won_value"},
    "kpi.duplicate_worklist": {"record_url", "into_record_url"},
    "kpi.enrichment_worklist": {"record_url"},
    "pipeline.contact_pairs": {"left_url", "right_url"},
    "pipeline.company_pairs": {"left_url", "right_url"},
    "pipeline.leads": {"converted_deal_key", "is_first_of_deal"},
    "pipeline.stages": {"phase", "is_derived"},
}
OTHERWISE: dict[str, dict[str, set[str] | None]] = {
    "9a4461e": ONE_COMPANY
    | {
        "pipeline.contact_identities": {"reason"},  # worded by the matching
        "kpi.data_quality_issues": None,  # derived stages are listed by pipeline
        "kpi.bookings": None,  # weeks that only a reversed deal was in have a row
        "kpi.win_rate": {"win_rate_low"},  # the last digit of a double
    },
    "72fe067": ONE_COMPANY
    | {
        "kpi.data_quality_issues": None,
        "kpi.hygiene_worklist": {"record_url"},
        "kpi.seller_index": {"p_above_team", "index_oe"},  # the last digits of an integral and of a quotient
        "kpi.pipeline_change": None,  # members whose deals have no amounts have rows too
    },
    "c569a83": SETTINGS
    | {
        "kpi.coaching": None,  # by segment too, and strengths
        "kpi.pipeline_change": None,
        "kpi.process_leaks": None,  # drawn towards the rate of all, no longer to that of the best
        "kpi.seller_index": {"index_oe"},
    },
}


@pytest.mark.parametrize("commit", fixtures.commits())
def test_an_earlier_data_directory_gives_the_same_marts(project, tmp_path, commit):
    warehouse, as_of, told = fixtures.unpacked(commit, tmp_path)
    with duckdb.connect(str(warehouse)) as connection:
        landing.prepare(connection)
    marts = tmp_path / "marts.duckdb"
    assert project.build_landed(warehouse, as_of, marts) == {}
    different = {}
    with duckdb.connect(str(marts), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        for table, before in told.items():
            unequal = OTHERWISE.get(commit, {}).get(table, set())
            if unequal is None:
                continue
            columns = [column for column in before["columns"] if column not in unequal]
            now = fixtures.said(connection, table, columns, before["dimensions"])
            changed = [column for column in columns if now["columns"][column] != before["columns"][column]]
            if changed or now["rows"] != before["rows"]:
                different[table] = {"rows": (before["rows"], now["rows"]), "columns": changed}
    assert different == {}
