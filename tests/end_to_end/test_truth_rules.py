"""The CRM rules against the practice company's own log: R03, R04, R06, R13 and R16 in plain Python, today and on past
days, and what hangs on the phase of a stage: R01, R11 and late stages.

Nothing here comes from the rules' SQL; the numbers of working days, the states of stages and the days of two-way
touches are read from the marts.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from zoneinfo import ZoneInfo

import pytest

pytestmark = [pytest.mark.night, pytest.mark.timeout(600)]

ZONE = ZoneInfo("Europe/Stockholm")
GRACE = 2  # business days after the day on which a seller got the deal
PUSHES = 3
RULES = ("R03", "R04", "R06", "R13", "R16")
EARLY = {"appointmentscheduled", "1087300101"}
LATE = {"decisionmakerboughtin", "contractsent", "1087300103"}  # proposal and negotiation


@dataclass
class Deal:
    """What a deal was at the end of a day."""

    life: str = "open"
    amount: Decimal | None = None
    close_date: date | None = None
    owner_id: str | None = None
    assigned_on: date | None = None
    pushes: int = 0
    stage: str | None = None
    created_on: date | None = None
    was_closed: bool = False


def replay(changes: list, lives: dict[str, str], until: datetime) -> Deal | None:
    """Change by change, those of one instant at once. A push is a later close date than the one before, while open."""
    deal, values, last_date, is_there = Deal(), {}, None, False
    for at, group in groupby(changes, key=lambda change: change[0]):
        moment = datetime.fromisoformat(at)
        if moment > until:
            break
        is_there = True
        values |= {name: value for _, name, value in group}
        deal.stage = values.get("dealstage")
        deal.life = lives.get(deal.stage or "", "open")
        deal.was_closed |= deal.life != "open"
        deal.created_on = deal.created_on or moment.astimezone(ZONE).date()
        deal.amount = None if values.get("amount") is None else Decimal(values["amount"])
        deal.close_date = None if values.get("closedate") is None else date.fromisoformat(values["closedate"])
        if values.get("hubspot_owner_id") != deal.owner_id:
            deal.owner_id, deal.assigned_on = values.get("hubspot_owner_id"), moment.astimezone(ZONE).date()
        if deal.life == "open" and deal.close_date is not None:
            deal.pushes += last_date is not None and deal.close_date > last_date
            last_date = deal.close_date
    return deal if is_there else None


def breaks(deal: Deal, day: date, left: dict[str, date]) -> set[str]:
    """The rules but R06 that an open deal breaks at the end of a day."""
    found = set()
    if deal.close_date is not None and deal.close_date < day:
        found.add("R03")
    if deal.amount is None or deal.amount <= 0:
        found.add("R04")
    if deal.pushes >= PUSHES:
        found.add("R13")
    if deal.owner_id is None or left.get(deal.owner_id, date.max) <= day:
        found.add("R16")
    return found


@pytest.fixture(scope="module")
def today(lived) -> datetime:
    return lived.marts.execute("select as_of from meta.publication").fetchone()[0].astimezone(UTC)


@pytest.fixture(scope="module")
def lives(lived) -> dict[str, str]:
    return dict(lived.marts.execute("select stage_id, life_state from pipeline.stages").fetchall())


def verdicts(lived, day: date) -> dict[tuple[str, str], str]:
    rows = lived.marts.execute(
        """select deals.deal_id, results.rule_id, results.verdict from kpi.crm_rule_results as results
           inner join pipeline.deals as deals on results.thing_key = deals.deal_key
           where list_contains($rules, results.rule_id) and results.from_date <= $day
               and (results.to_date > $day or results.to_date is null)""",
        {"day": day, "rules": list(RULES)},
    ).fetchall()
    return {(deal_id, rule): verdict for deal_id, rule, verdict in rows}


@pytest.mark.parametrize("days_ago", [0, 9, 60, 200])
def test_the_rules_find_what_the_sellers_left_undone(lived, lives, today, days_ago):
    day = today.astimezone(ZONE).date() - timedelta(days=days_ago)
    evening = datetime(day.year, day.month, day.day, tzinfo=ZONE) + timedelta(days=1, microseconds=-1)
    numbers = dict(
        lived.marts.execute("select date, working_day_number from pipeline.calendar where country = 'SE'").fetchall()
    )
    left = {
        owner: datetime.fromisoformat(at).astimezone(ZONE).date() for owner, at in lived.truth["owners_left"].items()
    }
    excluded = {
        row[0] for row in lived.marts.execute("select deal_id from pipeline.deals where is_excluded").fetchall()
    }
    touches: dict[str, list[date]] = defaultdict(list)
    for deal_id, touched_on in lived.marts.execute(
        """select deals.deal_id, activities.occurred_date from pipeline.activities as activities
           inner join pipeline.activity_links as links on activities.activity_key = links.activity_key
           inner join pipeline.deals as deals on links.deal_key = deals.deal_key
           where activities.is_two_way and activities.occurred_at <= $today""",
        {"today": today},
    ).fetchall():
        touches[deal_id].append(touched_on)
    found, judged = verdicts(lived, day), 0
    for deal_id, truth in lived.truth["deals"].items():
        if deal_id in excluded or any(name in ("removed", "merged") for _, name, _ in truth["changes"]):
            continue
        deal = replay(truth["changes"], lives, min(evening, today))
        if deal is None or deal.life != "open":
            assert not [rule for rule in RULES if (deal_id, rule) in found], deal_id
            continue
        is_new = deal.owner_id is not None and numbers[day] - numbers[deal.assigned_on] <= GRACE
        broken = breaks(deal, day, left)
        last = max([touch for touch in touches[deal_id] if touch <= day] + [deal.created_on])
        if numbers[day] - numbers[last] > (7 if deal.stage in LATE else 14):
            broken.add("R06")
        for rule in RULES:
            if rule == "R06" and deal.was_closed:
                continue  # its silence begins with the reopening
            is_unasked = (rule == "R03" and deal.close_date is None) or (rule == "R04" and deal.stage in EARLY)
            expected = "not_applicable" if is_new or is_unasked else "fail" if rule in broken else "pass"
            assert found[deal_id, rule] == expected, (deal_id, rule, day, deal)
            judged += expected != "not_applicable"
    assert judged > 200


def test_what_begins_with_a_proposal_is_asked_of_late_stages_only(lived, lives, today):
    stages = {}
    for deal_id, truth in lived.truth["deals"].items():
        deal = replay(truth["changes"], lives, today)
        stages[deal_id] = deal.stage if deal and deal.life == "open" else None
    rows = lived.marts.execute(
        """select deals.deal_id, results.rule_id, results.verdict, results.detail from kpi.crm_rule_results as results
           inner join pipeline.deals as deals on results.thing_key = deals.deal_key and deals.life_state = 'open'
           where results.rule_id in ('R01', 'R11') and results.to_date is null"""
    ).fetchall()
    late_details, judged = set(), 0
    for deal_id, rule, verdict, detail in rows:
        stage = stages[deal_id]
        if rule == "R01" and stage in EARLY:
            assert verdict == "not_applicable", deal_id
        for field in ("next step", "decision maker", "competitor", "legal date"):
            if rule == "R01" and f"{field} missing" in (detail or ""):
                assert stage in (LATE if field != "legal date" else {"contractsent"}), (deal_id, detail)
                late_details.add(field)
        if rule == "R11" and stage in LATE:
            assert "early stage" not in (detail or ""), deal_id
            judged += verdict != "not_applicable"
    assert len(late_details) >= 2 and judged > 20, (late_details, judged)
    threads = lived.marts.execute(
        """select deals.deal_id, threading.is_late_stage from kpi.threading as threading
           inner join pipeline.deals as deals on threading.deal_key = deals.deal_key and deals.life_state = 'open'
           qualify row_number() over (partition by threading.deal_key order by threading.week_start desc) = 1"""
    ).fetchall()
    assert len(threads) > 20 and not [row for row in threads if row[1] is not (stages[row[0]] in LATE)]


def test_each_rule_was_broken_and_kept(lived):
    rows = lived.marts.execute(
        """select rule_id, count(*) filter (where verdict = 'fail'), count(*) filter (where verdict = 'pass')
           from kpi.crm_rule_results group by rule_id order by rule_id"""
    ).fetchall()
    assert [rule for rule, *_ in rows] == [f"R{number:02}" for number in range(1, 21)]
    assert not [rule for rule, broken, kept in rows if not kept or not broken]


def test_the_worklist_leads_to_the_record_and_to_its_owner(lived):
    rows = lived.marts.execute(
        """select count(*), count(record_url), count(what_to_do), count(*) filter (where broken_since > as_of_date),
               count(*) filter (where owner = 'unknown' and rule_id <> 'R16')
           from kpi.hygiene_worklist, (
               select cast(as_of at time zone 'Europe/Stockholm' as date) as as_of_date from meta.publication
           )"""
    ).fetchone()
    assert rows[0] > 50 and rows[0] == rows[1] == rows[2] and rows[3:] == (0, 0)
