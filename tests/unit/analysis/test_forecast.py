"""The forecast: the worked numbers of kpis.md, honesty about the past, and what cannot be known yet."""

from __future__ import annotations

import datetime

import duckdb
import numpy as np
import pytest

from analysis.forecast import forecast
from analysis.forecast.ranges import drawn_from_moments, half_widths, simulate, stretch
from analysis.forecast.rates import paced, shares_by_cell, shrunk, win_within
from analysis.forecast.scores import brier, calibration_error, reliability, score, wape
from bench.forecast import LAST, make

CUT = datetime.date(2026, 5, 11)  # a Monday


def ask(connection, sql: str) -> list[tuple]:
    return connection.execute(sql).fetchall()


def made(connection, spells: str = "spells") -> None:
    forecast(connection, spells, "periods", "targets")


@pytest.fixture(scope="module")
def company():
    """Three years of a small company, and its forecasts."""
    with duckdb.connect() as connection:
        make(connection, seed=3, years=3, size=4)
        connection.execute("insert into targets select date '2026-11-23', 'company', 'all', 1300000")
        made(connection)
        yield connection


# --- worked numbers -------------------------------------------------------------------------------------------------


def test_shares_are_drawn_to_their_group():
    won, seen = np.array([20.0, 6, 18, 5, 14, 4]), np.array([40.0, 35, 38, 30, 32, 25])
    assert shrunk(won, seen, np.array(0.335))[[0, 5]] == pytest.approx([0.4690, 0.2073], abs=5e-5)


def test_stage_weighted_sums_amounts_at_the_shares_of_their_stages():
    seen = np.full((1, 3, 1), 1e6)  # so many that nothing is drawn anywhere
    shares = shares_by_cell(seen * np.array([0.1, 0.3, 0.6])[None, :, None], seen)
    assert (shares[0, :, 0] * [200, 150, 80]).sum() == pytest.approx(113.0, abs=0.02)


def test_hazards_of_winning_and_losing_give_the_chance_to_be_won():
    def chance(days: int) -> float:
        return win_within(np.array([[0.01]]), np.array([[[0.97]]]), days, np.ones(2))[days, 0, 0]

    assert chance(30) == pytest.approx(0.199664, abs=5e-7)
    assert chance(3000) == pytest.approx(1 / 3)


def test_a_deal_may_move_on_before_it_is_won():
    win, move = np.array([[0.0, 0.5]]), np.array([[[0.8, 0.1], [0.0, 0.4]]])
    found = win_within(win, move, 3, np.ones(2))
    assert found[:, 0, 0] == pytest.approx([0, 0, 0.05, 0.04 + 0.1 * (0.5 + 0.4 * 0.5)])


def test_hazards_by_age_give_the_incidence_of_aalen_and_johansen():
    from lifelines import AalenJohansenFitter

    random = np.random.default_rng(4)
    lived = random.permutation(np.arange(1, 201))  # no two on one day
    ends = random.integers(0, 3, 200)  # 0 still open, 1 won, 2 lost
    at_risk = np.array([(lived >= day).sum() for day in range(1, 201)])
    won, lost = (np.array([((lived == day) & (ends == kind)).sum() for day in range(1, 201)]) for kind in (1, 2))
    hazard = (won / at_risk)[:, None]
    found = win_within(hazard, (1 - hazard[:, 0] - lost / at_risk)[:, None, None], 199, np.ones(2))[:, 0, 0]
    oracle = AalenJohansenFitter(calculate_variance=False).fit(lived, ends, event_of_interest=1)
    expected = oracle.cumulative_density_["CIF_1"]
    assert found[[30, 90, 199]] == pytest.approx([expected[expected.index <= day].iloc[-1] for day in (30, 90, 199)])


def test_pacing_is_pooled():
    finals, then = np.array([100.0, 120, 100]), np.array([40.0, 60, 45])
    assert paced(90, finals, then) == pytest.approx(198.62, abs=5e-3)
    assert np.isnan(paced(90, finals, np.zeros(3)))


