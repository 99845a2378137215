"""Early trends on whole companies with something planted: what is said of it, and that its parts are exact."""

from __future__ import annotations

from datetime import timedelta

import pytest

from analysis.signals import HEADLINES
from bench.planted import AS_OF, LAST, SHIFT, WEEKS
from bench.signals import Rig, judge

BEGINS = f"date '{LAST}' - interval {WEEKS - SHIFT} week"


@pytest.fixture(scope="module")
def rig(project):
    made = Rig(project)
    made.connection.execute("create schema marts.leak")
    yield made
    made.connection.close()


@pytest.fixture(scope="module")
def leak(rig):
    """What is said of a company that loses half of its proposals from one week on; its tables are kept in `leak`."""
    marts = rig.live("leak", 42)
    for table in ("kpi.signals", "kpi.signal_causes", "pipeline.deals"):
        marts.execute(f"create table marts.leak.{table.split('.')[1]} as from marts.{table}")
    return marts, judge(marts, "leak")


def test_a_leak_at_a_stage_is_found_and_named(leak):
    _, found = leak
    assert found.delay is not None
    assert found.delay <= 10
    assert found.is_right_later, found.named_later


def test_parts_of_a_shift_sum_to_it(leak):
    """S6 over each dimension, S7 over the factors: exactly what happened, whichever part is named."""
    marts, _ = leak
    rows = marts.execute(
        """
        with whole as (
            select metric, week_start, value_since - value_before as change from marts.leak.signal_causes
            where kind = 'mix_and_rate' and dimension = 'company'
        )
        select parts.metric, parts.dimension, sum(parts.effect), any_value(whole.change)
        from marts.leak.signal_causes as parts join whole using (metric, week_start)
        where parts.kind = 'mix_and_rate' group by parts.metric, parts.week_start, parts.dimension
        """
    ).fetchall()
    assert {row[1] for row in rows} >= {"team", "owner", "segment", "source", "product"}
    for metric, dimension, parts, change in rows:
        assert parts == pytest.approx(change, abs=1e-9), (metric, dimension)
    products = marts.execute(
        """
        select metric, week_start, sum(effect), exp(sum(ln(value_since))) - exp(sum(ln(value_before)))
        from marts.leak.signal_causes where step = 'factor' group by metric, week_start
        """
    ).fetchall()
    for metric, _, parts, change in products:
        assert parts == pytest.approx(change), metric


def test_only_headlines_of_the_company_raise_alarms(leak):
    marts, _ = leak
    alarms = marts.execute(
        "select distinct metric, dimension, verdict from marts.leak.signals where is_alarm"
    ).fetchall()
    assert alarms
    assert {row[1:] for row in alarms} == {("company", "confirmed")}
    assert {row[0] for row in alarms} <= set(HEADLINES)
    assert marts.execute("select count(*) from marts.leak.signals where verdict = 'watch' and is_alarm").fetchone() == (
        0,
    )


def test_one_shift_raises_one_alarm(leak):
    marts, _ = leak
    again = "select metric, since_week from marts.leak.signals where is_alarm group by all having count(*) > 1"
    assert marts.execute(again).fetchall() == []


def test_a_week_of_the_series_is_that_of_the_mart_s_deals(leak):
    """What is judged is what can be counted: decided deals of a week, and the won among them."""
    marts, _ = leak
    assert marts.execute(
        """
        with decided as (
            select date_trunc('week', booking_date) as week, count(*) as n, avg((life_state = 'won')::int) as rate
            from marts.leak.deals where life_state in ('won', 'lost') group by week
        )
        select count(*) > 100, count(*) filter (where counted <> n or abs(value - rate) > 1e-12)
        from marts.leak.signals join decided on signals.week_start = decided.week
        where metric = 'win_rate' and dimension = 'company'
        """
    ).fetchone() == (True, 0)


def test_a_stopped_sync_is_stale_and_no_trend(rig):
    marts = rig.live("sync_stopped", 42)
    after = f"from marts.kpi.signals where dimension = 'company' and week_start > {BEGINS} + interval 1 week"
    deals = "metric in ('win_rate', 'bookings', 'pipeline_created')"
    assert marts.execute(f"select distinct verdict {after} and {deals}").fetchall() == [("stale",)]
    assert marts.execute(f"select count(*) {after} and is_alarm and {deals}").fetchone() == (0,)
    reason = marts.execute(f"select distinct reason {after} and metric = 'win_rate'").fetchall()
    assert reason == [("its source said far less than usual",)]


def test_a_clean_up_day_is_named_and_no_trend(rig):
    marts = rig.live("clean_up", 42)
    week = f"from marts.kpi.signals where metric = 'win_rate' and dimension = 'company' and week_start = {BEGINS}"
    ((verdict, reason, bulk, value, with_bulk),) = marts.execute(
        f"select verdict, reason, bulk_count, value, value_with_bulk {week}"
    ).fetchall()
    assert (verdict, bulk) == ("check_first", 120)
    assert reason == "120 of them were changed in one go (bulk edit)"
    assert with_bulk < 0.5 * value


def test_a_source_that_is_stale_now_silences_what_depends_on_it(rig):
    status = (
        "insert into marts.meta.data_status (source, object, state, stale_since)"
        f" values ('crm', 'leads', 'stale', (date '{LAST}' - interval 10 day)::timestamptz)"
    )
    marts = rig.live("noise", 42, status)
    newest = f"from marts.kpi.signals where dimension = 'company' and week_start = date '{LAST}' - interval 1 week"
    silent = dict(marts.execute(f"select metric, reason {newest} and verdict = 'stale'").fetchall())
    assert silent == dict.fromkeys(("response_within_sla", "lead_to_sao"), "crm leads: stale")


def test_a_past_week_was_judged_as_it_is_today(rig):
    """One pass over all weeks says of each what a pass on its Monday said: nothing of what came later."""
    marts = rig.live("stage_renamed", 42)
    columns = "* exclude (member, z, cusum)"
    marts.execute(f"create table marts.leak.later as select {columns} from marts.kpi.signals")
    for weeks in (10, 31):
        earlier = AS_OF - timedelta(weeks=weeks)
        rig.judged(earlier)
        then = f"select {columns} from marts.kpi.signals"
        now = f"from marts.leak.later where week_start < date '{earlier.date()}'"
        assert marts.execute(f"select count(*) > 5000 {now}").fetchone() == (True,)
        assert marts.execute(f"({then}) except ({now})").fetchall() == []
        assert marts.execute(f"({now}) except ({then})").fetchall() == []


def test_a_company_without_anything_stands(rig):
    marts = rig.live(None, 0)
    assert marts.execute("select count(*) from marts.kpi.signals").fetchone() == (0,)
