"""From what is expected to its distribution (F6): deals and arrivals drawn, then stretched by past misses."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from analysis.forecast.inputs import Array, Codes
from analysis.forecast.learn import Learnt

DRAWS = 1000
TOGETHER = 0.15  # correlation of deals of one account, on the normal scale
CHUNK = 500
SEED = 7
PRIOR_QUARTERS = 2.0  # what the drawn distribution itself counts for beside past periods
PRIOR_WIDTH = 1.25  # and by how much it is taken to be too narrow: rates are not known exactly
NEXT_QUARTER = 0.5  # the quarter to come may miss by more than any before it: that it counts for so much
FLOOR = 0.002  # of a typical period: the least half-width that a miss is measured in

_GRID = 200
_NORMAL = np.array([NormalDist().inv_cdf((i + 0.5) / _GRID) for i in range(_GRID)])
_LEVELS = {0.5: NormalDist().inv_cdf(0.75), 0.8: NormalDist().inv_cdf(0.9)}


def drawn_from_moments(mean: Array, variance: Array) -> Array:
    """An even grid of quantiles on a new last axis: gamma (Wilson-Hilferty), normal where the mean is not above 0."""
    mean, variance = mean[..., None], np.maximum(variance[..., None], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        shape = mean**2 / variance
        root = 1 - 1 / (9 * shape) + _NORMAL / (3 * np.sqrt(shape))
        gamma = mean * np.maximum(root, 0.0) ** 3
    normal = mean + _NORMAL * np.sqrt(variance)
    return np.where((mean > 0) & (variance > 0), gamma, normal)


def simulate(
    chances: dict[str, Array], values: dict[str, Array], team: Codes, account: Codes, teams: int
) -> dict[str, Array]:
    """Bookings of open deals by (team, draw). Every method sees the same luck, some of it an account's own."""
    random = np.random.default_rng(SEED)
    _, account = np.unique(account, return_inverse=True)
    shared = random.standard_normal((int(account.max()) + 1 if len(account) else 0, DRAWS), dtype=np.float32)
    limits = {name: _normal_quantile(chance) for name, chance in chances.items()}
    found = {name: np.zeros((teams, DRAWS)) for name in chances}
    for begin in range(0, len(team), CHUNK):
        part = slice(begin, begin + CHUNK)
        own = random.standard_normal((len(team[part]), DRAWS), dtype=np.float32)
        luck = np.float32(TOGETHER**0.5) * shared[account[part]] + np.float32((1 - TOGETHER) ** 0.5) * own
        for name, limit in limits.items():
            booked = np.where(luck < limit[part, None], values[name][part, None], 0.0)
            for member in np.unique(team[part]):
                found[name][member] += booked[team[part] == member].sum(0)
    return found


def simulate_new(count: Array, learnt: Learnt, salt: int) -> Array:
    """Compound Poisson by (team, draw): `count` is what is expected of each team, sizes are those of the past."""
    random = np.random.default_rng(SEED + 1 + salt)
    sizes = learnt.new_amounts if learnt.new_amounts is not None and len(learnt.new_amounts) else None
    found = np.zeros((len(count), DRAWS))
    for team, mean in enumerate(count):
        many = random.poisson(mean, DRAWS)
        amounts = random.choice(sizes, many.sum()) if sizes is not None else np.full(many.sum(), learnt.mean_amount)
        found[team] = np.bincount(np.repeat(np.arange(DRAWS), many), amounts, minlength=DRAWS)
    return found


def _normal_quantile(chance: Array) -> Array:
    levels, place = np.unique(np.clip(chance, 1e-9, 1 - 1e-9), return_inverse=True)
    inverse = NormalDist().inv_cdf
    return np.array([inverse(float(level)) for level in levels], dtype=np.float32)[place]


def half_widths(draws: Array) -> tuple[Array, Array]:
    """Median, and its distances (..., 4) to the 10, 25, 75 and 90 % quantiles."""
    low_80, low_50, median, high_50, high_80 = np.quantile(draws, [0.1, 0.25, 0.5, 0.75, 0.9], axis=-1)
    return median, np.stack([median - low_80, median - low_50, high_50 - median, high_80 - median], axis=-1)


def misses(median: Array, widths: Array, actual: Array, floor: float) -> dict[float, Array]:
    """How far the actual was from the median, in half-widths of the range on that side; 1 = at its bound."""
    below = actual < median
    found = {}
    for level, low, high in ((0.8, 0, 3), (0.5, 1, 2)):
        width = np.where(below, widths[..., low], widths[..., high])
        found[level] = np.abs(actual - median) / np.maximum(width, floor)
    return found


def stretch(past: Array, quarter: Codes, level: float) -> float:
    """Conformal: the factor on the half-width that would have held `level` of past misses, every period counting once.

    Beside them stands the drawn distribution, a little wider: with no past it alone is the answer.
    """
    prior = PRIOR_WIDTH * np.abs(_NORMAL) / _LEVELS[level]
    past, quarter = past[np.isfinite(past)], quarter[np.isfinite(past)]
    _, place, size = np.unique(quarter, return_inverse=True, return_counts=True)
    value = np.concatenate([prior, past])
    weight = np.concatenate([np.full(len(prior), PRIOR_QUARTERS / len(prior)), 1 / size[place]])
    order = np.argsort(value, kind="stable")
    share = np.cumsum(weight[order]) / (weight.sum() + NEXT_QUARTER)
    return float(value[order][min(int(np.searchsorted(share, level)), len(value) - 1)])
