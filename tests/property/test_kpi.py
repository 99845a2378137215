"""The SQL of the deal KPIs against plain Python, on random deals: the compiled models run in an in-memory DuckDB.

Here: Kaplan-Meier, cumulative incidence and restricted means of `sales_cycle_cohort`, the curves of `win_curve` where
histories start late, `win_rate` and `sales_cycle` by member and period, `pipeline_open` day by day, `stage_weights`
snapshot by snapshot. Not here: worked numbers of the catalogue (dbt unit tests in dbt/models/kpi), and what becomes of
customers (test_customers.py).
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from math import ceil, sqrt
from statistics import median

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.property.conftest import AS_OF, TODAY, ZONE

RELAXED = settings(
    max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


# --- censored times ----------------------------------------------------------------------------------------------

durations = st.lists(st.tuples(st.integers(0, 200), st.sampled_from(["won", "lost", "open"])), min_size=1, max_size=40)


def cohort(outcomes: list[tuple[int, str]]) -> list[dict]:
    """Deals accepted so long ago that they closed after, or have been open for, the given number of days."""
    deals = []
    for number, (days, state) in enumerate(outcomes):
        closed = state != "open"
        accepted = TODAY - timedelta(days=days + (20 if closed else 0))
        ended = accepted + timedelta(days=days) if closed else None
        deals.append(
            {
                "deal_key": f"d{number}",
                "life_state": state,
                "order_type": "new_business",
                "sao_at": datetime(accepted.year, accepted.month, accepted.day, 12, tzinfo=UTC),
                "sao_date": accepted,
                "closed_date": ended,
                "booking_date": ended,
                "is_backdated": False,
                "is_excluded": False,
            }
        )
    return deals


def curves(outcomes: list[tuple[int, str]]) -> list[tuple[int, Fraction, Fraction, Fraction]]:
    """(day, S, CIF of win, CIF of loss) at each event day, in exact fractions, by the definition."""
    survival, won, lost = Fraction(1), Fraction(0), Fraction(0)
    steps = []
    for day in sorted({days for days, state in outcomes if state != "open"}):
        at_risk = sum(days >= day for days, _ in outcomes)
        wins, losses = outcomes.count((day, "won")), outcomes.count((day, "lost"))
        won += survival * Fraction(wins, at_risk)
        lost += survival * Fraction(losses, at_risk)
        survival *= 1 - Fraction(wins + losses, at_risk)
        steps.append((day, survival, won, lost))
    return steps


def area(outcomes: list[tuple[int, str]], horizon: int) -> Fraction | None:
    """Area under S up to the horizon, day by day; None where the cohort was not followed that far."""
    steps = curves(outcomes)
    last = steps[-1][1] if steps else Fraction(1)
    if max(days for days, _ in outcomes) < horizon and last > 0:
        return None
    return sum(
        (next((s for d, s, *_ in reversed(steps) if d <= day), Fraction(1)) for day in range(horizon)), Fraction(0)
    )


@pytest.mark.dbt
@RELAXED
@given(outcomes=durations)
@example(
    outcomes=[(10, "won"), (20, "lost"), (30, "lost"), (40, "open")]
)  # a quarter exactly at 10, half exactly at 20
def test_the_cohort_table_is_what_the_definitions_give(run, outcomes):
    [row] = run("sales_cycle_cohort", {"deals": cohort(outcomes)}, "period_grain = 'all' and dimension = 'company'")
    steps = curves(outcomes)
    assert all(survival + won + lost == 1 for _, survival, won, lost in steps)
    assert row["accepted_count"] == len(outcomes)
    assert row["censored_count"] == sum(state == "open" for _, state in outcomes)
    assert row["close_days_median_km"] == next((day for day, s, *_ in steps if s <= Fraction(1, 2)), None)
    assert row["win_days_p25_cif"] == next((day for day, _, won, _ in steps if won >= Fraction(1, 4)), None)
    for horizon in (90, 180):
        expected = area(outcomes, horizon)
        found = row[f"rmst_{horizon}_days"]
        assert found == (None if expected is None else pytest.approx(float(expected), abs=1e-6))


@pytest.mark.dbt
def test_the_cohort_table_agrees_with_lifelines(run):
    from lifelines import KaplanMeierFitter
    from lifelines.utils import restricted_mean_survival_time

    dice = random.Random(3)
    outcomes = [(dice.randint(0, 260), dice.choice(["won", "lost", "open"])) for _ in range(400)]
    [row] = run("sales_cycle_cohort", {"deals": cohort(outcomes)}, "period_grain = 'all' and dimension = 'company'")
    fitter = KaplanMeierFitter().fit([days for days, _ in outcomes], [state != "open" for _, state in outcomes])
    assert row["close_days_median_km"] == fitter.median_survival_time_
    for horizon in (90, 180):
        assert row[f"rmst_{horizon}_days"] == pytest.approx(restricted_mean_survival_time(fitter, t=horizon), abs=1e-6)


late_durations = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 3, 5, 8]), st.integers(0, 12), st.sampled_from(["won", "lost", "open"])
    ),  # (days until the history starts, days until the end, state)
    min_size=1,
    max_size=12,
)


def late_cohort(outcomes: list[tuple[int, int, str]]) -> list[dict]:
    """`cohort`, with histories that start so many days after the acceptance, at 06:00."""
    deals = cohort([(days, state) for _, days, state in outcomes])
    for deal, (entry, *_) in zip(deals, outcomes, strict=True):
        deal["first_observed_at"] = deal["sao_at"] + timedelta(days=entry, hours=-6) if entry else None
    return deals


def is_known(followed: list[tuple[int, int, str]], day: int, at_risk: int, events: int) -> bool:
    """Somebody is at risk from day 0 on up to this day, and S does not fall to 0 while others are to come."""
    reached = all(any(entry <= end < days for entry, days, _ in followed) for _, end, _ in followed if end < day)
    is_exhausted = at_risk == events and any(entry > day for entry, *_ in followed)
    return any(entry == 0 for entry, *_ in followed) and reached and not is_exhausted


@pytest.mark.dbt
@RELAXED
@given(outcomes=late_durations)
@example(outcomes=[(0, 3, "won"), (3, 5, "lost"), (3, 3, "open")])  # at risk on the very day on which it starts
@example(outcomes=[(0, 3, "open"), (5, 8, "won")])  # nobody between 3 and 5
def test_a_deal_is_at_risk_from_the_day_on_which_its_history_starts(run, outcomes):
    rows = run("win_curve", {"deals": late_cohort(outcomes)}, "cohort_start is null and dimension = 'company'")
    found = {row["day"]: (row["at_risk_count"], row["survival"], row["cif_win"], row["cif_loss"]) for row in rows}
    followed = [(entry, days, state) for entry, days, state in outcomes if days >= entry]
    survival, won, lost = Fraction(1), Fraction(0), Fraction(0)
    expected = {}
    for day in sorted({days for _, days, _ in followed}):
        at_risk = sum(entry <= day <= days for entry, days, _ in followed)
        wins, losses = (sum((days, state) == (day, kind) for _, days, state in followed) for kind in ("won", "lost"))
        won += survival * Fraction(wins, at_risk)
        lost += survival * Fraction(losses, at_risk)
        survival *= 1 - Fraction(wins + losses, at_risk)
        values = [pytest.approx(float(value), abs=1e-9) for value in (survival, won, lost)]
        expected[day] = (at_risk, *(values if is_known(followed, day, at_risk, wins + losses) else [None] * 3))
    assert found == expected


@pytest.mark.dbt
def test_a_curve_of_late_histories_and_its_interval_are_those_of_lifelines(run):
    from lifelines import KaplanMeierFitter

    dice = random.Random(5)
    drawn = [(dice.choice([0, dice.randint(1, 90)]), dice.randint(0, 200)) for _ in range(500)]
    outcomes = [
        (entry, days, dice.choice(["won", "lost", "open"])) for entry, days in drawn if days > entry or not entry
    ]
    rows = run("win_curve", {"deals": late_cohort(outcomes)}, "cohort_start is null and dimension = 'company'")
    entries, days, states = zip(*outcomes, strict=True)
    # S2 counts the day on which a history starts, lifelines the time after it
    starts = [max(entry - 0.5, 0) for entry in entries]
    fitter = KaplanMeierFitter().fit(days, [state != "open" for state in states], entry=starts)
    bounds = fitter.confidence_interval_survival_function_
    for row in rows:
        assert row["at_risk_count"] == fitter.event_table["at_risk"][row["day"]]
        assert row["survival"] == pytest.approx(fitter.predict(row["day"]))
        if 0 < row["survival"] < 1:
            assert row["survival_low"] == pytest.approx(bounds.loc[row["day"]].iloc[0], abs=1e-6)
            assert row["survival_high"] == pytest.approx(bounds.loc[row["day"]].iloc[1], abs=1e-6)
    ignoring = KaplanMeierFitter().fit(days, [state != "open" for state in states])
    middle = max(row["day"] for row in rows if row["day"] <= 60)
    assert ignoring.predict(middle) - fitter.predict(middle) > 0.02  # survivors alone look slower than they are


# --- counts by period and member ---------------------------------------------------------------------------------

decided = st.lists(
    st.fixed_dictionaries(
        {
            "life_state": st.sampled_from(["won", "lost", "open", "removed", "merged"]),
            "order_type": st.sampled_from(["new_business", "expansion", "renewal", "contraction", "unknown"]),
            "owner_key": st.sampled_from(["o1", "o2", None]),
            "team": st.sampled_from(["North", "South", None]),
            "lead_source": st.sampled_from(["WEB", None]),
            "pipeline": st.sampled_from(["Sales", "Partner"]),
            "booking": st.integers(0, 500),
            "cycle": st.integers(-3, 120),
            "backdated": st.booleans(),
            "accepted": st.sampled_from([True, True, True, False]),
            "amount_base": st.one_of(st.none(), st.integers(0, 99_999)),
            "is_excluded": st.sampled_from([False, False, False, True]),
        }
    ),
    max_size=30,
)


def decided_deals(drawn: list[dict]) -> list[dict]:
    deals = []
    for number, draw in enumerate(drawn):
        booked = TODAY - timedelta(days=draw["booking"])
        accepted = booked - timedelta(days=draw["cycle"])
        backdated = draw["backdated"] and draw["life_state"] == "won"
        deal = {key: draw[key] for key in ("life_state", "order_type", "owner_key", "team", "lead_source", "pipeline")}
        deal |= {
            "deal_key": f"d{number}",
            "amount_base": draw["amount_base"],
            "booking_date": booked if draw["life_state"] in ("won", "lost") else None,
            "closed_date": booked + timedelta(days=8 if backdated else 0),
            "sao_at": datetime(accepted.year, accepted.month, accepted.day, 12, tzinfo=UTC)
            if draw["accepted"]
            else None,
            "sao_date": accepted if draw["accepted"] else None,
            "is_backdated": backdated,
            "is_excluded": draw["is_excluded"],
        }
        deals.append(deal)
    return deals


def start_of(grain: str, day: date) -> date | None:
    if grain == "week":
        return day - timedelta(days=day.weekday())
    if grain == "month":
        return day.replace(day=1)
    return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1) if grain == "quarter" else None


def cells(deals: list[dict]) -> dict[tuple, list[dict]]:
    """Deals that count, by (grain, start, dimension, member key)."""
    found: dict[tuple, list[dict]] = {}
    for deal in deals:
        if deal["is_excluded"] or deal["life_state"] not in ("won", "lost") or deal["sao_at"] is None:
            continue
        if deal["order_type"] in ("renewal", "contraction"):
            continue
        members = {"company": "all", "team": deal["team"], "owner": deal["owner_key"], "source": deal["lead_source"]}
        members |= {"pipeline": deal["pipeline"], "order_type": deal["order_type"], "product": None, "country": None}
        members |= {"segment": None, "industry": None, "deal_size_band": None}
        for grain in ("week", "month", "quarter", "all"):
            for dimension, member in members.items():
                key = (grain, start_of(grain, deal["booking_date"]), dimension, member or "unknown")
                found.setdefault(key, []).append(deal)
    return found


def days_of(deal: dict) -> int | None:
    ended = deal["closed_date"] if deal["is_backdated"] else deal["booking_date"]
    days = (ended - deal["sao_date"]).days
    return days if days >= 0 else None


@pytest.mark.dbt
@RELAXED
@given(drawn=decided)
def test_rates_and_cycles_of_every_period_and_member(run, drawn):
    deals = decided_deals(drawn)
    inputs = {"deals": deals, "owners": [{"owner_key": "o1", "name": "Ann", "email": None}]}
    expected = cells(deals)
    rates, cycles = (
        {(r["period_grain"], r["period_start"], r["dimension"], r["member_key"]): r for r in run(model, inputs)}
        for model in ("win_rate", "sales_cycle")
    )
    assert rates.keys() == cycles.keys() == expected.keys()
    for key, members in expected.items():
        won = [deal for deal in members if deal["life_state"] == "won"]
        rate, n, z = Fraction(len(won), len(members)), len(members), 1.959964
        half = z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
        assert rates[key]["win_rate"] == pytest.approx(float(rate))
        assert rates[key]["win_rate_low"] == pytest.approx((rate + z * z / (2 * n) - half) / (1 + z * z / n), abs=1e-9)
        assert rates[key]["win_rate_high"] == pytest.approx((rate + z * z / (2 * n) + half) / (1 + z * z / n), abs=1e-9)
        assert rates[key]["won_value"] == sum(deal["amount_base"] or 0 for deal in won)
        assert rates[key]["missing_amount_count"] == sum(deal["amount_base"] is None for deal in members)
        lengths = [days for deal in members if (days := days_of(deal)) is not None]
        assert cycles[key]["won_count"] == rates[key]["won_count"] == len(won)
        assert cycles[key]["closed_days_median"] == (median(lengths) if lengths else None)
        won_lengths = [days for deal in won if (days := days_of(deal)) is not None]
        assert cycles[key]["won_days_mean"] == (
            pytest.approx(sum(won_lengths) / len(won_lengths)) if won_lengths else None
        )


# --- stock of open deals -----------------------------------------------------------------------------------------

stories = st.lists(
    st.tuples(
        st.integers(0, 820 * 24),  # hours before E at which the story begins: not before the first day of the calendar
        st.lists(
            st.tuples(
                st.integers(1, 24 * 90),  # hours that the version lasts
                st.sampled_from(["open", "open", "open", "won", "lost", "removed"]),
                st.sampled_from(["North", "South", None]),
                st.one_of(st.none(), st.integers(0, 9_999)),
                st.one_of(st.none(), st.integers(-20, 100)),  # close date, days after the version began
                st.sampled_from(["sales", "sales", "sales", "partner"]),
            ),
            min_size=1,
            max_size=5,
        ),
        st.sampled_from([False, False, False, True]),
    ),
    max_size=12,
)


def versions_of(drawn: list[tuple]) -> tuple[list[dict], list[dict]]:
    deals, versions = [], []
    for number, (hours, story, is_excluded) in enumerate(drawn):
        key = f"d{number}"
        deals.append({"deal_key": key, "source": "hubspot", "is_excluded": is_excluded, "life_state": "open"})
        start: datetime | None = AS_OF - timedelta(hours=hours)
        for place, (length, state, team, amount, close, pipeline) in enumerate(story):
            if start is None or start > AS_OF:
                break
            end = start + timedelta(hours=length)
            is_last = place == len(story) - 1 or end > AS_OF
            versions.append(
                {
                    "deal_key": key,
                    "valid_from": start,
                    "valid_to": None if is_last else end,
                    "life_state": state,
                    "pipeline": pipeline,
                    "pipeline_id": pipeline,
                    "stage": ("Demo", "Proposal")[place % 2],
                    "stage_rank": (1, 3)[place % 2],
                    "team": team,
                    "amount_base": amount,
                    "amount": amount,
                    "currency": "SEK",
                    "first_date": start.astimezone(ZONE).date(),
                    "end_date": None if is_last else end.astimezone(ZONE).date(),
                    "close_date": None if close is None else start.date() + timedelta(days=close),
                    "is_excluded": is_excluded,
                }
            )
            start = None if is_last else end
    return deals, versions


def snapshot_days() -> list[date]:
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range((TODAY - date(2024, 1, 1)).days + 1)]
    return [day for day in days if (TODAY - day).days <= 400 or (day + timedelta(days=1)).day == 1]


def quarter_of(day: date) -> tuple[date, date]:
    start = date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
    return start, date(start.year + (start.month == 10), (start.month + 2) % 12 + 1, 1)


def standing(versions: list[dict], day: date, state: str) -> list[dict]:
    """Versions of a life state in which deals that count stood at the end of a day."""
    after = day + timedelta(days=1)
    midnight = datetime(after.year, after.month, after.day, tzinfo=ZONE)
    return [
        v
        for v in versions
        if v["life_state"] == state
        and not v["is_excluded"]
        and v["pipeline_id"] == "sales"
        and v["valid_from"] < midnight
        and (v["valid_to"] is None or v["valid_to"] >= midnight)
    ]


def weights() -> list[dict]:
    """A weight for each week of the quarters since mid-2024: Demo by segment, any other stage by its pipeline."""
    quarters = sorted({quarter_of(day)[0] for day in snapshot_days() if day >= date(2024, 7, 1)})
    return [
        {
            "horizon_start": quarter,
            "weeks_left": weeks,
            "level": level,
            "pipeline": "sales",
            "stage": stage,
            "segment": segment,
            "weight": round((1 + number * 14 + weeks) / share, 6),
        }
        for number, quarter in enumerate(quarters)
        for weeks in range(14)
        for level, stage, segment, share in (("segment", "Demo", "unknown", 130), ("pipeline", "all", "all", 170))
    ]


def weight_of(version: dict, day: date, known: dict[tuple, Decimal]) -> Decimal | None:
    start, end = quarter_of(day)
    days_left = (end - day).days - (day != TODAY)  # the as-of day itself is still to come
    return known.get((start, min(13, ceil(days_left / 7)), version["stage"] if version["stage"] == "Demo" else "all"))


def stock(versions: list[dict]) -> dict[tuple, tuple]:
    """What is open at the end of each snapshot day, asked day by day."""
    known = {(w["horizon_start"], w["weeks_left"], w["stage"]): Decimal(str(w["weight"])) for w in weights()}
    cent, found = Decimal("0.01"), {}
    for day in snapshot_days():
        open_now = standing(versions, day, "open")
        for dimension, label in (("company", lambda v: "all"), ("team", lambda v: v["team"] or "unknown")):
            for member in Counter(label(v) for v in open_now):
                mine = [v for v in open_now if label(v) == member]
                late = [v for v in mine if v["close_date"] is not None and v["close_date"] < day]
                due = [
                    v for v in mine if v["close_date"] is not None and quarter_of(v["close_date"]) == quarter_of(day)
                ]
                shares = [weight_of(v, day, known) for v in mine]
                worth = [
                    ((v["amount"] or 0) * p).quantize(cent, ROUND_HALF_UP)
                    for v, p in zip(mine, shares, strict=True)
                    if p is not None
                ]
                found[(day, dimension, member)] = (
                    len(mine),
                    sum(v["amount_base"] or 0 for v in mine),
                    len(late),
                    sum(v["amount_base"] or 0 for v in late),
                    sum(v["amount_base"] is None for v in mine),
                    sum(worth) if worth else None,
                    shares.count(None),
                    sum(v["amount_base"] or 0 for v in due),
                    sum(v["amount_base"] or 0 for v in due if v["stage_rank"] == 3),
                )
    return found


@pytest.mark.dbt
@RELAXED
@given(drawn=stories)
def test_the_running_stock_is_the_stock_of_each_day(run, drawn):
    deals, versions = versions_of(drawn)
    stages = [
        {"source": "hubspot", "pipeline_id": "sales", "is_sales": True},
        {"source": "hubspot", "pipeline_id": "partner", "is_sales": False},
    ]
    rows = run(
        "pipeline_open",
        {"deals": deals, "deal_versions": versions, "stages": stages, "kpi.stage_weights": weights()},
        "dimension in ('company', 'team')",
    )
    names = (
        *("open_count", "open_value", "overdue_count", "overdue_value", "missing_amount_count"),
        *("weighted_value", "unweighted_count", "horizon_value", "horizon_stage_3_value"),
    )
    found = {(r["snapshot_date"], r["dimension"], r["member_key"]): tuple(r[name] for name in names) for r in rows}
    assert found == stock(versions)


def snapshots(versions: list[dict], horizon: date) -> Counter:
    """(weeks left, stage, won or not) of every open deal at the weekly snapshots that a horizon may learn from."""
    quarters = {quarter_of(horizon - timedelta(days=91 * n - 10)) for n in range(1, 9)}
    found: Counter = Counter()
    for start, end in quarters:
        won = {v["deal_key"] for v in standing(versions, end - timedelta(days=1), "won")}
        for weeks in range(14):
            day = end - timedelta(days=7 * weeks - 2 if weeks else 1)
            assert start <= day < end
            found.update((weeks, v["stage"], v["deal_key"] in won) for v in standing(versions, day, "open"))
    return found


@pytest.mark.dbt
@RELAXED
@given(drawn=stories, later=stories)
def test_a_weight_is_the_share_of_past_snapshots_and_knows_nothing_later(run, drawn, later):
    deals, versions = versions_of(drawn)
    only = "level = 'segment' and horizon_start >= date '2025-01-01'"
    rows = run("stage_weights", {"deals": deals, "deal_versions": versions}, only)
    horizons = [date(2025, month, 1) for month in (1, 4, 7, 10)] + [date(2026, 1, 1)]
    expected = {}
    for horizon in horizons:
        seen = snapshots([v for v in versions if v["pipeline_id"] == "sales"], horizon)
        for weeks, stage, _ in seen:
            won = seen[weeks, stage, True]
            expected[horizon, weeks, stage] = (won + seen[weeks, stage, False], won)
    found = {
        (r["horizon_start"], r["weeks_left"], r["stage"]): (r["snapshot_count"], r["won_count"])
        for r in rows
        if r["pipeline"] == "sales"
    }
    assert found == expected

    horizon = datetime(2025, 10, 1, tzinfo=ZONE)
    past = [v for v in versions if v["valid_from"] < horizon]
    for version in past:  # what was still standing then is cut off by something else
        if version["valid_to"] is None or version["valid_to"] >= horizon:
            version |= {"valid_to": horizon, "end_date": horizon.date()}
    others, other = versions_of(later)
    garbage = [v | {"deal_key": "later " + v["deal_key"]} for v in other if v["valid_from"] >= horizon]
    changed = run(
        "stage_weights",
        {
            "deals": deals + [d | {"deal_key": "later " + d["deal_key"]} for d in others],
            "deal_versions": past + garbage,
        },
        only + " and horizon_start <= date '2025-10-01'",
    )
    assert keyed(changed) == keyed([r for r in rows if r["horizon_start"] <= horizon.date()])


def keyed(rows: list[dict]) -> list[tuple]:
    return sorted(tuple(map(str, row.values())) for row in rows)
