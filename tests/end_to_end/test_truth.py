"""The marts must find what is true of the practice company; its truth comes from its own log, never from our SQL.

Two nights with three lived days between them: what changed, vanished and was merged meanwhile must have been found too.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

pytestmark = [pytest.mark.night, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def deals(lived) -> dict[str, dict]:
    connection = lived.marts
    cursor = connection.execute("select * from pipeline.deals where source = 'hubspot'")
    names = [column[0] for column in cursor.description]
    return {row[names.index("deal_id")]: dict(zip(names, row, strict=True)) for row in cursor.fetchall()}


def instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def test_every_deal_that_lives_is_there_and_no_other(lived, deals):
    truth = lived.truth["deals"]
    living = {deal_id for deal_id, deal in truth.items() if deal["life_state"] in ("open", "won", "lost")}
    assert {deal_id for deal_id, deal in deals.items() if deal["life_state"] in ("open", "won", "lost")} == living
    assert set(deals) <= set(truth)


def test_deals_that_went_after_the_first_night_say_how(lived, deals):
    truth = lived.truth["deals"]
    gone = {deal_id: deal for deal_id, deal in deals.items() if deal["life_state"] in ("removed", "merged")}
    assert gone
    assert {i: deal["life_state"] for i, deal in gone.items()} == {i: truth[i]["life_state"] for i in gone}
    merged = {i: deal["merged_into_key"] for i, deal in gone.items() if deal["life_state"] == "merged"}
    assert merged == {i: f"hubspot:deal:{truth[i]['merged_into']}" for i in merged}


FIELDS = {
    "life_state": lambda deal: deal["life_state"],
    "pipeline_id": lambda deal: deal["pipeline"],
    "stage_id": lambda deal: deal["stage"],
    "amount": lambda deal: None if deal["amount"] is None else Decimal(deal["amount"]),
    "owner_key": lambda deal: deal["owner_id"] and f"hubspot:owner:{deal['owner_id']}",
    "order_type": lambda deal: deal["order_type"],
    "lead_source": lambda deal: deal["source"],
    "created_at": lambda deal: instant(deal["created_at"]),
    "sao_at": lambda deal: instant(deal["sao_at"]),
    "closed_at": lambda deal: instant(deal["closed_at"]) if deal["outcome"] else None,
    "close_date": lambda deal: day(deal["close_date"]),
    "booking_date": lambda deal: day(deal["booking_date"]),
    "is_backdated": lambda deal: deal["is_backdated"] and deal["outcome"] == "won",
    "loss_reason": lambda deal: deal["loss_reason"],
}


@pytest.mark.parametrize("field", FIELDS)
def test_every_living_deal_says_what_is_true(lived, deals, field):
    truth = lived.truth["deals"]
    expected = {
        i: FIELDS[field](truth[i]) for i, deal in deals.items() if deal["life_state"] in ("open", "won", "lost")
    }
    found = {i: deals[i][field] for i in expected}
    wrong = {i: (found[i], expected[i]) for i in expected if found[i] != expected[i]}
    assert not wrong, dict(list(wrong.items())[:5])


def test_stage_visits_of_every_living_deal_are_the_moves_that_happened(lived, deals):
    connection, world = lived.marts, lived.truth
    rows = connection.execute(
        "select deal_key, stage_id, entered_at, exited_at from pipeline.deal_stage_visits order by all"
    ).fetchall()
    opened = connection.execute("select stage_id from pipeline.stages where life_state = 'open'").fetchall()
    found: dict[str, list] = {}
    for key, *visit in rows:
        found.setdefault(key.rsplit(":", 1)[1], []).append(tuple(visit))
    wrong = {}
    for deal_id, deal in deals.items():
        if deal["life_state"] not in ("open", "won", "lost"):
            continue
        visits = [
            (visit["stage"], instant(visit["entered_at"]), instant(visit["left_at"]))
            for visit in world["deals"][deal_id]["visits"]
            if (visit["stage"],) in opened
        ]
        if sorted(visits, key=str) != sorted(found.get(deal_id, []), key=str):
            wrong[deal_id] = (found.get(deal_id), visits)
    assert not wrong, dict(list(wrong.items())[:3])


def headline(lived, query: str) -> tuple:
    return lived.marts.execute(query + " where period_grain = 'all' and dimension = 'company'").fetchone()


def test_win_rate_sales_cycle_and_open_pipeline(lived):
    connection, truth = lived.marts, lived.truth
    rate = truth["win_rate"]["all"]
    won, lost, share, won_value, lost_value = headline(
        lived, "select won_count, lost_count, win_rate, won_value, lost_value from kpi.win_rate"
    )
    assert (won, lost, round(float(share), 6)) == (rate["won_count"], rate["lost_count"], rate["win_rate"])
    assert (won_value, lost_value) == (Decimal(rate["won_value"]), Decimal(rate["lost_value"]))
    cycle = truth["sales_cycle"]
    count, mean, median = headline(lived, "select won_count, won_days_mean, won_days_median from kpi.sales_cycle")
    assert (count, round(mean, 6), median) == (cycle["won_count"], cycle["mean_days"], cycle["median_days"])
    newest = connection.execute(
        """select open_count, open_value, missing_amount_count from kpi.pipeline_open
           where dimension = 'company' order by snapshot_date desc limit 1"""
    ).fetchone()
    stock = truth["open_pipeline"]
    assert newest == (stock["open_count"], Decimal(stock["open_value"]), stock["missing_amount_count"])


@pytest.mark.parametrize(
    ("dimension", "part"), [("owner", "by_owner"), ("source", "by_source"), ("pipeline", "by_pipeline")]
)
def test_win_rate_by_dimension(lived, dimension, part):
    connection, truth = lived.marts, lived.truth
    rows = connection.execute(
        "select member_key, won_count, lost_count from kpi.win_rate where period_grain = 'all' and dimension = ?",
        [dimension],
    ).fetchall()
    labels = dict(connection.execute("select distinct pipeline, pipeline_id from pipeline.stages").fetchall())
    found = {labels.get(key, key.rsplit(":", 1)[-1]): (won, lost) for key, won, lost in rows}
    expected = {key: (rate["won_count"], rate["lost_count"]) for key, rate in truth["win_rate"][part].items()}
    assert found == {key or "unknown": counts for key, counts in expected.items() if counts != (0, 0)}


def test_losses_by_stage(lived):
    connection, truth = lived.marts, lived.truth
    rows = connection.execute(
        """select stages.stage_id, sum(lost_count), sum(lost_value) from kpi.loss_analysis
           left join (select stage, pipeline, min(stage_id) as stage_id from pipeline.stages group by all) as stages
               on stages.stage = lost_from_stage and stages.pipeline = loss_analysis.member
           where period_grain = 'all' and dimension = 'pipeline' group by all"""
    ).fetchall()
    expected = {
        stage: (loss["lost_count"], Decimal(loss["lost_value"])) for stage, loss in truth["loss_by_stage"].items()
    }
    assert {stage or "unknown": (count, value) for stage, count, value in rows} == expected