def test_misses_over_actuals():
    forecast, actual = np.array([100.0, 120, 90, 110]), np.array([110.0, 100, 95, 120])
    bounds = np.array([[90, 95, 105, 110], [110, 115, 125, 130], [80, 85, 95, 100], [100, 105, 115, 125]], dtype=float)
    found = score(forecast, actual, bounds)
    assert (found.wape, found.bias) == pytest.approx((0.10588, -0.01176), abs=5e-6)
    assert (found.coverage_50, found.coverage_80) == (0.25, 0.75)
    assert wape(np.append(forecast, np.nan), np.append(actual, 9e9)) == found.wape
    assert np.isnan(wape(forecast, np.zeros(4)))


def test_chances_against_what_came():
    chance, won = np.array([0.2] * 5 + [0.6] * 5), np.array([0.0, 1, 0, 0, 1, 1, 1, 0, 1, 1])
    assert brier(chance, won) == pytest.approx(0.24)
    assert calibration_error(chance, won) == pytest.approx(0.20)
    assert reliability(chance, won) == [(2, 5, pytest.approx(0.2), 0.4), (6, 5, pytest.approx(0.6), 0.8)]


# --- ranges ---------------------------------------------------------------------------------------------------------


def test_drawing_deals_and_their_moments_say_the_same():
    random = np.random.default_rng(0)
    chance, value = random.uniform(0.05, 0.6, 60), random.uniform(1, 9, 60)
    one = np.zeros(60, dtype=int)
    drawn = simulate({"m": chance}, {"m": value}, one, np.arange(60), 1)["m"]
    even = drawn_from_moments((chance * value).sum(), np.array((chance * (1 - chance) * value**2).sum()))
    assert drawn.mean() == pytest.approx((chance * value).sum(), rel=0.03)
    (median, widths), (expected, expected_widths) = half_widths(drawn[0]), half_widths(even)
    assert median == pytest.approx(float(expected), rel=0.04)
    assert widths == pytest.approx(expected_widths, rel=0.15)


def test_deals_of_one_account_share_their_luck():
    chance, value, one = np.full(40, 0.4), np.ones(40), np.zeros(40, dtype=int)
    spread = [simulate({"m": chance}, {"m": value}, one, account, 1)["m"].std() for account in (np.arange(40), one)]
    assert spread[1] > 1.5 * spread[0]


def test_ranges_widen_with_past_misses_and_narrow_without():
    quarters = np.repeat(np.arange(8), 5)
    none = stretch(np.zeros(0), np.zeros(0), 0.8)
    assert stretch(np.full(40, 2.0), quarters, 0.8) == pytest.approx(2.0)
    assert stretch(np.full(40, 0.1), quarters, 0.8) < 1 < none


def test_every_period_counts_once_however_often_it_was_forecast():
    misses, quarters = np.append(np.full(50, 3.0), np.full(9, 0.5)), np.append(np.zeros(50), np.arange(1, 10))
    assert stretch(misses, quarters, 0.5) < 1


# --- a company --------------------------------------------------------------------------------------------------------


def test_every_part_of_the_forecast_adds_up(company):
    assert ask(company, "select count(*) from forecast_forecasts where expected is not null")[0][0] > 1000
    off = """from forecast_forecasts where abs(won_value + open_value + new_value - expected) > 1e-3
        or abs(change_won + change_open + change_new - change_expected) > 1e-3
        or not (low_80 <= low_50 and low_50 <= predicted and predicted <= high_50 and high_50 <= high_80)"""
    assert ask(company, f"select count(*) {off}") == [(0,)]
    sums = ask(
        company,
        """select sum(expected) filter (dimension = 'team') - sum(expected) filter (dimension = 'company')
        from forecast_forecasts group by as_of_date, method""",
    )
    assert max(abs(difference) for (difference,) in sums if difference is not None) < 1e-3


def test_one_method_is_chosen_for_a_day_and_it_beats_the_simple_rules(company):
    chosen = ask(company, "select count(*) from forecast_forecasts where is_chosen group by as_of_date, member_key")
    assert set(chosen) == {(1,)}
    assert ask(company, f"select method from forecast_forecasts where is_chosen and as_of_date = '{LAST}'")[0][0] in (
        *("stage_weighted", "hazard", "seller_call", "ensemble"),
    )
    ((own, best),) = ask(
        company,
        """select wape, best_baseline_wape from forecast_accuracy
        where method = 'chosen' and dimension = 'company' and weeks_to_end = -1""",
    )
    assert own < best


