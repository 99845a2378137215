"""What a CRM may hold: each gives a right number, NULL or a listed row; never a crash, never a rate from nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.whole.companies import BEGIN, PARTNER, SALES, basic, day
from tests.whole.project import AS_OF, LATER, Company

SIGNED = AS_OF - timedelta(days=40)
ALL = "where period_grain = 'all' and dimension = 'company'"
TODAY = "from kpi.pipeline_open where dimension = 'company' order by snapshot_date desc limit 1"
NIGHTS = [BEGIN + timedelta(days=1), AS_OF, LATER]


def sell(company: Company, id: str, *, stage: str = "qualified", ends: str | None = None, **values: str | None) -> None:
    """A deal of 40 days, opened in `qualified` with 1,000 SEK by Ada; `ends`: its last stage."""
    opened = SIGNED - timedelta(days=40)
    usual = {
        "pipeline": "sales",
        "dealstage": stage,
        "amount": "1000",
        "closedate": day(SIGNED),
        "hubspot_owner_id": "41",
    }
    company.add(
        "deals", id, opened, dealname=id, **(usual | {"dealtype": "newbusiness", "deal_currency_code": "SEK"} | values)
    )
    if ends:
        company.set("deals", id, SIGNED, dealstage=ends)


@pytest.fixture
def build(project):
    """Builds a company; all data tests hold on it. Gives a function that runs SQL on the marts."""

    def built(company: Company):
        connection = project.build(company, NIGHTS)
        connection.execute("use marts")
        assert project.failures(connection) == {}
        return lambda sql: connection.execute(sql).fetchall()

    return built


def problems(ask, field: str) -> list[tuple]:
    return ask(f"select record_id, problem from kpi.data_quality_issues where field = '{field}' order by all")


def rates(ask) -> list[str]:
    """Columns of kpi tables that are shares or rates and have a value."""
    columns = ask(
        """select table_name, column_name from duckdb_columns() where schema_name = 'kpi' and database_name = 'marts'
           and regexp_matches(column_name, '(_rate|_share|rate_low|rate_high|_by_value|index_oe|ratio)$')"""
    )
    return [
        f"{table}.{name}"
        for table, name in columns
        if ask(f"select count(*) from kpi.{table} where {name} is not null") != [(0,)]
    ]


def test_a_company_without_a_deal_has_no_rate(build):
    assert rates(build(basic())) == ["selling_time.selling_time_share"]  # hours that calendars show: a lower bound


def test_open_deals_alone_make_a_pipeline_and_no_win_rate(build):
    company = basic()
    for number in range(3):
        sell(company, f"d{number}")
    ask = build(company)
    assert ask(f"select open_count, open_value {TODAY}") == [(3, 3000)]
    assert ask("select count(*) from kpi.win_rate") == [(0,)]
    assert ask(
        "select distinct won_count + lost_count, closed_only_rate, lower_rate, upper_rate from kpi.win_rate_cohort"
    ) == [(0, None, 0.0, 1.0)]


@pytest.mark.parametrize(("ends", "rate"), [("won", 1.0), ("lost", 0.0)])
def test_one_decided_deal_says_how_little_that_is(build, ends, rate):
    company = basic()
    sell(company, "only", ends=ends)
    (row,) = build(company)(
        f"select decided_count, win_rate, win_rate_high - win_rate_low > 0.7 from kpi.win_rate {ALL}"
    )
    assert row == (1, rate, True)


def test_a_seller_with_wins_only_has_an_interval_below_one_and_no_rank(build):
    company = basic()
    for number in range(3):
        sell(company, f"w{number}", ends="won")
        sell(company, f"l{number}", ends="lost", hubspot_owner_id="42")
    ask = build(company)
    where = "where period_grain = 'all' and dimension = 'owner' and member_key = 'hubspot:owner:41'"
    assert ask(f"select win_rate, round(win_rate_low, 4), win_rate_high from kpi.win_rate {where}") == [
        (1.0, 0.4385, 1.0)
    ]
    (row,) = ask(
        """select observed_rate, shrunk_rate < 1, shrunk_high < 1, is_rankable from kpi.seller_index
           where owner_key = 'hubspot:owner:41' and measure = 'win' and scope = 'all'"""
    )
    assert row == (1.0, True, True, False)


def test_a_pipeline_without_stages_keeps_its_deals_open_in_an_unknown_stage(build):
    company = basic()
    company.pipeline("empty", "Empty", [], BEGIN)
    sell(company, "d1", pipeline="empty", stage="somewhere")
    ask = build(company)
    assert ask("select stage, life_state from pipeline.deals") == [("unknown", "open")]
    assert ("d1", "stage is in no pipeline") in problems(ask, "dealstage")
    assert ask("select count(*) from kpi.win_rate") == [(0,)]


def test_stages_that_were_renamed_and_deleted_last_month_still_explain_their_deals(build):
    company = basic()
    sell(company, "old", stage="proposal", ends="won")
    sell(company, "left", stage="proposal")
    fewer = [
        (id, "Kvalificerad" if id == "qualified" else label, ends) for id, label, ends in SALES if id != "proposal"
    ]
    company.pipeline("sales", "Sales", fewer, AS_OF - timedelta(days=20))
    sell(company, "new", stage="qualified")
    ask = build(company)
    found = ask("select deal_id, stage, life_state from pipeline.deals order by 1")
    assert found == [("left", "Proposal", "open"), ("new", "Kvalificerad", "open"), ("old", "Closed won", "won")]
    assert ask(f"select stage, entered_count from kpi.stage_conversion {ALL} and stage = 'Proposal'") == [
        ("Proposal", 2)
    ]
    assert problems(ask, "dealstage") == [("left", "stage was taken out of its pipeline")]


def test_a_currency_without_a_rate_is_counted_as_missing_and_never_taken_at_one(build):
    company = basic()
    sell(company, "home")
    sell(company, "far", deal_currency_code="RSD")
    sell(company, "won", deal_currency_code="RSD", ends="won")
    ask = build(company)
    assert ask(f"select open_count, open_value, missing_amount_count {TODAY}") == [(2, 1000, 1)]
    assert ask(
        "select won_count, won_value from kpi.bookings where period_grain = 'all' and dimension = 'company'"
    ) == [(1, 0)]
    assert ask("select distinct problem from kpi.data_quality_issues where value = 'RSD'") == [
        ("amount in a currency without a rate: in no sum",)
    ]


def test_a_negative_amount_is_listed_and_in_no_rate_by_value(build):
    company = basic()
    sell(company, "minus", amount="-500", ends="won")
    sell(company, "plus", ends="won")
    ask = build(company)
    assert problems(ask, "amount") == [("minus", "amount is negative")]
    assert ask(
        "select won_value, win_rate_by_value from kpi.win_rate where period_grain = 'all' and dimension = 'company'"
    ) == [(500, 1.0)]
    assert ask(f"select won_value_at_close from kpi.win_rate {ALL}") == [(1000,)]


def test_amounts_that_no_sum_can_hold_are_listed_and_left_out(build):
    company = basic()
    rated = (SIGNED - timedelta(days=60)).date().isoformat()
    fields = {"rate_date": rated, "currency": "EUR", "kind": "day", "rate": "11.35", "units": "1"}
    company.sheets.append(("exchange_rates", "EUR", BEGIN, fields))
    for id, amount in {"slip": "99999999999999999", "huge": "1e300", "nan": "NaN", "large": "999999999999.99"}.items():
        sell(company, id, amount=amount, deal_currency_code="EUR")
        company.add(
            "line_items",
            f"i{id}",
            BEGIN,
            name="Planner",
            price="999999999999",
            quantity="9999999",
            amount=amount,
            hs_cost_of_goods_sold="99999999999",
        )
    for id in ("slip", "large"):
        record = company.records["deals", id]
        company.records["deals", id] = type(record)(
            "deals", id, record.created, record.facts, (("line_items", f"i{id}", None),)
        )
    ask = build(company)
    found = dict(problems(ask, "amount"))
    assert found["slip"] == "amount is 10 trillion or more"
    assert found["nan"] == "amount is no number"
    assert "large" not in found
    assert ask("select amount_base from pipeline.deals where deal_id = 'large'") == ask(
        "select cast(999999999999.99 * 11.35 as decimal(18, 2))"
    )


def test_closing_before_creation_is_no_negative_cycle(build):
    company = basic()
    sell(company, "back", ends="won", closedate=day(SIGNED - timedelta(days=90)))
    ask = build(company)
    (row,) = ask(
        "select won_count, won_days_median from kpi.sales_cycle where period_grain = 'all' and dimension = 'company'"
    )
    assert row[0] == 1
    assert row[1] is None or row[1] >= 0
    assert ask("select is_backdated from pipeline.deals") == [(True,)]


def test_an_owner_who_left_keeps_the_wins_and_the_open_deals_until_they_are_handed_over(build):
    company = basic()
    sell(company, "won", ends="won")
    sell(company, "open")
    company.end("owners", "41", AS_OF - timedelta(days=10))
    ask = build(company)
    assert ask("select is_active, left_date is not null from pipeline.owners where owner_key = 'hubspot:owner:41'") == [
        (False, True)
    ]
    where = "dimension = 'owner' and member_key = 'hubspot:owner:41'"
    assert ask(f"select won_count from kpi.bookings where period_grain = 'all' and {where}") == [(1,)]
    assert ask(f"select open_count from kpi.pipeline_open where {where} order by snapshot_date desc limit 1") == [(1,)]


def test_two_pipelines_may_call_their_stages_alike(build):
    company = basic()
    alike = [(id, {"p_open": "New", "p_won": "Closed won"}.get(id, label), ends) for id, label, ends in PARTNER]
    company.pipeline("partner", "Partner", alike, BEGIN + timedelta(hours=1))
    sell(company, "d1", stage="new")
    sell(company, "d2", stage="p_open", pipeline="partner")
    ask = build(company)
    rows = ask(f"select pipeline, stage, closing_count from kpi.stage_flow {ALL} order by all")
    assert [row for row in rows if row[2]] == [("Partner", "New", 1), ("Sales", "New", 1)]


def test_deals_brought_over_from_another_system_are_at_risk_from_the_day_they_came(build):
    """Their history starts 60 days after their creation. What was lost before they came is not there to be counted."""
    company = basic()
    sell(company, "whole", ends="won")
    sell(company, "still open")
    opened, brought = AS_OF - timedelta(days=100), AS_OF - timedelta(days=40)
    for id, stages in {
        "lost later": {0: "qualified", 10: "lost"},
        "open": {0: "proposal"},
        "lost": {0: "lost"},
    }.items():
        company.add("deals", id, opened, dealname=id)
        company.set("deals", id, brought, pipeline="sales", dealtype="newbusiness", amount="500")
        for days, stage in stages.items():
            company.set("deals", id, brought + timedelta(days=days), dealstage=stage)
    ask = build(company)
    curve = "select day, at_risk_count, round(survival, 6) from kpi.win_curve where cohort_start is null"
    rows = ask(f"{curve} and dimension = 'company' order by day")
    assert rows == [(40, 2, 0.5), (70, 3, 0.333333), (80, 2, 0.333333), (100, 1, 0.333333)]
    assert ask(f"select accepted_count, censored_count from kpi.sales_cycle_cohort {ALL}") == [(5, 2)]
    medians = ask(f"select stage, entered_count, deal_days, days_median_km from kpi.stage_flow {ALL} order by stage")
    assert medians == [("Proposal", 1, 40.0, None), ("Qualified", 3, 130.0, 40.0)]


def test_contacts_that_share_all_they_hold_are_counted_as_compared_with_nobody(build):
    """Thirty forms filled by one: more than are compared with each other on any key."""
    company = basic()
    for number in range(30):
        company.add(
            "contacts", f"p{number}", BEGIN, firstname="Anna", lastname="Lind", email="info@firm.se", phone="081234567"
        )
    ask = build(company)
    found = ask("select record_id, value from kpi.data_quality_issues where field = 'duplicates'")
    assert {("all keys", "30"), ("mailbox", "30"), ("phone", "30")} <= set(found)
    (joined,) = ask("select count(distinct contact_key) from pipeline.contact_identities")
    assert joined[0] < 30, "each is still compared with the next"
