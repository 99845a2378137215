"""The backtest and today's forecast in one pass over the periods, oldest first: what is chosen, weighed and stretched
for a period is learnt from how the periods before it went, as they stood on its first day."""

from __future__ import annotations

from dataclasses import dataclass, field

import duckdb
import numpy as np

from analysis.forecast import inputs as reading
from analysis.forecast import output
from analysis.forecast.inputs import Array, Codes, Inputs
from analysis.forecast.methods import ALL, BASELINES, DEAL_METHODS, METHODS, Expected, bookings, expect
from analysis.forecast.ranges import (
    DRAWS,
    FLOOR,
    drawn_from_moments,
    half_widths,
    misses,
    simulate,
    simulate_new,
    stretch,
)
from analysis.forecast.scores import wape

FEW_ORIGINS = 8
LAST_YEAR = "same_period_last_year"
JUDGED_ON = 8  # quarters
GROUPS = np.searchsorted([4, 8], np.arange(14), side="right")  # weeks left: under 4, under 8, more


@dataclass
class Forecasts:
    """By method: (origin, member); members are the teams and, last, the company. Bounds: 10, 25, 75, 90 %."""

    inputs: Inputs
    parts: Expected
    won: Array
    actual: Array  # as of now; NaN while the period runs
    targets: Array
    expected: dict[str, Array] = field(default_factory=dict)
    open: dict[str, Array] = field(default_factory=dict)
    new: dict[str, Array] = field(default_factory=dict)
    predicted: dict[str, Array] = field(default_factory=dict)
    bounds: dict[str, Array] = field(default_factory=dict)
    chance: dict[str, Array] = field(default_factory=dict)
    chosen: dict[int, str] = field(default_factory=dict)  # by period
    notes: dict[int, str | None] = field(default_factory=dict)

    def simple_rule(self, name: str) -> Array:
        """What a baseline says; where there is no year before yet, the period before stands in for it."""
        own = self.predicted[name]
        return np.where(np.isfinite(own), own, self.predicted["last_period"]) if name == LAST_YEAR else own


def forecast(
    connection: duckdb.DuckDBPyConnection, spells: str, periods: str, targets: str, into: str = "forecast"
) -> None:
    """Makes `<into>_forecasts`, `<into>_accuracy` and `<into>_calibration` of the three tables that are named."""
    inputs = reading.read(connection, spells, periods)
    found = judged(inputs, output.read_targets(connection, targets, inputs)) if inputs else None
    output.write(connection, found, into)


def judged(inputs: Inputs, targets: Array) -> Forecasts:
    expected = expect(inputs)
    final = bookings(inputs, inputs.as_of)[inputs.quarter]
    ended = (inputs.quarter_end <= inputs.as_of)[inputs.quarter]
    actual = np.where(ended[:, None], _with_company(final), np.nan)
    found = Forecasts(inputs, expected, _with_company(expected.won), actual, targets)
    shape = found.won.shape
    for name in ALL:
        found.predicted[name], found.chance[name] = np.full(shape, np.nan), np.full(shape, np.nan)
        found.bounds[name] = np.full((*shape, 4), np.nan)
    seen: dict[str, tuple[Array, Array]] = {}  # medians and half-widths before any stretching
    for name in ALL:
        seen[name] = (np.full(shape, np.nan), np.full((*shape, 4), np.nan))
    for period in range(len(inputs.quarter_start)):
        here = np.flatnonzero(inputs.quarter == period)
        judge = _Judge(inputs, found, period, _with_company(expected.known[period])[inputs.quarter])
        if period:
            _weigh(expected, here, judge.weights())
        draws = _drawn(inputs, expected, here)
        for name in ALL:
            median, widths = half_widths(draws[name])
            seen[name][0][here], seen[name][1][here] = median, widths
            found.predicted[name][here] = median
            judge.stretch(name, seen[name], here, draws[name], targets[here])
        found.chosen[period], found.notes[period] = judge.choose()
    for name in ALL:
        parts = expected.parts[name]
        found.expected[name] = _with_company(expected.won + parts.rest)
        found.open[name], found.new[name] = _with_company(parts.open), _with_company(parts.new)
    return found


def _with_company(by_team: Array) -> Array:
    return np.concatenate([by_team, by_team.sum(-1, keepdims=True)], axis=-1)


