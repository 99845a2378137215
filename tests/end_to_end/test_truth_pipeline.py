"""What moved in the practice company's pipeline, told from its log in plain Python: M06, M07, M10 and M19.

Deals are replayed change by change; nothing here comes from the SQL but which periods and windows to look at.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

pytestmark = [pytest.mark.night, pytest.mark.timeout(600)]

ZONE = ZoneInfo("Europe/Stockholm")


@dataclass(frozen=True)
class State:
    life: str
    amount: Decimal | None
    close_date: date | None
    closed_at: datetime | None  # start of the present won or lost time
    amount_at_close: Decimal | None
    close_date_at_close: date | None

    @property
    def value(self) -> Decimal:
        held = self.amount_at_close if self.life in ("won", "lost") else self.amount
        return held or Decimal(0)

    @property
    def booking_date(self) -> date:
        assert self.closed_at is not None
        closed = self.closed_at.astimezone(ZONE).date()
        return self.close_date_at_close or closed if self.life == "won" else closed


class Story:
    """A deal's states in order; `at(day)` is the one at the start of a local day, None before the deal was."""

    def __init__(self, deal: dict, lives: dict[str, str]):
        self.created_at = datetime.fromisoformat(deal["created_at"])
        values: dict[str, str | None] = {}
        self.states: list[tuple[datetime, State]] = []
        by_instant: dict[datetime, list] = defaultdict(list)
        for at, name, value in deal["changes"]:
            by_instant[datetime.fromisoformat(at)].append((name, value))
        closed: tuple = (None, None, None, None)
        for at in sorted(by_instant):
            values |= dict(by_instant[at])
            life = lives.get(values.get("dealstage") or "", "open")
            life = "merged" if values.get("merged") else "removed" if values.get("removed") else life
            amount = None if values.get("amount") is None else Decimal(values["amount"])
            close_date = None if values.get("closedate") is None else date.fromisoformat(values["closedate"])
            if life != closed[0]:
                closed = (life, at, amount, close_date)
            self.states.append((at, State(life, amount, close_date, *closed[1:])))

    def at(self, day: date) -> State | None:
        midnight = datetime(day.year, day.month, day.day, tzinfo=ZONE)
        return next((state for at, state in reversed(self.states) if at < midnight), None)


@pytest.fixture(scope="module")
def lives(lived) -> dict[str, str]:
    return dict(lived.marts.execute("select stage_id, life_state from pipeline.stages").fetchall())


@pytest.fixture(scope="module")
def stories(lived, lives) -> dict[str, Story]:
    """Deals that the marts hold; a record whose history goes on in the one it was merged into is told by that one.

    A deal archived before it was ever read has left its last values and no history: they reach back to its creation.
    One archived and restored before that has never been away: the vendor keeps no history of it."""
    truth = lived.truth["deals"]
    found = {}
    for (deal_id,) in lived.marts.execute("select deal_id from pipeline.deals").fetchall():
        deal = truth[deal_id]
        survivor = truth.get(deal["merged_into"] or "")
        if survivor is not None and survivor["created_at"] == deal["created_at"]:
            continue
        removals = [at for at, name, value in deal["changes"] if name == "removed" and value]
        if removals and deal["life_state"] == "removed" and removals[-1] < lived.first_as_of[:19]:
            last = {name: value for _, name, value in deal["changes"] if name != "removed"}
            flat = [[deal["created_at"], name, value] for name, value in last.items()]
            deal = deal | {"changes": [*flat, [removals[-1], "removed", "true"]]}
        unread = [value for at, name, value in deal["changes"] if name == "removed" and at < lived.first_as_of[:19]]
        if unread and not unread[-1]:
            changes = [c for c in deal["changes"] if c[1] != "removed" or c[0] >= lived.first_as_of[:19]]
            deal = deal | {"changes": changes}
        found[deal_id] = Story(deal, lives)
    return found


@pytest.fixture(scope="module")
def accepted(lived, stories) -> dict[str, datetime]:
    """When each deal was accepted; one archived unread in a closed stage has no open stage left that says so."""
    instants = {}
    for deal_id, story in stories.items():
        sao_at = lived.truth["deals"][deal_id]["sao_at"]
        is_unread_loss = story.states[0][1].life in ("won", "lost") and story.states[-1][1].life == "removed"
        if sao_at is not None and not is_unread_loss:
            instants[deal_id] = datetime.fromisoformat(sao_at)
    return instants


def inside(state: State | None, start: date | None, end: date | None) -> bool:
    if state is None or state.life != "open":
        return False
    return start is None or (state.close_date is not None and start <= state.close_date < end)


