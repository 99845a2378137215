"""How good forecasts were (4.6): WAPE, bias, coverage, width, pinball loss; for deals Brier, ECE and reliability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.forecast.inputs import Array

NAN = float("nan")


@dataclass(frozen=True)
class Score:
    count: int
    wape: float
    bias: float
    coverage_50: float
    coverage_80: float
    width: float
    pinball: float


def score(forecast: Array, actual: Array, bounds: Array) -> Score:
    """`bounds`: low_80, low_50, high_50, high_80 by row. Money by the actual's sum; rows without a forecast are out."""
    kept = np.isfinite(forecast)
    forecast, actual, bounds = forecast[kept], actual[kept], bounds[kept]
    total = actual.sum()
    if not len(actual) or total <= 0:
        return Score(len(actual), NAN, NAN, NAN, NAN, NAN, NAN)
    ranged = np.isfinite(bounds).all(1)
    low, high = bounds[ranged], actual[ranged]
    inside = [np.mean((low[:, a] <= high) & (high <= low[:, b])) if len(high) else NAN for a, b in ((1, 2), (0, 3))]
    width = (low[:, 3] - low[:, 0]).sum() / high.sum() if high.sum() > 0 else NAN
    levels = np.array([0.1, 0.25, 0.75, 0.9])
    missed = high[:, None] - low
    loss = np.maximum(levels * missed, (levels - 1) * missed).mean(1).sum() / high.sum() if high.sum() > 0 else NAN
    return Score(
        len(actual),
        float(np.abs(forecast - actual).sum() / total),
        float((forecast - actual).sum() / total),
        float(inside[0]),
        float(inside[1]),
        float(width),
        float(loss),
    )


def wape(forecast: Array, actual: Array) -> float:
    """Sum of misses over the sum of actuals, of the rows that have a forecast."""
    return score(forecast, actual, np.full((len(actual), 4), NAN)).wape


def reliability(chance: Array, won: Array) -> list[tuple[int, int, float, float]]:
    """By tenth of the stated chance: tenth (0: below 10 %), deals, mean chance, share won."""
    tenth = np.minimum(9, np.floor(chance * 10 + 1e-9).astype(np.int64))
    seen = np.bincount(tenth, minlength=10)
    stated, came = (np.bincount(tenth, weights, minlength=10) for weights in (chance, won))
    return [(d, int(seen[d]), float(stated[d] / seen[d]), float(came[d] / seen[d])) for d in range(10) if seen[d]]


def brier(chance: Array, won: Array) -> float:
    return float(np.mean((chance - won) ** 2)) if len(won) else NAN


def calibration_error(chance: Array, won: Array) -> float:
    """ECE: the miss of each tenth, weighted by its deals."""
    lines = reliability(chance, won)
    return sum(n * abs(stated - came) for _, n, stated, came in lines) / len(won) if len(won) else NAN