def _weigh(expected: Expected, here: Codes, weights: dict[str, Array]) -> None:
    """The ensemble: parts of the others, weighed by origin. Pacing's rest is split as that of the deal methods is."""
    rest = {name: expected.parts[name].rest[here] for name in weights}
    usable = {name: weights[name][:, None] * np.isfinite(rest[name]) for name in weights}
    total = sum(usable.values())
    known = np.isfinite(rest["hazard"]) & (total > 0)
    parts = expected.parts["ensemble"]
    spread = open_share = np.zeros(rest["hazard"].shape)
    for name in DEAL_METHODS:
        spread = spread + np.where(known, np.sqrt(expected.parts[name].variance[here]), 0) / len(DEAL_METHODS)
        own = expected.parts[name]
        part = own.open[here] / np.where(own.rest[here] > 0, own.rest[here], np.nan)
        open_share = open_share + np.nan_to_num(part) / len(DEAL_METHODS)
    weighed = sum(np.nan_to_num(rest[name]) * usable[name] for name in weights) / np.where(total > 0, total, 1)
    parts.rest[here] = np.where(known, weighed, np.nan)
    parts.open[here] = parts.rest[here] * open_share
    parts.new[here] = parts.rest[here] - parts.open[here]
    parts.variance[here] = np.where(known, spread**2, np.nan)


def _drawn(inputs: Inputs, expected: Expected, here: Codes) -> dict[str, Array]:
    """Draws of the final bookings by (origin, member, draw): from moments for past origins, by deals for today's."""
    found = {}
    for name in ALL:
        parts = expected.parts[name]
        rest = _with_company(parts.rest[here])
        draws = drawn_from_moments(rest, _with_company(parts.variance[here]))
        found[name] = draws + _with_company(expected.won[here])[..., None]
    if here[-1] == len(inputs.day) - 1 and int(inputs.quarter[-1]) in expected.learnt:
        today = _simulated(inputs, expected)
        for name, draws in today.items():
            # as many as the past ones have, so that one array holds them: every so-manieth of the sorted draws
            even = (np.arange(found[name].shape[-1]) * DRAWS) // found[name].shape[-1] + DRAWS // 400
            found[name][-1] = np.sort(draws, axis=-1)[:, even]
    return found


def _simulated(inputs: Inputs, expected: Expected) -> dict[str, Array]:
    """Today's: (member, draw). The company's draws are the sums of its teams'."""
    origin, learnt = len(inputs.day) - 1, expected.learnt[int(inputs.quarter[-1])]
    rows = np.flatnonzero(inputs.open.origin == origin)
    chances = {name: expected.chances[name][rows] for name in DEAL_METHODS}
    values = {name: expected.values[name][rows] for name in DEAL_METHODS}
    of_open = simulate(chances, values, inputs.open.team[rows], inputs.open.account[rows], inputs.counts["team"])
    sizes = learnt.new_amounts if learnt.new_amounts is not None and len(learnt.new_amounts) else [learnt.mean_amount]
    found = {}
    for name in DEAL_METHODS:
        count = expected.parts[name].new[origin] / max(1e-9, float(np.mean(sizes)))
        found[name] = expected.won[origin][:, None] + of_open[name] + simulate_new(count, learnt, 0)
    # the ensemble has the luck of the method beside it, at its own size
    rest = expected.parts["ensemble"].rest[origin]
    near = expected.parts["stage_weighted"].rest[origin]
    if np.isfinite(rest).all():
        scale = np.where(near > 0, rest / np.where(near > 0, near, 1), 0.0)[:, None]
        luck = found["stage_weighted"] - expected.won[origin][:, None]
        found["ensemble"] = expected.won[origin][:, None] + luck * scale
    return {name: np.concatenate([draws, draws.sum(0, keepdims=True)]) for name, draws in found.items()}


