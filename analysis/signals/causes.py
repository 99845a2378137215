"""Where a change sits: exact splits into mix and rate, and the one cell that explains it best.

The order is that of `kpis.md` S6: mix or rate, over one dimension at a time, then which cell, then which stage. Splits
are exact and say what happened; which cell is named is decided by how well "only this one changed" explains the weeks
since the shift, against "all changed alike" and "only the shares moved", each paid for by how many could be named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import erfc, log, sqrt

import numpy as np
from numpy.typing import NDArray

from analysis.shrinkage import prior_strength

Floats = NDArray[np.float64]

MIX_SHARE = 1 / 3  # of the change, before the mix is said to be it
MIX_SIGMAS = 3.0  # of what shares move by chance
# Rates within the cells that chance alone makes as bad as often as this are not shown to be worse. Small, since they
# are asked when an alarm was raised, which a moved mix does sooner in weeks whose rates are low by chance too.
MIX_CHANCE = 0.002
SECOND_CHANCE = 0.001  # how unlikely it has to be that the rest moved too, before that is said
MOST_CAUSES = 3
PRICE = 1.4  # of naming one of so many, in log; between naming too soon and never


@dataclass(frozen=True)
class Facts:
    """What was counted, one entry each: when it fell (0 baseline, 1 since the shift), what it counts (n) and adds (x).

    `cells`: dimension -> member code of each. `members`: dimension -> (key, label) by code.
    """

    period: NDArray[np.int64]
    n: Floats
    x: Floats
    cells: dict[str, NDArray[np.int64]]
    members: dict[str, list[tuple[str, str]]]

    def only(self, kept: NDArray[np.bool_]) -> Facts:
        """Those that are kept."""
        cells = {dimension: codes[kept] for dimension, codes in self.cells.items()}
        return Facts(self.period[kept], self.n[kept], self.x[kept], cells, self.members)

    def within(self, dimensions: tuple[str, ...]) -> Facts:
        """The same, cut by these dimensions alone."""
        cells, members = ({d: given[d] for d in dimensions} for given in (self.cells, self.members))
        return Facts(self.period, self.n, self.x, cells, members)  # type: ignore[arg-type]

    def without(self, dimension: str, code: int) -> Facts:
        """All but those of one member."""
        return self.only(self.cells[dimension] != code)

    def table(self, dimension: str) -> Cells:
        """n and x of each member in either period."""
        size = len(self.members[dimension])
        codes = self.cells[dimension]
        n, x = (
            np.array(
                [np.bincount(codes[self.period == t], weights=v[self.period == t], minlength=size) for t in (0, 1)]
            )
            for v in (self.n, self.x)
        )
        return Cells(n[0], x[0], n[1], x[1])


@dataclass(frozen=True)
class Cells:
    """Members of one dimension: n and x before and since."""

    n0: Floats
    x0: Floats
    n1: Floats
    x1: Floats


@dataclass(frozen=True)
class Split:
    """Exact parts of a change, one entry for each member; mix + rate over all members is the change of the whole."""

    mix: Floats
    rate: Floats


@dataclass(frozen=True)
class Cause:
    """One thing that explains a change. kind: mix, rate, volume, size, stage or everywhere."""

    kind: str
    dimension: str
    code: int  # of the member; -1: all of them
    score: float  # twice the log-likelihood above "everywhere", less what naming it costs
    chance: float  # that noise alone does as much to it


def mix_and_rate(cells: Cells) -> Split:
    """S6, exact: mix_i = (w1 - w0)((r0 + r1)/2 - Rbar), rate_i = (w0 + w1)/2 (r1 - r0). Shares w, rates r = x/n.

    A member that is absent in one period has that period's rate set to the other's.
    """
    w0, w1 = (n / n.sum() if n.sum() else np.zeros_like(n) for n in (cells.n0, cells.n1))
    with np.errstate(divide="ignore", invalid="ignore"):
        r0, r1 = cells.x0 / cells.n0, cells.x1 / cells.n1
    r0, r1 = np.where(np.isnan(r0), r1, r0), np.where(np.isnan(r1), r0, r1)
    r0, r1 = np.nan_to_num(r0), np.nan_to_num(r1)
    middle = ((w0 * r0).sum() + (w1 * r1).sum()) / 2
    return Split((w1 - w0) * ((r0 + r1) / 2 - middle), (w0 + w1) / 2 * (r1 - r0))


def lmdi(before: tuple[float, ...], after: tuple[float, ...]) -> tuple[float, ...]:
    """S7: the effect of each factor of a product on its change; they sum to it. All factors above zero."""
    b0, b1 = float(np.prod(before)), float(np.prod(after))
    mean = b0 if b0 == b1 else (b1 - b0) / log(b1 / b0)
    return tuple(mean * log(b / a) for a, b in zip(before, after, strict=True))


@dataclass(frozen=True)
class Explanation:
    """`gain`: twice the log-likelihood of "it changed" above "it did not", over everything. `causes`: most first."""

    gain: float
    causes: list[Cause]


class _Rate:
    """Binomial cells: x of n. Usual rates are drawn towards the whole's (S5), and their own error counts."""

    kind = "rate"

    def __init__(self, cells: Cells, spread: float):
        self.cells, self.spread = cells, spread
        m = float(prior_strength(cells.x0, cells.n0))
        mean = cells.x0.sum() / cells.n0.sum()
        self.usual = np.clip((cells.x0 + m * mean) / (cells.n0 + m), 1e-6, 1 - 1e-6)
        self.known = cells.n0 + m

    def off(self) -> Floats:
        return self.cells.x1 - self.cells.n1 * self.usual

    def one(self) -> Floats:
        """Gain of each member when it alone may have changed."""
        n, x, p = self.cells.n1, self.cells.x1, self.usual
        rate = np.clip(x / np.maximum(n, 1), 1e-9, 1 - 1e-9)
        gain = 2 * (x * np.log(rate / p) + (n - x) * np.log((1 - rate) / (1 - p)))
        return gain / (self.spread**2 * (1 + n / self.known))

    def together(self, kept: NDArray[np.bool_]) -> float:
        """Gain when the kept members changed alike, by one shift of their log odds."""
        n, x, usual = self.cells.n1[kept], self.cells.x1[kept], self.usual[kept]
        if not n.sum():
            return 0.0
        odds, shift = np.log(usual / (1 - usual)), 0.0
        target = min(max(x.sum(), 0.5), n.sum() - 0.5)
        for _ in range(50):
            p = 1 / (1 + np.exp(-(odds + shift)))
            step = (target - (n * p).sum()) / max((n * p * (1 - p)).sum(), 1e-9)
            shift += max(-1.0, min(1.0, step))
            if abs(step) < 1e-9:
                break
        p = np.clip(1 / (1 + np.exp(-(odds + shift))), 1e-9, 1 - 1e-9)
        gain = 2 * (x * np.log(p / usual) + (n - x) * np.log((1 - p) / (1 - usual))).sum()
        return float(gain / (self.spread**2 * (1 + n.sum() / max(self.cells.n0[kept].sum(), 1))))


