"""What is wrong with the practice company on purpose is found: who oversells, where deals leak, which source decays."""

from __future__ import annotations

from datetime import date, timedelta
from math import sqrt

import pytest

pytestmark = [pytest.mark.night, pytest.mark.timeout(600)]


def wilson_high(count: int, total: int) -> float:
    """Upper end at 95 % (kpis.md S4)."""
    z, rate = 1.959964, count / total
    half = z * sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    return (rate + z * z / (2 * total) + half) / (1 + z * z / total)


def test_customers_of_the_seller_who_oversells_churn_most_and_beyond_noise(lived):
    rows = lived.marts.execute(
        """select member_key, churn_rate_low, shrunk_churn_rate from kpi.acquisition_quality
           where dimension = 'owner' and matured_count >= 5 order by shrunk_churn_rate desc"""
    ).fetchall()
    (company,) = lived.marts.execute(
        "select churn_rate from kpi.acquisition_quality where dimension = 'company'"
    ).fetchone()
    worst, low, _ = rows[0]
    assert worst == f"hubspot:owner:{lived.truth['causes']['overselling_owner_id']}"
    assert low > company


def test_conversion_of_the_leaking_stage_falls_from_its_week_on_for_its_source(lived):
    planted = lived.truth["causes"]
    rows = lived.marts.execute(
        """select member_key = ? as leaks, period_start >= ? as is_after, sum(advanced_count), sum(lost_count)
           from kpi.stage_conversion
           inner join (
               select distinct stage, pipeline from pipeline.stages where stage_id = ? and pipeline_id = ?
           ) using (stage, pipeline)
           where period_grain = 'week' and dimension = 'source' group by all""",
        [planted["leak_source"], planted["leak_since"], planted["leak_stage_id"], planted["leak_pipeline_id"]],
    ).fetchall()
    rates = {(leaks, is_after): advanced / (advanced + lost) for leaks, is_after, advanced, lost in rows}
    assert rates[True, True] < rates[True, False] - 0.1
    assert rates[True, True] < rates[False, True] - 0.1


def test_the_decaying_source_wins_less_than_it_did_and_than_the_others_do(lived):
    planted = lived.truth["causes"]
    lately = date.fromisoformat(lived.truth["as_of"][:10]) - timedelta(days=240)
    rows = lived.marts.execute(
        """select member_key = ? as decays, period_start >= ? as is_late, sum(won_count), sum(decided_count)
           from kpi.win_rate
           where period_grain = 'week' and dimension = 'source' and (period_start >= ? or period_start < ?)
           group by all""",
        [planted["decaying_source"], lately, lately, planted["decay_since"]],
    ).fetchall()
    counts = {(decays, is_late): (won, decided) for decays, is_late, won, decided in rows}
    rates = {key: won / decided for key, (won, decided) in counts.items()}
    assert rates[True, True] < 0.8 * rates[True, False]
    assert wilson_high(*counts[True, True]) < rates[False, True]
