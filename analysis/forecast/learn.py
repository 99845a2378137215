"""What a period's forecasts learn from the periods before it: rates by cell, hazards, arrivals, shares of the way.

A period is learnt for once, at its first day: labels are how deals stood on that day, so that no origin of the period
knows a result that came after it. Deals that were still open then are censored: a past snapshot counts as booked in
its own period or not, and a hazard sees a deal for as long as it was seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analysis.forecast.inputs import NO_CLOSE_DATE, Array, Codes, Inputs, Open
from analysis.forecast.rates import shares_by_cell, win_within

TRAINED_ON = 8  # quarters
HAZARD_ON = 6  # quarters: hazards are of now rather than of the company's whole past
AGES = 53  # weeks; older deals are as they were at one year
AGE_BANDS = np.searchsorted([2, 4, 8, 13, 26, 52], np.arange(AGES), side="right")
BAND_STRENGTH = 30.0  # deal-weeks that a stage's hazard over all ages counts for beside that of one age
MOVE_STRENGTH = 10.0
SEGMENT_STRENGTH = 20.0  # expected wins
PACE_STRENGTH = 15.0
FEW_WINS = 10
WEEKS = 14
DECIMALS = 9  # of what is learnt: a stage that comes later changes the order of sums, and their last digits


@dataclass
class Learnt:
    """Of one period. Chances are by row of open deals of the period; money is by weeks left."""

    chances: dict[str, Array] = field(default_factory=dict)
    value_factor: dict[str, float] = field(default_factory=dict)  # what is booked for what was typed, at these chances
    new_count: Array | None = None  # deals booked that were not open at the origin, by weeks left
    new_amounts: Array | None = None  # what such deals were booked at
    new_team_share: Array | None = None
    arrival_wins: Array | None = None  # of one new deal a week: booked by the end, by weeks left
    global_rate: float = float("nan")
    mean_amount: float = float("nan")


@dataclass(frozen=True)
class Labels:
    """Wins as they stood on a day: where each deal is booked (-1: not won) and at what."""

    quarter: Codes
    amount: Array
    team: Codes


def labels_at(inputs: Inputs, day: int) -> Labels:
    quarter = np.full(inputs.counts["deal"], -1, dtype=np.int64)
    amount, team = np.zeros(len(quarter)), np.zeros(len(quarter), dtype=np.int64)
    stand = inputs.won.at(day)
    deal = inputs.won.deal[stand]
    quarter[deal], amount[deal], team[deal] = (
        column[stand] for column in (inputs.won.quarter, inputs.won.amount, inputs.won.team)
    )
    return Labels(quarter, amount, team)


def learn(inputs: Inputs, period: int, arrivals: Array) -> Learnt | None:
    """For the origins of `period`, from those before it; None where nothing is to be learnt. `arrivals`: by origin."""
    day = int(inputs.quarter_start[period])
    labels = labels_at(inputs, day)
    first = max(inputs.first_whole, period - TRAINED_ON)
    past = (inputs.quarter < period) & (inputs.quarter >= first) & inputs.is_monday()
    rows, own = inputs.open.rows(past), inputs.open.rows(inputs.quarter == period)
    if not rows.any() or not (labels.quarter >= 0).any():
        return None
    both = np.flatnonzero(rows | own)
    deals = Open(*(getattr(inputs.open, name)[both] for name in inputs.open.__dataclass_fields__))
    is_past = rows[both]
    quarter, weeks = inputs.quarter[deals.origin], inputs.weeks_left[deals.origin]
    booked = is_past & (labels.quarter[deals.deal] == quarter)
    learnt = Learnt()
    learnt.global_rate = float(booked[is_past].mean())
    learnt.mean_amount = float(labels.amount[labels.quarter >= 0].mean())
    amount = np.where(np.isfinite(deals.amount), deals.amount, learnt.mean_amount)
    hazards = _Hazards.of(inputs, deals, is_past, labels, day)
    chances = {
        "stage_weighted": _cells(weeks, deals.stage, deals.segment, booked, is_past),
        "hazard": hazards.chances(inputs, deals, booked, is_past),
        "seller_call": _cells(weeks, _call(deals), deals.category, booked, is_past),
    }
    for name, raw in chances.items():
        chance = np.round(raw, DECIMALS)
        stated = float((chance * amount)[is_past].sum())
        came = float(labels.amount[deals.deal[booked]].sum())
        certain = stated > 0 and booked.sum() >= FEW_WINS
        learnt.value_factor[name] = round(float(np.clip(came / stated, 0.25, 2.0)), DECIMALS) if certain else 1.0
        learnt.chances[name] = chance[~is_past]
    _learn_new(inputs, learnt, period, past, labels, hazards.of_arrivals(), arrivals)
    return learnt


def _cells(weeks: Codes, group: Codes, member: Codes, booked: Array, is_past: Array) -> Array:
    """Share booked of past snapshots with as many weeks left, by group and member; for every row."""
    groups, group = np.unique(group, return_inverse=True)
    members, member = np.unique(member, return_inverse=True)
    shape = (WEEKS, len(groups), len(members))
    cell = np.ravel_multi_index((weeks, group, member), shape)
    seen = np.bincount(cell[is_past], minlength=np.prod(shape)).reshape(shape).astype(np.float64)
    won = np.bincount(cell[booked], minlength=np.prod(shape)).reshape(shape).astype(np.float64)
    return shares_by_cell(won, seen).ravel()[cell]


def _call(deals: Open) -> Codes:
    """The seller's word by close date: overdue, in the period, the quarter after it, later, none."""
    after = deals.close_after_end
    timing = np.select(
        [after == NO_CLOSE_DATE, deals.is_overdue, after < -30, after < 0, after < 31, after < 92], range(6), 6
    )
    return timing.astype(np.int64)