class _Mean:
    """Cells whose things have values: x is their sum, `variance` that of one thing within its week."""

    kind = "rate"

    def __init__(self, cells: Cells, spread: float, variance: float):
        self.cells, self.doubt = cells, variance * spread**2
        mean = cells.x0.sum() / cells.n0.sum()
        self.usual = (cells.x0 + 10 * mean) / (cells.n0 + 10)

    def off(self) -> Floats:
        return self.cells.x1 - self.cells.n1 * self.usual

    def one(self) -> Floats:
        n = np.maximum(self.cells.n1, 1)
        return self.off() ** 2 / (self.doubt * n * (1 + n / (self.cells.n0 + 10)))

    def together(self, kept: NDArray[np.bool_]) -> float:
        n = self.cells.n1[kept].sum()
        if not n:
            return 0.0
        return float(self.off()[kept].sum() ** 2 / (self.doubt * n * (1 + n / max(self.cells.n0[kept].sum(), 1))))


class _Volume:
    """Cells that are counted: n things in `longer` times the usual weeks of the baseline."""

    kind = "volume"

    def __init__(self, cells: Cells, spread: float, longer: float):
        self.cells, self.doubt = cells, spread**2 * (1 + longer)
        self.expected = (cells.n0 + 0.5) * longer

    def off(self) -> Floats:
        return self.cells.n1 - self.expected

    def one(self) -> Floats:
        n, mean = self.cells.n1, self.expected
        return 2 * (n * np.log(np.maximum(n, 0.5) / mean) - np.maximum(n, 0.5) + mean) / self.doubt

    def together(self, kept: NDArray[np.bool_]) -> float:
        n, mean = self.cells.n1[kept].sum(), self.expected[kept].sum()
        return float(2 * (n * log(max(n, 0.5) / mean) - max(n, 0.5) + mean) / self.doubt) if mean else 0.0


