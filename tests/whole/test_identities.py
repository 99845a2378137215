"""Each identity that dbt tests hold is broken by one changed row: a test that cannot fail guards nothing.

The companies of test_time_and_order.py show that they hold; here every test finds nothing, then its row is changed.
"""

from __future__ import annotations

import pytest

COMPANY = "period_grain = 'all' and dimension = 'company'"
BREAKS = {  # test -> (table, what is set, which rows: one of them at a time)
    "activity_links_name_one_thing": ("pipeline.activity_links", "company_key = 'x'", "deal_key is not null"),
    "assert_acquired_customers_sum_to_the_company": (
        "kpi.acquisition_quality",
        "opening_arr = opening_arr + 0.01",
        "true",
    ),
    "assert_contacts_are_records_less_duplicates": (  # I17
        *("kpi.contact_quality", "cluster_count = cluster_count + 1"),
        COMPANY,
    ),
    "assert_churn_curves_follow_every_customer": ("kpi.churn_curve", "at_risk_count = at_risk_count + 1", "true"),
    "assert_cohorts_hold_every_accepted_deal": ("kpi.win_rate_cohort", "open_count = open_count + 1", "true"),  # I07
    "assert_curves_sum_to_one": ("kpi.win_curve", "cif_win = cif_win + 0.001", "true"),  # I09
    "assert_every_accepted_deal_is_in_one_cohort": (
        "kpi.sales_cycle_cohort",
        "accepted_count = accepted_count + 1",
        COMPANY,
    ),
    "assert_losses_agree_between_tables": ("kpi.loss_analysis", "lost_value = lost_value + 0.01", COMPANY),
    "assert_open_pipeline_today_is_the_open_deals": (
        "pipeline.deals",
        "amount_base = amount_base + 0.01",
        "life_state = 'open' and amount_base > 0 and not is_excluded",
    ),
    "assert_parts_of_every_dimension_sum_to_the_company": (
        "kpi.win_rate",
        "won_value = won_value + 0.01",
        "dimension = 'team'",
    ),  # I11
    "assert_periods_of_a_grain_sum_to_all": ("kpi.bookings", "won_value = won_value + 0.01", "period_grain = 'month'"),
    "assert_rates_lie_within_their_interval": ("kpi.win_rate", "win_rate_low = win_rate + 0.01", "true"),
    "assert_retention_adds_up": ("kpi.retention", "expansion = expansion + 0.01", "opening_arr > 0"),  # I16
    "assert_retention_parts_sum_to_the_company": (
        "kpi.retention",
        "opening_arr = opening_arr + 0.01",
        "dimension = 'owner'",
    ),
    "assert_selling_time_of_teams_sums_to_all": ("kpi.selling_time", "won_count = won_count + 1", "team <> 'all'"),
    "assert_shares_of_deal_products_sum_to_one": (
        "pipeline.deal_products",
        "amount_share = amount_share - 0.1",
        "true",
    ),
    "assert_stage_flow_balances": (
        "kpi.stage_flow",
        "advanced_count = advanced_count + 1",
        "period_grain = 'week'",
    ),  # I04
    "assert_stages_agree_with_the_pipeline": ("kpi.stage_flow", "closing_count = closing_count + 1", COMPANY),
    "assert_the_forecast_adds_up": (  # I20
        *("kpi.forecast", "expected = expected + 1"),
        "dimension = 'company' and expected is not null",
    ),
    "assert_the_forecast_starts_from_the_bookings": (
        "kpi.forecast",
        "actual_value = actual_value + 1",
        "actual_value is not null",
    ),
    "assert_the_ledger_sums_to_the_bookings": (
        "pipeline.bookings_ledger",
        "amount_base = amount_base + 0.01",
        "true",
    ),  # I12
    "assert_the_waterfall_adds_up": ("kpi.pipeline_change", "increased = increased + 0.01", "true"),  # I02, I10
    "assert_the_waterfall_goes_on": ("kpi.pipeline_change", "closing = closing + 0.01", "period_grain = 'week'"),  # I01
    "assert_the_yield_is_the_product_of_its_parts": ("kpi.yield", "size_mix = size_mix * 1.01", "size_mix > 0"),  # I14
    "assert_threading_has_every_open_deal": ("kpi.threading", "snapshot_date = snapshot_date - 1", "true"),
    "assert_wins_agree_between_tables": ("kpi.sales_cycle", "won_count = won_count + 1", COMPANY),
    "assert_wins_of_the_waterfall_are_booked": (  # I03
        *("kpi.pipeline_change", "won_dated_in_window = won_dated_in_window + 1"),
        "dimension = 'company' and won_dated_in_window > 0 and close_window = 'current_quarter'",
    ),
    "assert_profiles_agree_with_the_tables_beside_them": (
        *("kpi.customer_profile", "accepted_count = accepted_count + 1"),
        "dimension = 'segment'",
    ),
    "assert_weighted_pipeline_today_is_the_open_deals": (  # I19
        *("kpi.pipeline_open", "weighted_value = weighted_value + 0.01"),
        "snapshot_date = date '2026-06-30' and dimension = 'company' and weighted_value is not null",
    ),
    "assert_coverage_knows_the_bookings": (
        *("kpi.pipeline_open", "target = target + 0.01"),
        "snapshot_date = date '2026-06-30' and dimension = 'company' and target is not null",
    ),
    "assert_crm_rules_agree_with_the_deals": (
        *("pipeline.deals", "push_count = push_count + 9"),
        "deal_key in (select thing_key from marts.kpi.crm_rule_results where rule_id = 'R13' and to_date is null)",
    ),
    "assert_crm_rules_have_every_deal_in_scope": (  # I22
        *("kpi.crm_rules", "pass_count = pass_count + 1"),
        "dimension = 'company'",
    ),
    "calendar_has_no_gaps": ("pipeline.calendar", "is_working_day = not is_working_day", "true"),
    "closed_deals_have_dates": ("pipeline.deals", "closed_at = null", "life_state = 'won'"),
    "deal_intervals_tile": (
        "pipeline.deal_versions",
        "valid_to = valid_to + interval 1 second",
        "valid_to is not null",
    ),
    "deals_match_their_last_version": ("pipeline.deals", "amount = amount + 0.01", "amount is not null"),
    "episodes_follow_the_life_of_the_deal": ("pipeline.deal_episodes", "episode_number = episode_number + 1", "true"),
    "every_amount_has_a_rate": ("pipeline.deals", "amount_base = null", "amount is not null and not is_excluded"),
    "every_day_of_an_open_deal_has_one_row": (  # I06: an untouched row vanishes
        *("pipeline.deal_versions", "end_date = date '2026-06-30'"),
        "life_state = 'open' and end_date is null",
    ),
    "every_lead_record_is_a_lead": ("pipeline.leads", "lead_id = 'x'", "lead_rule = 'lead_record'"),
    "joined_records_share_their_key": ("pipeline.contact_identities", "contact_key = 'x'", "true"),  # I17
    "lead_parts_sum_to_the_company": ("kpi.lead_response", "lead_count = lead_count + 1", "dimension = 'owner'"),
    "lead_times_are_in_order": ("pipeline.leads", "clock_started_at = created_at - interval 1 hour", "true"),
    "leads_add_up_by_response_state": ("kpi.lead_response", "answered_count = answered_count + 1", "true"),  # I15
    "stage_visits_overlap_nowhere": (
        "pipeline.deal_stage_visits",
        "exited_at = exited_at + interval 400 day",
        "visit_number = 1",
    ),
    "visits_tile_open_life": (
        "pipeline.deal_stage_visits",
        "entered_at = entered_at + interval 1 second",
        "days > 1",
    ),  # I05
    "what_is_not_fresh_says_since_when": (
        "meta.data_status",
        "state = 'stale', stale_since = null",
        "last_extract_at is not null",
    ),
}
CONFIGURED = {  # they speak of configuration or of no table, so that no row can break them
    *(
        "excluded_pipelines_are_found",
        "qualified_stages_are_found_and_unambiguous",
        "crm_rule_definitions_can_be_obeyed",
        "stage_phases_are_found_and_unambiguous",
        "stage_map_rows_are_found",
    ),
    "assert_survival_and_incidences_sum_to_one",
}


def test_every_written_test_is_broken_here(project):
    names = {name for name in project.tests if project.is_written(name)}
    assert names == BREAKS.keys() | CONFIGURED


@pytest.mark.parametrize("name", BREAKS)
def test_one_changed_row_is_found(project, usual, name):
    table, change, which = BREAKS[name]
    before = project.rows_of(usual, name)
    assert before == 0 or name == "every_amount_has_a_rate"  # the company has amounts in a currency without a rate
    places = usual.execute(f"select rowid from marts.{table} where {which} limit 50").fetchall()
    assert places, f"{table} has no row where {which}"
    assert any(
        is_found(project, usual, name, before, f"update marts.{table} set {change} where rowid = {place}")
        for (place,) in places
    )


def is_found(project, connection, name: str, before: int, change: str) -> bool:
    connection.execute("begin")
    try:
        connection.execute(change)
        return project.rows_of(connection, name) > before
    finally:
        connection.execute("rollback")
