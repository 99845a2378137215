"""What every method expects by origin and team, in parts: won, of the open pipeline, of deals not created yet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.forecast.inputs import Array, Inputs
from analysis.forecast.learn import Learnt, arrival_rate, learn
from analysis.forecast.rates import paced

DEAL_METHODS = ("stage_weighted", "hazard", "seller_call")  # those that give every open deal a chance
METHODS = (*DEAL_METHODS, "pacing", "ensemble")
BASELINES = ("last_period", "same_period_last_year", "global_rate")
ALL = (*METHODS, *BASELINES)
PACED_ON = 8  # quarters
GUESS = 0.25  # standard deviation of what nothing is known of, in its own size


@dataclass
class Parts:
    """By (origin, team). `rest` is all that is to come; `open` and `new` are NaN where a method knows no parts."""

    rest: Array
    open: Array
    new: Array
    variance: Array


@dataclass
class Expected:
    won: Array  # (origin, team): booked in the period of the origin, as known on it
    parts: dict[str, Parts]
    chances: dict[str, Array]  # by row of inputs.open; NaN where nothing was learnt
    values: dict[str, Array]  # what the row is booked at if it is won
    learnt: dict[int, Learnt]  # by period
    known: dict[int, Array]  # by period: bookings of all quarters by (quarter, team), as they stood on its first day


def expect(inputs: Inputs) -> Expected:
    """All but the ensemble, which weighs the others by how they did."""
    origins, teams = len(inputs.day), inputs.counts["team"]

    def nothing() -> Array:
        return np.full((origins, teams), np.nan)

    found = Expected(
        won=np.stack([bookings(inputs, int(day))[q] for day, q in zip(inputs.day, inputs.quarter, strict=True)]),
        parts={name: Parts(nothing(), nothing(), nothing(), nothing()) for name in ALL},
        chances={name: np.full(len(inputs.open.deal), np.nan) for name in DEAL_METHODS},
        values={name: np.full(len(inputs.open.deal), np.nan) for name in DEAL_METHODS},
        learnt={},
        known={},
    )
    rate = arrival_rate(inputs)
    for period in range(len(inputs.quarter_start)):
        found.known[period] = bookings(inputs, int(inputs.quarter_start[period]))
        here = np.flatnonzero(inputs.quarter == period)
        learnt = learn(inputs, period, rate) if period else None
        if learnt:
            found.learnt[period] = learnt
            _of_deals(inputs, found, learnt, here, rate)
        if period:
            _of_periods(inputs, found, period, here)
    return found


def bookings(inputs: Inputs, day: int) -> Array:
    """By (quarter, team), of the deals that stood as won at the end of a day."""
    stand = inputs.won.at(day) & (inputs.won.quarter >= 0)
    shape = (len(inputs.quarter_start), inputs.counts["team"])
    cell = inputs.won.quarter[stand] * shape[1] + inputs.won.team[stand]
    return np.bincount(cell, inputs.won.amount[stand], minlength=shape[0] * shape[1]).reshape(shape)


def _of_deals(inputs: Inputs, found: Expected, learnt: Learnt, here: Array, rate: Array) -> None:
    rows = np.flatnonzero(np.isin(inputs.open.origin, here))
    origins, teams = len(inputs.day), inputs.counts["team"]
    cell = inputs.open.origin[rows] * teams + inputs.open.team[rows]
    amount = inputs.open.amount[rows]
    amount = np.where(np.isfinite(amount), amount, learnt.mean_amount)

    def by_team(weights: Array) -> Array:
        return np.bincount(cell, weights, minlength=origins * teams).reshape(origins, teams)[here]

    assert learnt.new_count is not None and learnt.arrival_wins is not None
    assert learnt.new_amounts is not None and learnt.new_team_share is not None
    sized = learnt.new_amounts if len(learnt.new_amounts) else np.array([learnt.mean_amount])
    weeks = inputs.weeks_left[here]
    part = np.clip(inputs.days_left[here] / 7 / np.maximum(1, weeks), 0, 1)
    for name in DEAL_METHODS:
        chance, value = learnt.chances[name], amount * learnt.value_factor[name]
        found.chances[name][rows], found.values[name][rows] = chance, value
        count = learnt.arrival_wins[weeks] * rate[here] if name == "hazard" else learnt.new_count[weeks]
        count = (count * part)[:, None] * learnt.new_team_share
        parts = found.parts[name]
        parts.open[here], parts.new[here] = by_team(chance * value), count * sized.mean()
        parts.rest[here] = parts.open[here] + parts.new[here]
        parts.variance[here] = by_team(chance * (1 - chance) * value**2) + count * np.mean(sized**2)
    flat = found.parts["global_rate"]
    flat.open[here], flat.new[here] = by_team(learnt.global_rate * amount), 0.0
    flat.rest[here] = flat.open[here]
    flat.variance[here] = by_team(learnt.global_rate * (1 - learnt.global_rate) * amount**2)


def _of_periods(inputs: Inputs, found: Expected, period: int, here: Array) -> None:
    """Pacing and the baselines, which look at whole periods. Pacing's rest goes to teams as past bookings did."""
    known = found.known[period]
    for name, back in (("last_period", 1), ("same_period_last_year", 4)):
        if period - back >= inputs.first_whole:
            found.parts[name].rest[here] = known[period - back] - found.won[here]
            found.parts[name].variance[here] = (GUESS * known[period - back]) ** 2
    past = np.arange(max(inputs.first_whole, period - PACED_ON), period)
    if not len(past):
        return
    recent = known[past[-4:]].sum(0)
    share = recent / recent.sum() if recent.sum() > 0 else np.full(len(recent), 1 / max(1, len(recent)))
    finals = known[past].sum(1)
    for origin in here:
        then = np.array([_at_same_place(inputs, int(origin), int(quarter)) for quarter in past])
        so_far = float(found.won[origin].sum())
        rest = (paced(so_far, finals, then) - so_far) * share
        found.parts["pacing"].rest[origin] = rest
        found.parts["pacing"].variance[origin] = (2 * GUESS * rest) ** 2


def _at_same_place(inputs: Inputs, origin: int, quarter: int) -> float:
    """What was won of a past quarter after as many weekdays of it, as known then."""
    start = np.datetime64(int(inputs.quarter_start[inputs.quarter[origin]]), "D")
    passed = int(np.busday_count(start, np.datetime64(int(inputs.day[origin]) + 1, "D")))
    first = np.datetime64(int(inputs.quarter_start[quarter]), "D")
    place = int((np.busday_offset(first, passed, roll="forward") - 1).astype(np.int64))
    place = min(place, int(inputs.quarter_end[quarter]) - 1)
    stand = inputs.won.at(place) & (inputs.won.quarter == quarter)
    return float(inputs.won.amount[stand].sum())