@dataclass
class _Judge:
    """What the periods before one say of the methods. `known`: bookings as of its first day, by (origin, member)."""

    inputs: Inputs
    found: Forecasts
    period: int
    known: Array

    def __post_init__(self) -> None:
        quarter = self.inputs.quarter
        self.past = np.flatnonzero(
            (quarter < self.period) & (quarter >= self.period - JUDGED_ON) & self.inputs.is_monday()
        )
        self.group = GROUPS[self.inputs.weeks_left]

    def weights(self) -> dict[str, Array]:
        """Of the ensemble's parts by origin of the period: by the mean miss, squared, with about as many weeks left."""
        parts = METHODS[:-1]
        weight = np.zeros((len(parts), GROUPS.max() + 1))
        for group in range(weight.shape[1]):
            rows = self.past[self.group[self.past] == group]
            for place, name in enumerate(parts):
                missed = np.abs(self.found.predicted[name][rows, -1] - self.known[rows, -1])
                missed = missed[np.isfinite(missed)]
                if len(missed) >= FEW_ORIGINS:
                    weight[place, group] = 1 / max(1.0, float(missed.mean())) ** 2
            if not weight[:, group].any():  # nothing is known of them yet
                weight[:, group] = [name in DEAL_METHODS for name in parts]
        here = self.group[self.inputs.quarter == self.period]
        return {name: weight[place, here] for place, name in enumerate(parts)}

    def stretch(self, name: str, seen: tuple[Array, Array], here: Codes, draws: Array, targets: Array) -> None:
        median, widths = seen
        typical = float(np.nanmean(self.known[self.past, -1])) if len(self.past) else 0.0
        missed = misses(median[self.past], widths[self.past], self.known[self.past], max(1.0, FLOOR * typical))
        quarter = self.inputs.quarter[self.past]
        members = median.shape[1]
        for group in range(3):
            mine = here[self.group[here] == group]
            like = np.abs(self.group[self.past] - group) == 0
            for kind in (np.arange(members - 1), np.array([members - 1])):  # teams together, the company by itself
                if not len(mine) or not len(kind):
                    continue
                factors = {
                    level: stretch(
                        missed[level][np.ix_(like, kind)].ravel(), np.repeat(quarter[like], len(kind)), level
                    )
                    for level in (0.5, 0.8)
                }
                self._set(name, mine, kind, median, widths, factors)
                place = np.searchsorted(here, mine)
                won = np.ix_(mine, kind)
                middle = median[won][..., None]
                drawn = middle + factors[0.8] * (draws[np.ix_(place, kind)] - middle)
                goal = targets[np.ix_(place, kind)]
                share = (np.maximum(drawn, self.found.won[won][..., None]) >= goal[..., None]).mean(-1)
                self.found.chance[name][won] = np.where(np.isfinite(goal) & np.isfinite(middle[..., 0]), share, np.nan)

    def _set(
        self, name: str, rows: Codes, kind: Codes, median: Array, widths: Array, factors: dict[float, float]
    ) -> None:
        place = np.ix_(rows, kind)
        middle, width, won = median[place], widths[place], self.found.won[place]
        outer, inner = factors[0.8], factors[0.5]
        low_80, high_80 = middle - outer * width[..., 0], middle + outer * width[..., 3]
        low_50 = np.maximum(low_80, middle - inner * width[..., 1])
        high_50 = np.minimum(high_80, middle + inner * width[..., 2])
        floor = np.minimum(won, middle)  # what is won is not forecast any more
        self.found.bounds[name][place] = np.stack(
            [np.maximum(low_80, floor), np.maximum(low_50, floor), high_50, high_80], axis=-1
        )

    def choose(self) -> tuple[str, str | None]:
        """The best method that beats every baseline on the origins that it forecast itself, else the best baseline."""
        actual = self.known[self.past, -1]
        scores = {}
        for name in ALL:
            own = self.found.simple_rule(name)[self.past, -1]
            scores[name] = wape(own, actual) if np.isfinite(own).sum() >= FEW_ORIGINS else float("nan")
        here = np.flatnonzero(self.inputs.quarter == self.period)
        usable = [name for name in ALL if np.isfinite(self.found.predicted[name][here, -1]).any()]
        better = {}
        for name in METHODS:
            against = [self._beats(name, other, actual) for other in BASELINES]
            known = [beats for beats in against if beats is not None]
            if name in usable and np.isfinite(scores[name]) and known and all(known):
                better[name] = scores[name]
        if better:
            return min(better, key=lambda name: (better[name], ALL.index(name))), None
        simple = [name for name in BASELINES if name in usable and np.isfinite(scores[name])]
        if simple:
            best = min(simple, key=lambda name: (scores[name], ALL.index(name)))
            return best, "no method beats the best simple rule: that is shown"
        usable = sorted(usable, key=lambda name: name not in BASELINES)
        if not usable:
            return ALL[0], "no past period to learn from"
        return usable[0], "under 8 origins: range untested"

    def _beats(self, name: str, other: str, actual: Array) -> bool | None:
        """On the origins that both forecast; None where they are too few."""
        own, others = self.found.predicted[name][self.past, -1], self.found.simple_rule(other)[self.past, -1]
        both = np.isfinite(own) & np.isfinite(others)
        if both.sum() < FEW_ORIGINS:
            return None
        return wape(own[both], actual[both]) < wape(others[both], actual[both])