def buckets(stories: dict[str, Story], row: dict) -> Counter:
    """M07 for one interval and window, deal by deal."""
    found: Counter = Counter()
    start, end = row["window_start"], row["window_end"]
    for story in stories.values():
        before, after = story.at(row["from_date"]), story.at(row["to_date"])
        was_in, is_in = inside(before, start, end), inside(after, start, end)
        if was_in:
            found["opening"] += before.amount or Decimal(0)
            change = after.value - (before.amount or Decimal(0))
            found["increased" if change > 0 else "decreased"] += abs(change)
        if is_in:
            found["closing"] += after.value
        closed_here = (
            after is not None
            and after.life in ("won", "lost")
            and after.closed_at.astimezone(ZONE).date() >= row["from_date"]
            and (start is None or start <= after.booking_date < end)
        )
        if not was_in and (is_in or closed_here):
            if before is None:
                found["created"] += after.value
            elif before.life in ("won", "lost"):
                found["reopened"] += after.value
            elif before.life in ("removed", "merged"):
                found["restored"] += after.value
            else:
                overdue = start is not None and before.close_date is not None and before.close_date < start
                found["pushed_in" if overdue else "pulled_in"] += after.value
        if (was_in or closed_here) and not is_in:
            if after.life != "open":
                found[after.life] += after.value
            else:
                early = start is not None and after.close_date is not None and after.close_date < start
                found["pulled_out" if early else "pushed_out"] += after.value
    return found


BUCKETS = (
    "opening created reopened pulled_in pushed_in restored increased decreased "
    "won lost merged removed pushed_out pulled_out closing"
).split()


@pytest.mark.parametrize("grain", ["week", "month"])
def test_the_waterfall_is_what_happened(lived, stories, grain):
    cursor = lived.marts.execute(
        """select * from kpi.pipeline_change where period_grain = ? and dimension = 'company'
           order by from_date desc, close_window limit 24""",
        [grain],
    )
    names = [column[0] for column in cursor.description]
    for values in cursor.fetchall():
        row = dict(zip(names, values, strict=True))
        expected = buckets(stories, row)
        wrong = {name: (row[name], expected[name]) for name in BUCKETS if row[name] != expected[name]}
        assert not wrong, (row["from_date"], row["close_window"], wrong)


def quarter(day: date) -> date:
    return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)


def test_pushes_and_slips_of_every_quarter(lived, stories):
    today = date.fromisoformat(lived.truth["as_of"][:10])
    rows = lived.marts.execute(
        """select period_start, open_at_start_count, open_at_start_value, pushed_count, slipped_count, slipped_value
           from kpi.slippage where period_grain = 'quarter' and dimension = 'company' order by 1"""
    ).fetchall()
    assert len(rows) > 4
    for start, *found in rows:
        end = quarter(start + timedelta(days=95))
        due = [story for story in stories.values() if inside(story.at(start), start, end)]
        ends = [(story.at(start), story.at(end)) for story in due]
        pushed = [b for b, a in ends if a.life == "open" and a.close_date is not None and a.close_date >= end]
        slipped = [b for b, a in ends if a.life != "won"]
        over = end <= today
        assert found == [
            len(due), sum(b.amount or 0 for b, _ in ends), len(pushed),
            len(slipped) if over else None, sum(b.amount or 0 for b in slipped) if over else None,
        ], start  # fmt: skip


def test_cohorts_of_acceptance(lived, accepted):
    expected: dict[date, Counter] = defaultdict(Counter)
    for deal_id, at in accepted.items():
        expected[quarter(at.astimezone(ZONE).date())][lived.truth["deals"][deal_id]["life_state"]] += 1
    rows = lived.marts.execute(
        """select period_start, won_count, lost_count, open_count, removed_count, merged_count from kpi.win_rate_cohort
           where period_grain = 'quarter' and dimension = 'company'"""
    ).fetchall()
    states = ("won", "lost", "open", "removed", "merged")
    assert {start: counts for start, *counts in rows} == {
        start: [counted[state] for state in states] for start, counted in expected.items()
    }


def test_created_pipeline_is_what_stood_a_fortnight_after(lived, stories, accepted):
    as_of = lived.marts.execute("select as_of from meta.publication").fetchone()[0]
    expected: dict[date, list] = defaultdict(lambda: [0, Decimal(0)])
    for deal_id, at in accepted.items():
        then = min(at + timedelta(days=14), as_of)
        stood = next(state for since, state in reversed(stories[deal_id].states) if since <= then)
        cell = expected[quarter(at.astimezone(ZONE).date())]
        cell[0] += 1
        cell[1] += stood.amount or 0
    rows = lived.marts.execute(
        """select period_start, created_count, created_value from kpi.pipeline_created
           where period_grain = 'quarter' and dimension = 'company'"""
    ).fetchall()
    assert {start: found for start, *found in rows} == expected