def test_the_chance_of_the_target_is_that_of_the_distribution(company):
    for chance, predicted, low, high in ask(
        company,
        f"""select chance_of_target, predicted, low_80, high_80 from forecast_forecasts
        where as_of_date = '{LAST}' and dimension = 'company'""",
    ):
        assert (chance > 0.5) == (predicted > 1_300_000)
        assert (chance < 0.1) <= (high < 1_310_000)
        assert (chance > 0.9) <= (low > 1_290_000)


def test_nothing_that_came_after_a_day_changes_what_was_forecast_on_it(company):
    """F1: whatever began later, and when what stood then ended, is garbage in the other history."""
    company.execute(
        f"""create or replace temp table garbled as
        select deal_key, from_date,
            case when to_date <= '{CUT}' then to_date else date '{CUT}' + 1 + (hash(deal_key) % 99)::int end as to_date,
            life_state, stage, segment, team, account_key, forecast_category, created_date, close_date, amount_base
        from spells where from_date <= date '{CUT}'
        union all
        select deal_key || 'x', from_date, null, case when hash(deal_key) % 2 = 0 then 'won' else 'open' end,
            'no stage', 'no segment', team, 'x', 'COMMIT', created_date, close_date - 150, amount_base * 1000
        from spells where from_date > date '{CUT}'"""
    )
    known = "as_of_date, dimension, member_key, method, predicted, expected, low_50, high_50, low_80, high_80"
    known += ", won_value, open_value, new_value, change_expected, is_chosen, note"
    question = f"select {known} from forecast_forecasts where as_of_date {{}} '{CUT}' order by all"
    honest, later = ask(company, question.format("<=")), ask(company, question.format(">"))
    made(company, "garbled")
    assert ask(company, question.format("<=")) == honest
    assert ask(company, question.format(">")) != later
    made(company)


def test_the_same_rows_in_another_order_are_the_same_forecast(company):
    made(company)
    before = ask(company, "from forecast_forecasts order by all")
    company.execute("create or replace temp table shuffled as from spells order by hash(deal_key, from_date)")
    made(company, "shuffled")
    assert ask(company, "from forecast_forecasts order by all") == before


# --- what cannot be known yet -----------------------------------------------------------------------------------------


def of_the_first_weeks(spells: str) -> list[tuple]:
    """Of the company's row of the as-of day by method: predicted, won value, note."""
    with duckdb.connect() as connection:
        make(connection, seed=5, years=0.5, size=3)
        connection.execute(f"create or replace temp table given as {spells}")
        made(connection, "given")
        return ask(
            connection,
            f"""select method, predicted, won_value, note from forecast_forecasts
            where as_of_date = '{LAST}' and dimension = 'company' order by method""",
        )


@pytest.mark.parametrize(
    "spells",
    [
        "from spells where false",
        "select * replace (date '2026-11-20' as from_date, null as to_date)"
        " from spells where life_state = 'open' limit 3",
        "select * replace (null as amount_base, null as close_date, null as to_date)"
        " from spells where life_state = 'open' and from_date > '2026-10-01' limit 20",
    ],
)
def test_a_first_week_says_what_cannot_be_known(spells):
    rows = of_the_first_weeks(spells)
    assert len(rows) == 8
    assert {(predicted, won, bool(note)) for _, predicted, won, note in rows} == {(None, 0.0, True)}


def test_all_deals_open_and_nothing_won_forecasts_no_chance_from_nothing():
    rows = of_the_first_weeks("select * replace (null as to_date) from spells where stage = 'stage 0'")
    by_method = {method: (predicted, note) for method, predicted, _, note in rows}
    assert by_method["hazard"][0] is None
    assert by_method["hazard"][1]
    assert by_method["last_period"][0] == 0


def test_one_seller_is_a_team_like_any_other():
    rows = of_the_first_weeks("select * replace ('Solo' as team, null as segment, null as account_key) from spells")
    assert any(predicted is not None for _, predicted, _, _ in rows)
