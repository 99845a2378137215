"""The SQL of the customer KPIs against plain Python, on random contracts: compiled models in an in-memory DuckDB.

Here: `retention` customer by customer, its renewals day by day and by construction; `churn_curve` in exact fractions
and against lifelines. Not here: worked numbers of the catalogue (dbt unit tests in dbt/models/kpi).
"""

from __future__ import annotations

import itertools
import random
from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.property.conftest import TODAY

RELAXED = settings(
    max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

# --- contracts ---------------------------------------------------------------------------------------------------

FIRST_DAY = date(2023, 1, 1)
agreements = st.lists(
    st.tuples(
        st.sampled_from(["north", "south", "west"]),
        st.integers(0, 1150),
        st.one_of(st.none(), st.integers(-3, 700)),
        st.one_of(st.none(), st.integers(-1, 50)),
        st.sampled_from(["ann", "bo", None]),
    ),
    min_size=1,
    max_size=9,
)


def contracts_of(drawn: list[tuple]) -> list[dict]:
    return [
        {
            "contract_key": f"k{number}",
            "customer_key": customer,
            "start_date": FIRST_DAY + timedelta(days=start),
            "end_date": None if length is None else FIRST_DAY + timedelta(days=start + length),
            "arr_base": arr,
            "acquiring_team": team,
        }
        for number, (customer, start, length, arr, team) in enumerate(drawn)
    ]


def yearly_value(contracts: list[dict], day: date) -> int:
    """What a customer pays a year on a day; a pause, or an end, of up to 60 days goes on with the last value."""
    running = [c for c in contracts if c["start_date"] <= day and (c["end_date"] or date.max) >= day]
    if running:
        return sum(c["arr_base"] for c in running)
    past = [c["end_date"] for c in contracts if c["end_date"] and c["end_date"] < day]
    if not past:
        return 0
    last = max(past)
    following = min((c["start_date"] for c in contracts if c["start_date"] > day), default=None)
    pause = ((following or TODAY) - last).days - 1
    undecided = following is None or following - last > timedelta(days=61)
    if pause <= 60 or (undecided and (TODAY - last).days - 1 <= 60):
        return yearly_value(contracts, last)
    return 0


def usable_customers(contracts: list[dict]) -> dict[str, list[dict]]:
    """Contracts by customer; one that cannot be valued takes its customer out whole."""
    customers: dict[str, list[dict]] = {}
    for contract in contracts:
        customers.setdefault(contract["customer_key"], []).append(contract)
    return {
        key: mine
        for key, mine in customers.items()
        if all(
            c["arr_base"] is not None and c["arr_base"] >= 0 and (c["end_date"] or date.max) >= c["start_date"]
            for c in mine
        )
    }


def retained(contracts: list[dict]) -> dict[tuple, tuple]:
    usable = usable_customers(contracts)
    found: dict[tuple, list[tuple]] = {}
    for month, last in months_before_today():
        for mine in usable.values():
            team = min(mine, key=lambda c: (c["start_date"], c["contract_key"]))["acquiring_team"] or "unknown"
            a_year_ago = date(last.year - 1, last.month, 1)
            ends = dict(months_before_today())
            values = (yearly_value(mine, ends[a_year_ago]) if a_year_ago in ends else 0, yearly_value(mine, last))
            judged = [renewal(mine, stop) for stop in stops_of(mine) if month <= stop - timedelta(days=1) <= last]
            if any(values) or judged:
                found.setdefault((month, "company", "all"), []).append((*values, judged))
                found.setdefault((month, "team", team), []).append((*values, judged))
    return {key: figures(customers) for key, customers in found.items()}


def months_before_today() -> list[tuple[date, date]]:
    starts = [date(year, month, 1) for year in range(FIRST_DAY.year, TODAY.year + 1) for month in range(1, 13)]
    months = [(start, following - timedelta(days=1)) for start, following in itertools.pairwise(starts)]
    return [(start, last) for start, last in months if last < TODAY]


def running_value(contracts: list[dict], day: date) -> int:
    return sum(c["arr_base"] for c in contracts if c["start_date"] <= day and (c["end_date"] or date.max) >= day)


def stops_of(contracts: list[dict]) -> list[date]:
    """The days after the last ones of contracts that are worth anything."""
    ended = {c["end_date"] + timedelta(days=1) for c in contracts if c["end_date"] and c["arr_base"]}
    return sorted(stop for stop in ended if stop <= TODAY)


def renewal(contracts: list[dict], stop: date) -> tuple[int, int, int, int]:
    """(due, renewed on time, late, pending) of what ended on the day before `stop`, asked day by day."""
    ended = [c for c in contracts if c["end_date"] == stop - timedelta(days=1)]
    due = sum(c["arr_base"] for c in ended)
    days = min(61, (stop - max(c["start_date"] for c in ended)).days)
    before = min(running_value(contracts, stop - timedelta(days=n + 1)) for n in range(days))
    now, later = running_value(contracts, stop), running_value(contracts, stop + timedelta(days=60))
    missing = min(due, max(before - now, 0))
    late = min(missing, max(later - now, 0))
    return due, due - missing, late, missing - late if (TODAY - stop).days <= 60 else 0


def calendar_days() -> list[dict]:
    days = [FIRST_DAY + timedelta(days=n) for n in range((TODAY - FIRST_DAY).days + 40)]
    return [{"country": "SE", "date": day, "month_start": day.replace(day=1)} for day in days]


def figures(customers: list[tuple]) -> tuple:
    pairs = [(before, after) for before, after, _ in customers]
    judged = [renewed for *_, renewals in customers for renewed in renewals]
    base = sum(before for before, _ in pairs)
    stayed = [(before, after) for before, after in pairs if before]
    return (
        base,
        sum(after for _, after in pairs),
        sum(after for before, after in pairs if not before),
        sum(before for before, after in stayed if not after),
        sum(min(before, after) for before, after in stayed) / base if base else None,
        sum(after for _, after in stayed) / base if base else None,
        len(stayed),
        sum(not after for _, after in stayed),
        len(judged),
        *(sum(renewed[place] for renewed in judged) for place in range(4)),
        sum(renewed[1] for renewed in judged) / sum(renewed[0] for renewed in judged) if judged else None,
    )


@pytest.mark.dbt
@RELAXED
@given(drawn=agreements)
@example(drawn=[("north", 0, 99, 10, "ann"), ("north", 160, None, 20, None)])  # a pause of 60 days
@example(drawn=[("north", 0, 99, 10, "ann"), ("north", 161, None, 20, None)])  # 61 days are churn
def test_retention_of_every_month_and_team(run, drawn):
    contracts = contracts_of(drawn)
    rows = run("retention", {"contracts": contracts, "calendar": calendar_days()}, "dimension in ('company', 'team')")
    names = ("opening_arr", "closing_arr", "new_arr", "churn", "grr", "nrr", "customer_count", "churned_count")
    names += ("due_count", "due_arr", "renewed_on_time_arr", "renewed_late_arr", "pending_renewal_arr")
    names += ("on_time_renewal_rate",)
    found = {(r["month"], r["dimension"], r["member_key"]): tuple(r[name] for name in names) for r in rows}
    assert found == {key: pytest.approx(value) for key, value in retained(contracts).items()}


terms = st.lists(st.tuples(st.integers(200, 400), st.integers(-90, 90), st.integers(1, 50)), min_size=1, max_size=6)


@pytest.mark.dbt
@RELAXED
@given(drawn=terms)
@example(drawn=[(300, 0, 10), (300, -60, 10), (300, -61, 10), (300, 60, 10)])  # the same day, 60 and 61 days early
@example(drawn=[(300, 60, 10), (300, 61, 10), (200, 0, 10)])  # 60 and 61 days late
def test_renewals_of_a_chain_of_contracts(run, drawn):
    """One customer, one contract at a time: what each was renewed by is known from how the chain was made."""
    contracts, expected, start = [], [0, 0, 0], FIRST_DAY
    for number, (length, gap, arr) in enumerate(drawn):
        stop = start + timedelta(days=length)
        end = stop - timedelta(days=1)
        contracts.append({"contract_key": f"k{number}", "customer_key": "north", "start_date": start, "end_date": end})
        contracts[-1] |= {"arr_base": arr, "acquiring_team": "ann"}
        following = drawn[number + 1][2] if number + 1 < len(drawn) else 0
        if stop <= date(TODAY.year, TODAY.month, 1):
            expected[0] += arr
            expected[1] += min(arr, following) if -60 <= gap <= 0 else 0
            expected[2] += min(arr, following) if 1 <= gap <= 60 else 0
        start = stop + timedelta(days=gap)
    rows = run("retention", {"contracts": contracts, "calendar": calendar_days()}, "dimension = 'company'")
    names = ("due_arr", "renewed_on_time_arr", "renewed_late_arr")
    assert [sum(row[name] for row in rows) for name in names] == expected


# --- early churn -------------------------------------------------------------------------------------------------


def has_contract(contracts: list[dict], day: date) -> bool:
    """On a day, or in a pause of at most 60 days, or ended so short a while ago that it may still be renewed."""
    if any(c["start_date"] <= day and (c["end_date"] or date.max) >= day for c in contracts):
        return True
    last = max(c["end_date"] for c in contracts if c["end_date"] and c["end_date"] < day)
    following = min((c["start_date"] for c in contracts if c["start_date"] > last), default=None)
    return ((following - last).days - 1 if following else (TODAY - last).days - 1) <= 60


def lifetimes(contracts: list[dict]) -> dict[str, list[tuple[int, bool]]]:
    """(days to the first day without a contract or to today, has lapsed) of each customer, by acquiring team."""
    found: dict[str, list[tuple[int, bool]]] = {}
    for mine in usable_customers(contracts).values():
        first = min(mine, key=lambda c: (c["start_date"], c["contract_key"]))
        start = first["start_date"]
        if start > TODAY or running_value(mine, start) == 0:
            continue
        days = (start + timedelta(days=n) for n in range((TODAY - start).days + 1))
        lapse = next((day for day in days if not has_contract(mine, day)), None)
        team = first["acquiring_team"] or "unknown"
        found.setdefault(team, []).append((((lapse or TODAY) - start).days, lapse is not None))
    return found


@pytest.mark.dbt
@RELAXED
@given(drawn=agreements)
@example(drawn=[("north", 0, 99, 10, "ann"), ("north", 160, None, 20, None), ("south", 0, 99, 10, "ann")])
@example(drawn=[("north", 900, 220, 10, "ann"), ("south", 900, 221, 10, "ann"), ("west", 1185, None, 10, "ann")])
def test_the_churn_curve_is_what_the_definition_gives(run, drawn):
    contracts = contracts_of(drawn)
    rows = run("churn_curve", {"contracts": contracts}, "dimension = 'team'")
    expected = {}
    for team, lives in lifetimes(contracts).items():
        survival = Fraction(1)
        for day in sorted({days for days, _ in lives}):
            at_risk, lapsed = sum(days >= day for days, _ in lives), lives.count((day, True))
            survival *= 1 - Fraction(lapsed, at_risk)
            expected[(team, day)] = (at_risk, lapsed, lives.count((day, False)), pytest.approx(float(survival)))
    names = ("at_risk_count", "lapsed_count", "censored_count", "survival")
    assert {(r["member_key"], r["day"]): tuple(r[name] for name in names) for r in rows} == expected


@pytest.mark.dbt
def test_the_churn_curve_agrees_with_lifelines(run):
    from lifelines import KaplanMeierFitter

    dice = random.Random(11)
    contracts = []
    for number in range(200):
        age, length = dice.randint(100, 900), dice.choice([None, dice.randint(30, 900)])
        start = TODAY - timedelta(days=age)
        end = None if length is None else start + timedelta(days=length)
        contracts.append({"contract_key": f"k{number}", "customer_key": f"c{number}", "start_date": start})
        contracts[-1] |= {"end_date": end, "arr_base": 10, "acquiring_team": "ann"}
    lives = lifetimes(contracts)["ann"]
    fitter = KaplanMeierFitter().fit([days for days, _ in lives], [lapsed for _, lapsed in lives])
    bounds = fitter.confidence_interval_survival_function_
    for row in run("churn_curve", {"contracts": contracts}, "dimension = 'team' and lapsed_count > 0"):
        assert row["survival"] == pytest.approx(fitter.predict(row["day"]))
        if row["survival"] > 0:
            assert row["survival_low"] == pytest.approx(bounds.loc[row["day"]].iloc[0], abs=1e-6)
            assert row["survival_high"] == pytest.approx(bounds.loc[row["day"]].iloc[1], abs=1e-6)
