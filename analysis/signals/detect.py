"""Whether a weekly series has changed: limits for small counts, a CUSUM against a frozen baseline, and back to normal.

One pass over a series judges each of its weeks from what came before it (`kpis.md` S1, S3, S9); a week that is left out
(its source was silent) moves nothing. Weeks are Mondays without a gap; a judgement never looks at a later week.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, erfc, exp, lgamma

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BASELINE_WEEKS = 26  # before a series may alarm; kpis.md S9
LONGEST_BASELINE = 52
WATCH_WEEKS = 12  # before a series is judged at all
CUSUM_K, CUSUM_H, CUSUM_H_BETTER = 0.5, 4.0, 5.0
LIMIT = 3.0
LEAST_EXPECTED = 5.0  # of the rarer outcome in a bucket; kpis.md S3
BUCKETS = (1, 2, 4)  # weeks that are judged together
SETTLED_WEEKS = 26  # after a shift its weeks are the new baseline
DEEPER_AFTER, DEEPER_H = 4, 5.0  # buckets after an alarm before its shift can deepen; few, so a limit above h 4
BACK_WEEKS, BACK_SIGMA = 8, 0.3  # so many weeks that stray by less on the bad side end a shift
RECENT_WEEKS = {1: 4, 2: 4, 4: 8}  # weeks judged together by p, by the bucket of the series
FEW_WEEKS = 26  # the same where four weeks are too few
EXACT_BELOW = 10.0  # expected of the rarer outcome: below it the normal approximation says too much
MR_TO_SIGMA = 1.128


@dataclass(frozen=True)
class Series:
    """Weeks of one metric of one member, oldest first.

    `kind`: rate (x of n), mean (n things, their sum x and sum of squares xx) or value (n things, their sum x, and xx,
    the sum of squares of what is summed). `worse`: -1 where low is bad, 1 where high is.
    `factor`: what the season makes of a usual week, 1 where nothing is known. `silent`: weeks without trustworthy data.
    """

    kind: str
    worse: int
    n: Floats
    x: Floats
    xx: Floats
    factor: Floats
    silent: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Week:
    """How one week of a series was judged. Figures are nan where nothing is known."""

    state: str  # waiting, few, silent, usual, worse, better
    is_new: bool  # the state began here
    since: int  # index of the first week of the shift, -1 without one
    usual: float
    low: float
    high: float
    z: float  # distance of the running bucket from usual, in sigmas
    p: float  # that chance puts the last weeks so far from the baseline, two-sided
    cusum: float
    bucket_weeks: int
    baseline_from: int  # -1 before there is one
    baseline_weeks: int
    sigma: float
    baseline_n: float  # things in it


@dataclass(frozen=True)
class Baseline:
    """What is usual: a level, how far buckets of `weeks` stray from it, and what it was learnt from."""

    first: int
    weeks: int
    level: float
    spread: float  # sigma_z of S3, at least 1; of a value 1
    bucket: int
    n: float  # things in it
    variance: float  # of one thing (mean), of one week (value); of a rate it follows from the level


def learn(series: Series, weeks: list[int], factor: list[float]) -> Baseline:
    """What these weeks show to be usual; `factor` is what the season makes of each week of the series.

    A rate's limits are those of S3 (sigma_z at least 1), a mean's the same over its own variance; a value's those of
    S1, its variance never below what chance alone gives a sum of so many things.
    """
    n, x, xx = (values[weeks] for values in (series.n, series.x, series.xx))
    f = np.array(factor)[weeks]
    things, size = float(n.sum()), len(weeks)
    if series.kind == "value":
        exposed = float(f.sum())
        level = float(x.sum()) / exposed
        variance = max(_sigma_of(x / f) ** 2, float(xx.sum()) / exposed)
        return Baseline(weeks[0], size, level, 1.0, _bucket(things / size), things, variance)
    exposed = float((n * f).sum()) if series.kind == "rate" else things
    level, variance = float(x.sum()) / exposed if exposed else 0.0, 0.0
    seen = n > 0
    if series.kind == "rate":
        p = np.clip(level * f[seen], 1e-9, 1 - 1e-9)
        z = (x[seen] - n[seen] * p) / np.sqrt(n[seen] * p * (1 - p))
        rarer = things / size * min(level, 1 - level)
    else:
        variance = max(0.0, float(xx.sum()) / things - level**2) if things else 0.0
        z = (x[seen] - n[seen] * level) / np.sqrt(n[seen] * variance) if variance else np.zeros(0)
        rarer = things / size if variance else 0.0
    return Baseline(weeks[0], size, level, max(1.0, _sigma_of(z)), _bucket(rarer), things, variance)


def _sigma_of(values: Floats) -> float:
    """S1 and S3: from the mean moving range."""
    return float(np.abs(np.diff(values)).mean()) / MR_TO_SIGMA if len(values) > 1 else 0.0


def _bucket(rarer: float) -> int:
    return next((weeks for weeks in BUCKETS if rarer * weeks >= LEAST_EXPECTED), 0)


def judge(series: Series, week_of_quarter: NDArray[np.int64], month: NDArray[np.int64]) -> list[Week]:
    """Judge each week of a series from the weeks up to it.

    `week_of_quarter` and `month`: which one a week is (0-13, 0-11), for the season, learnt from earlier weeks only.
    """
    return _Pass(series, week_of_quarter, month).run()


class _Pass:
    def __init__(self, series: Series, week_of_quarter: NDArray[np.int64], month: NDArray[np.int64]):
        self.series, self.week_of_quarter, self.month = series, week_of_quarter, month
        self.n, self.x, self.xx = (values.tolist() for values in (series.n, series.x, series.xx))
        self.given = series.factor.tolist()
        self.factor = list(self.given)
        self.silent = series.silent.tolist()
        self.left_out = series.silent.tolist()  # of baselines
        self.out: list[Week] = []
        self.start = 0  # first week of the present regime
        self.baseline: Baseline | None = None
        self.frozen_at = 0
        self.worse = self.better = 0.0
        self.worse_from = self.better_from = -1
        self.open: list[int] = []  # weeks of the running bucket
        self.state, self.since = "usual", -1
        self.shift_from = -1  # where the running shift began, before it deepened
        self.past_z: list[float] = []  # since the last alarm, the bad side up
        self.deeper, self.deeper_from = 0.0, -1
        self.level: list[float] = []  # of past_z, those that say how deep the running shift was

    def run(self) -> list[Week]:
        for week in range(len(self.n)):
            self._step(week)
        return self.out

    def _step(self, week: int) -> None:
        new = False
        heard = [i for i in range(self.start, week) if not self.silent[i]]
        settled = (
            self.state != "usual" and len([i for i in range(self.since, week) if not self.silent[i]]) >= SETTLED_WEEKS
        )
        if settled:
            self.start, self.state, self.since = self.since, "usual", -1
            self.worse = self.better = 0.0  # gathered against the old baseline; the new one is the shift itself
            self._freeze(week)
        elif self.baseline is None and len(heard) >= WATCH_WEEKS:
            self._freeze(week)
        elif self.baseline is not None and self.state == "usual":
            age, quiet = week - self.frozen_at, self.worse < 1 and self.better < 1 and not self.open
            if (age >= 13 and quiet) or (self.baseline.weeks < BASELINE_WEEKS <= len(heard)):
                self._freeze(week)
        baseline = self.baseline
        if baseline is None or baseline.bucket == 0 or self.silent[week]:
            state = "silent" if self.silent[week] else "waiting" if baseline is None else "few"
            self._write(week, state, False, np.nan)
            return
        self.open.append(week)
        z = self._z(self.open)
        if len(self.open) == baseline.bucket:
            new = self._count(week, z)
            self.open = []
        self._write(week, self.state, new, z)

    def _count(self, week: int, z: float) -> bool:
        first, bad = self.open[0], z * self.series.worse
        if self.state == "worse" and self._deepens(first, bad):
            self._shift("worse", self.deeper_from)
            return True
        self.past_z.append(bad)
        self.worse_from = first if self.worse == 0 else self.worse_from
        self.better_from = first if self.better == 0 else self.better_from
        self.worse = max(0.0, self.worse + bad - CUSUM_K)
        self.better = max(0.0, self.better - bad - CUSUM_K)
        assert self.baseline is not None
        if self.baseline.weeks >= BASELINE_WEEKS and self.state != "worse":
            for name, total, first, limit in (
                ("worse", self.worse, self.worse_from, CUSUM_H),
                ("better", self.better, self.better_from, CUSUM_H_BETTER),
            ):
                if total > limit and name != self.state:
                    self.shift_from = first
                    self._shift(name, first)
                    return True
        if self.state == "usual":
            return False
        back = self.past_z[-max(1, BACK_WEEKS // self.baseline.bucket) :]
        turn = 1 if self.state == "worse" else -1
        if len(back) * self.baseline.bucket >= BACK_WEEKS and turn * sum(back) <= BACK_SIGMA * len(back):
            for past in range(self.shift_from, week - BACK_WEEKS + 1):  # a passing shift is no measure for what comes
                self.left_out[past] = True
            self.state, self.since, self.worse, self.better = "usual", -1, 0.0, 0.0
        return False

    def _shift(self, state: str, since: int) -> None:
        self.state, self.since, self.past_z = state, since, []
        self.worse = self.better = self.deeper = 0.0

    def _deepens(self, first: int, bad: float) -> bool:
        """Whether a running shift grew worse than itself: a CUSUM against its own level so far, whose error counts.

        Without it a false alarm, or a slight shift, hides a real one until it is settled.
        """
        if self.deeper == 0:
            self.deeper_from, self.level = first, list(self.past_z)
        if len(self.level) < DEEPER_AFTER:
            return False
        off = bad - sum(self.level) / len(self.level)
        self.deeper = max(0.0, self.deeper + off / (1 + 1 / len(self.level)) ** 0.5 - CUSUM_K)
        return self.deeper > DEEPER_H

    def _freeze(self, week: int) -> None:
        if self.series.kind != "mean":
            self.factor = seasonal(self.x, self.n, self.given, self.silent, week, self)
        heard = [i for i in range(self.start, week) if not self.left_out[i]][-LONGEST_BASELINE:]
        self.baseline, self.frozen_at, self.open = learn(self.series, heard, self.factor), week, []

    def _expected(self, weeks: list[int]) -> tuple[float, float]:
        """What x would usually be in these weeks, and its variance."""
        baseline, kind, f, n = self.baseline, self.series.kind, self.factor, self.n
        assert baseline is not None
        if kind == "rate":
            rates = [min(max(baseline.level * f[i], 1e-9), 1 - 1e-9) for i in weeks]
            mean = sum(n[i] * p for i, p in zip(weeks, rates, strict=True))
            return mean, sum(n[i] * p * (1 - p) for i, p in zip(weeks, rates, strict=True)) * baseline.spread**2
        if kind == "mean":
            things = sum(n[i] for i in weeks)
            return things * baseline.level, things * baseline.variance * baseline.spread**2
        exposed = sum(f[i] for i in weeks)
        return baseline.level * exposed, baseline.variance * exposed

    def _z(self, weeks: list[int]) -> float:
        mean, variance = self._expected(weeks)
        x, n = sum(self.x[i] for i in weeks), sum(self.n[i] for i in weeks)
        if self.series.kind == "rate" and n > 0 and self.baseline:
            # on the arcsine scale, where small counts have no long tail: a rate near 0 or 1 would alarm by its skew
            off = asin(((x + 0.375) / (n + 0.75)) ** 0.5) - asin((mean / n) ** 0.5)
            return 2 * (n + 0.5) ** 0.5 * off / self.baseline.spread
        return (x - mean) / variance**0.5 if variance > 0 else 0.0

    def _write(self, week: int, state: str, new: bool, z: float) -> None:
        known = self.baseline
        usual = low = high = p = np.nan
        if known is not None and not self.silent[week]:
            mean, variance = self._expected([week])
            per = self.n[week] if self.series.kind in ("rate", "mean") else 1.0
            if per > 0:
                half = LIMIT * variance**0.5
                usual, low, high = mean / per, (mean - half) / per, (mean + half) / per
                if self.series.kind != "mean":
                    low = max(0.0, low)
                if self.series.kind == "rate":
                    high = min(1.0, high)
            p = self._p_of_recent(week)
        self.out.append(
            Week(
                state, new, self.since, usual, low, high, z, p, self.worse,
                *((known.bucket, known.first, known.weeks, known.spread) if known else (0, -1, 0, np.nan)),
                known.n if known else np.nan,
            )
        )  # fmt: skip

    def _p_of_recent(self, week: int) -> float:
        """Two-sided, of the last weeks together against the baseline, whose own error counts too."""
        baseline = self.baseline
        assert baseline is not None
        if baseline.bucket == 0:
            return self._p_of_few(week)
        window = RECENT_WEEKS[baseline.bucket]
        recent = [i for i in range(max(week - window + 1, self.frozen_at), week + 1) if not self.silent[i]]
        things = sum(self.n[i] for i in recent)
        rate_like = self.series.kind in ("rate", "mean")
        if not recent or things < LEAST_EXPECTED:
            return float("nan")
        mean, variance = self._expected(recent)
        got = sum(self.x[i] for i in recent)
        if self.series.kind == "rate" and min(mean, things - mean) < EXACT_BELOW:
            return fisher(round(got), round(things), round(baseline.level * baseline.n), round(baseline.n))
        share = things / baseline.n if rate_like else len(recent) / baseline.weeks
        spread = (variance * (1 + share)) ** 0.5
        return erfc(abs(got - mean) / spread / 2**0.5) if spread > 0 else 1.0

    def _p_of_few(self, week: int) -> float:
        """Of a rate that is too rare for weeks: half a year against all before it."""
        heard = [i for i in range(self.start, week + 1) if not self.silent[i]]
        before, recent = heard[:-FEW_WEEKS][-2 * LONGEST_BASELINE :], heard[-FEW_WEEKS:]
        n0, n1 = (sum(self.n[i] for i in weeks) for weeks in (before, recent))
        if self.series.kind != "rate" or len(before) < WATCH_WEEKS or min(n0, n1) < LEAST_EXPECTED:
            return float("nan")
        return fisher(*(round(v) for v in (sum(self.x[i] for i in recent), n1, sum(self.x[i] for i in before), n0)))


def fisher(x1: int, n1: int, x0: int, n0: int) -> float:
    """Fisher's exact test, two-sided: that x1 of n1 and x0 of n0 are draws of one rate."""
    total, hits = n0 + n1, x0 + x1

    def log_choose(n: int, k: int) -> float:
        return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)

    def chance(k: int) -> float:
        return log_choose(hits, k) + log_choose(total - hits, n1 - k) - log_choose(total, n1)

    seen = chance(x1) + 1e-7
    possible = range(max(0, n1 - (total - hits)), min(n1, hits) + 1)
    return min(1.0, sum(exp(c) for c in map(chance, possible) if c <= seen))