@dataclass(frozen=True)
class _Hazards:
    """F3 by stage and age in weeks: chance to be booked within so many weeks."""

    within: Array  # (weeks, age, stage)
    entry: Array  # share of stages in which deals are first seen

    @staticmethod
    def of(inputs: Inputs, deals: Open, is_past: Array, labels: Labels, day: int) -> _Hazards:
        stages = inputs.counts["stage"]
        age = np.minimum(deals.age // 7, AGES - 1)
        recent = is_past & (inputs.day[deals.origin] >= day - HAZARD_ON * 91) & (inputs.day[deals.origin] + 7 <= day)
        here = np.flatnonzero(recent)
        # the same deal one Monday later: rows are ordered by origin, then deal
        size = inputs.counts["deal"]
        key = deals.origin * size + deals.deal
        next_key = (deals.origin[here] + 1) * size + deals.deal[here]
        place = np.minimum(np.searchsorted(key, next_key), len(key) - 1)
        stays = key[place] == next_key
        # won a week later, as it was known then
        won = ~stays & _won_at(inputs, deals.deal[here], inputs.day[deals.origin[here]] + 7)
        band = AGE_BANDS[age[here]]
        shape = (AGE_BANDS.max() + 1, stages)
        cell = band * stages + deals.stage[here]
        seen = np.bincount(cell, minlength=np.prod(shape)).reshape(shape).astype(np.float64)
        wins = np.bincount(cell[won], minlength=np.prod(shape)).reshape(shape).astype(np.float64)
        moves = np.zeros((*shape, stages))
        np.add.at(moves, (band[stays], deals.stage[here][stays], deals.stage[place[stays]]), 1.0)
        overall = seen.sum(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            base_win = np.where(overall > 0, wins.sum(0) / overall, 0.0)
            base_move = np.where(overall[:, None] > 0, moves.sum(0) / overall[:, None], np.eye(stages))
        win = (wins + BAND_STRENGTH * base_win) / (seen + BAND_STRENGTH)
        move = (moves + MOVE_STRENGTH * base_move) / (seen + MOVE_STRENGTH)[..., None]
        left = inputs.weeks_left[deals.origin[here]]
        expected = np.bincount(left, win[band, deals.stage[here]], minlength=WEEKS)
        came = np.bincount(left[won], minlength=WEEKS)
        pace = (came + PACE_STRENGTH) / (expected + PACE_STRENGTH)
        young = np.bincount(deals.stage[here][age[here] == 0], minlength=stages) + 1e-9
        within = win_within(win[AGE_BANDS], move[AGE_BANDS], WEEKS, pace)
        return _Hazards(within, young / young.sum())

    def chances(self, inputs: Inputs, deals: Open, booked: Array, is_past: Array) -> Array:
        """For every row; a segment's are drawn from all segments' by what was booked against what was expected."""
        weeks = inputs.days_left[deals.origin] / 7
        age, below = np.minimum(deals.age // 7, AGES - 1), np.floor(weeks).astype(np.int64)
        part = weeks - below
        chance = (1 - part) * self.within[below, age, deals.stage]
        chance += part * self.within[np.minimum(below + 1, WEEKS), age, deals.stage]
        segment = deals.segment
        size = int(segment.max()) + 1
        came = np.bincount(segment[booked], minlength=size)
        stated = np.bincount(segment[is_past], chance[is_past], minlength=size)
        level = came.sum() / max(1e-9, stated.sum()) if came.sum() >= FEW_WINS else 1.0
        factor = level * (came + SEGMENT_STRENGTH) / (stated * level + SEGMENT_STRENGTH)
        return np.minimum(0.98, chance * factor[segment])

    def of_arrivals(self) -> Array:
        """Booked by the end of the period, of one new deal in each week that is left."""
        one = self.within[:, 0, :] @ self.entry
        return np.concatenate([[0.0], np.cumsum((one[:-1] + one[1:]) / 2)])[:WEEKS]


def _won_at(inputs: Inputs, deal: Codes, day: Codes) -> Array:
    """Whether a deal stood as won on a day; its stretches are ordered and do not overlap."""
    if not len(inputs.won.deal):
        return np.zeros(len(deal), dtype=bool)
    key = inputs.won.deal * 100_000 + inputs.won.from_day
    place = np.searchsorted(key, deal * 100_000 + day, side="right") - 1
    found = np.maximum(place, 0)
    return (place >= 0) & (inputs.won.deal[found] == deal) & (inputs.won.to_day[found] > day)


def _learn_new(
    inputs: Inputs, learnt: Learnt, period: int, past: Array, labels: Labels, arrivals: Array, rate: Array
) -> None:
    """What is booked of deals that stood neither open nor won on the origin: of the last four periods."""
    size = inputs.counts["deal"]
    counts, origins, expected = np.zeros(WEEKS), np.zeros(WEEKS), np.zeros(WEEKS)
    amounts, share = [], np.zeros(inputs.counts["team"])
    open_keys = inputs.open.origin * size + inputs.open.deal
    for origin in np.flatnonzero(past & (inputs.quarter >= period - 4)):
        booked = np.flatnonzero(labels.quarter == inputs.quarter[origin])
        key = origin * size + booked
        place = np.minimum(np.searchsorted(open_keys, key), max(0, len(open_keys) - 1))
        is_open = open_keys[place] == key if len(open_keys) else np.zeros(len(key), dtype=bool)
        new = booked[~is_open & ~_won_at(inputs, booked, np.full(len(booked), inputs.day[origin]))]
        week = inputs.weeks_left[origin]
        counts[week] += len(new)
        origins[week] += 1
        expected[week] += arrivals[week] * rate[origin]
        amounts.append(labels.amount[new])
        share += np.bincount(labels.team[new], minlength=len(share))
    with np.errstate(divide="ignore", invalid="ignore"):
        learnt.new_count = np.where(origins > 0, counts / origins, 0.0)
    learnt.new_amounts = np.concatenate(amounts) if amounts else np.zeros(0)
    learnt.new_team_share = share / share.sum() if share.sum() else np.full(len(share), 1 / max(1, len(share)))
    came, stated = counts.sum(), expected.sum()
    learnt.arrival_wins = np.round(arrivals * ((came + 1) / (stated + 1)), DECIMALS)


def arrival_rate(inputs: Inputs) -> Array:
    """By origin: deals a week that were first seen open in the 26 weeks up to it (fewer where history is shorter)."""
    _, first = np.unique(inputs.open.deal, return_index=True)
    first_day = np.sort(inputs.day[inputs.open.origin[first]])
    begun = inputs.day[0]
    since = np.maximum(inputs.day - 182, begun)
    seen = np.searchsorted(first_day, inputs.day, side="right") - np.searchsorted(first_day, since, side="right")
    return seen / np.maximum(1.0, (inputs.day - since) / 7)
