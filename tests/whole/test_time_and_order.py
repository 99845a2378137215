"""What may not matter to any mart: the order of arrival, the number of nights, what came after E or was learnt after K.

Every model is rebuilt from raw each night, so that a rebuild equals what the nights made (I24) as long as these hold.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.whole.companies import anyones, garbled
from tests.whole.conftest import NIGHTS
from tests.whole.project import AS_OF, LANDING, LATER

SEEDS = range(2)
EARLIER = AS_OF - timedelta(days=75)


def test_no_model_keeps_rows_of_the_night_before(project):
    assert {model.config.materialized for model in project.models} <= {"table", "view", "ephemeral"}


@pytest.mark.parametrize("seed", range(10, 14))
def test_every_data_test_holds_for_any_company(project, seed):
    assert project.failures(project.build(anyones(seed), NIGHTS)) == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_it_does_not_matter_on_how_many_nights_it_was_read(project, seed):
    company = anyones(seed, merges=False)  # a record that was merged before any night cannot be read any more
    often = project.build(company, [AS_OF - timedelta(days=back) for back in (200, 90, 30, 7, 1, 0)] + [LATER])
    # what was first read after E shows its later version, and says so
    once = project.differences(project.build(company, [LATER]), often, (*LANDING, "is_reconstructed"))
    once.pop("kpi.data_quality_issues", None)
    # a past day is forecast from what had been read by then (F1)
    for judged in ("forecast", "forecast_accuracy", "forecast_calibration"):
        once.pop(f"kpi.{judged}", None)
    assert once == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_nonsense_after_e_changes_nothing(project, anyone, seed):
    nonsense = garbled(anyones(seed), AS_OF, seed)
    assert project.differences(anyone(seed), project.build(nonsense, NIGHTS), LANDING) == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_nonsense_learnt_after_k_changes_nothing(project, seed):
    company, nights = anyones(seed), NIGHTS[:2]
    nonsense = garbled(company, AS_OF - timedelta(days=300), seed)
    known = project.build(company, nights, known_as_of=AS_OF)
    told_later = project.build(company, nights, known_as_of=AS_OF, afterwards=(nonsense, [LATER]))
    assert project.differences(known, told_later) == {}


def test_the_nonsense_would_be_seen(project):
    company, nights = anyones(0), NIGHTS[:2]
    later = [project.build(lived, NIGHTS, as_of=LATER) for lived in (company, garbled(company, AS_OF, 0))]
    assert len(project.differences(*later, LANDING)) > 25
    nonsense = garbled(company, AS_OF - timedelta(days=300), 0)
    believed = [project.build(company, nights), project.build(company, nights, afterwards=(nonsense, [LATER]))]
    assert len(project.differences(*believed)) > 25


@pytest.mark.parametrize("seed", SEEDS)
def test_a_past_day_stays_what_it_was(project, anyone, seed):
    """Stocks of a day, locked bookings (I12), and what a settled cohort opened with (I23), at every later instant."""
    before, after = project.build(anyones(seed), NIGHTS, as_of=EARLIER), anyone(seed)
    queries = {
        "open pipeline": """select snapshot_date, member_key, dimension, open_count, open_value, overdue_count
            from marts.kpi.pipeline_open where dimension in ('company', 'owner', 'team', 'pipeline')
                and snapshot_date <= date '{day}' and snapshot_date > date '{day}' - 200""",
        "locked": """select period_grain, period_start, dimension, member_key, locked_value from marts.kpi.bookings
            where dimension = 'company' and period_grain in ('month', 'quarter') and locked_value is not null
                and period_start < date '{day}' - 100""",
        "created": """select period_grain, period_start, created_count, created_value from marts.kpi.pipeline_created
            where dimension = 'company' and period_grain = 'week' and period_start < date '{day}' - 30""",
    }
    for name, query in queries.items():
        sql = f"{query.format(day=EARLIER.date())} order by all"
        rows = before.execute(sql).fetchall()
        assert rows, name
        assert rows == after.execute(sql).fetchall(), name