def seasonal(
    x: list[float], n: list[float], given: list[float], silent: list[bool], week: int, calendar: _Pass
) -> list[float]:
    """What the season makes of each week: `given` (working days) times what earlier weeks have shown twice or more.

    S1 with its median factor of a week of the quarter, and the same of a month where two years are known; each held
    towards 1 by how little the same weeks of different periods agree, so that noise gives no season.
    """
    kind = calendar.series.kind
    values = np.array([
        (x[i] / n[i] if n[i] else np.nan) if kind == "rate" else x[i] / given[i] for i in range(week)
    ])  # fmt: skip
    values[[i for i in range(week) if silent[i]]] = np.nan
    factor = np.array(given) if kind != "rate" else np.ones(len(given))
    quarters = _blocks(values, calendar.week_of_quarter[:week], 13, 13)
    of_week = _agreed(quarters, 4)
    factor = factor * of_week[np.minimum(calendar.week_of_quarter, 12)]
    values = values / of_week[np.minimum(calendar.week_of_quarter[:week], 12)]
    of_month = _agreed(_blocks(values, calendar.month[:week], 12, 52), 2)
    return list((factor * of_month[calendar.month]).tolist())


def _blocks(values: Floats, place: NDArray[np.int64], places: int, size: int) -> Floats:
    """Periods x places: the mean of each place over the mean of its period, newest period first; nan where unknown."""
    rows = []
    for end in range(len(values), size - 1, -size):
        part, where = values[end - size : end], np.minimum(place[end - size : end], places - 1)
        known = ~np.isnan(part)
        level = part[known].mean() if known.sum() >= size * 0.75 else 0.0
        if level <= 0:
            continue
        counts = np.bincount(where[known], minlength=places)
        sums = np.bincount(where[known], weights=part[known], minlength=places)
        rows.append(np.where(counts > 0, sums / np.maximum(counts, 1) / level, np.nan))
    return np.array(rows).reshape(-1, places)


def _agreed(ratios: Floats, least: int) -> Floats:
    """Factor of each place, shrunk by the share of its variance that periods have in common."""
    periods, places = ratios.shape
    if periods < least:
        return np.ones(places)
    off = np.nan_to_num(ratios - 1)
    squares = (off**2).sum(axis=0)
    common = ((off.sum(axis=0) ** 2 - squares) / (periods * (periods - 1))).mean()
    noise = max(0.0, squares.mean() / periods - max(0.0, common))
    doubt = (noise + max(0.0, common)) * (2 / (places * periods * (periods - 1))) ** 0.5
    if common <= doubt:
        return np.ones(places)
    middle = np.nan_to_num(np.nanmedian(ratios, axis=0) if periods >= 4 else np.nanmean(ratios, axis=0), nan=1.0)
    return np.maximum(0.2, 1 + (middle - 1) * common / (common + noise / periods))