def of_rate(facts: Facts, spread: float, worse: int) -> Explanation:
    """What explains a changed rate, most first: mix over a dimension, members, everywhere. `spread`: sigma_z of S3."""
    return _causes(facts, lambda cells: _Rate(cells, spread), worse)


def of_mean(facts: Facts, variance: float, spread: float, worse: int) -> Explanation:
    """The same of a changed mean. `variance`: of one thing within its week."""
    return _causes(facts, lambda cells: _Mean(cells, spread, variance), worse)


def of_volume(facts: Facts, longer: float, spread: float, worse: int) -> Explanation:
    """The same of how many there are; there is no mix. `longer`: usual weeks since the shift over those before it."""
    return _causes(facts, lambda cells: _Volume(cells, spread, longer), worse)


def _causes(facts: Facts, model_of: Callable[[Cells], _Rate | _Mean | _Volume], worse: int) -> Explanation:
    found: list[Cause] = []
    if not (facts.period == 0).any() or not (facts.period == 1).any():
        return Explanation(0.0, found)
    whole = model_of(facts.table("company"))
    gain = whole.together(np.ones(1, dtype=bool)) if whole.off().sum() * worse > 0 else 0.0
    while len(found) < MOST_CAUSES and (facts.period == 0).any() and (facts.period == 1).any():
        cause = _best(facts, model_of, worse, is_first=not found)
        if cause is None:
            break
        found.append(cause)
        if cause.code < 0:
            break
        facts = facts.without(cause.dimension, cause.code)
    return Explanation(gain, found)


def _best(
    facts: Facts, model_of: Callable[[Cells], _Rate | _Mean | _Volume], worse: int, is_first: bool
) -> Cause | None:
    """The best explanation; None where the rest, after a first cause, shows nothing that noise would not."""
    best, mixes, whole = None, [], 0.0
    cost = log(max(float(facts.n[facts.period == 1].sum()), 2.0))
    dimensions = [name for name in facts.members if name != "company"]
    for dimension in ["company", *dimensions]:
        cells = facts.table(dimension)
        model = model_of(cells)
        seen = (cells.n0 > 0) | (cells.n1 > 0)
        together = model.together(seen)
        if dimension == "company":
            whole = together
            continue
        if not isinstance(model, _Volume):
            change = cells.x1.sum() / cells.n1.sum() - cells.x0.sum() / cells.n0.sum()
            mix = float(mix_and_rate(cells).mix.sum())
            usual_error = sqrt((cells.n0 * (model.usual - cells.x0.sum() / cells.n0.sum()) ** 2).sum() / cells.n0.sum())
            usual_error *= sqrt(1 / cells.n1.sum() + 1 / cells.n0.sum())
            is_moved = is_first and mix * worse > MIX_SIGMAS * usual_error
            if is_moved and change * worse > 0 and mix / change >= MIX_SHARE:
                chance = _chance(together) if model.off()[seen].sum() * worse > 0 else 1.0  # better rates made it less
                if chance > MIX_CHANCE:
                    mixes.append(Cause("mix", dimension, -1, float(mix / change), chance))
        price = PRICE * log(len(dimensions) * max(int(seen.sum()), 1))
        alone = model.one()
        for code in np.flatnonzero(seen & (cells.n0 > 0) & (model.off() * worse > 0)):
            rest = seen.copy()
            rest[code] = False
            score = max(alone[code], alone[code] + model.together(rest) - cost) - price - together
            if best is None or score > best.score:
                chance = min(1.0, _chance(float(alone[code])) * len(dimensions) * int(seen.sum()))
                best = Cause(model.kind, dimension, int(code), float(score), chance)
    if mixes:
        return max(mixes, key=lambda cause: cause.score)
    if is_first:
        return best if best and best.score > 0 else Cause("everywhere", "company", -1, 0.0, _chance(whole))
    if best and best.score > 0 and best.chance < 0.05:
        return best
    return Cause("everywhere", "company", -1, 0.0, _chance(whole)) if _chance(whole) < SECOND_CHANCE else None


def _chance(gain: float) -> float:
    """That noise gains as much (chi-squared, one degree of freedom)."""
    return erfc(sqrt(max(gain, 0.0) / 2))
