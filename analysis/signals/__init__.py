"""Early trends and what they sit in: judges every past week of every series, each from what came before it.

Tables in, tables out: `judge_company` reads the series and facts that SQL has counted and leaves two temporary tables,
`signals_weeks` and `signals_causes`. Formulas: `kpis.md` S1, S3, S6 to S9.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from math import exp
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from analysis.output import insert
from analysis.signals import causes, detect
from analysis.signals.causes import Cause, Facts
from analysis.signals.detect import Series, Week

HEADLINES = ("win_rate", "pipeline_created", "response_within_sla", "bookings", "sales_cycle", "lead_to_sao")
HIGH_IS_WORSE = ("sales_cycle", "churn")
# what a metric is made from, and how many weeks back a silence of it still shows (cohorts of an age)
TOPICS: dict[str, tuple[tuple[str, ...], int]] = {
    "win_rate": (("deals",), 0),
    "bookings": (("deals",), 0),
    "sales_cycle": (("deals",), 0),
    "deal_size": (("deals",), 0),
    "pipeline_created": (("deals",), 0),
    "stage_conversion": (("deals",), 0),
    "win_within_90_days": (("deals",), 13),
    "response_within_sla": (("leads", "activities"), 0),
    "lead_to_sao": (("leads", "deals"), 4),
    "churn": (("contracts",), 0),
}
# weeks at the start of a history in which a figure is of deals that were quick, since slow ones are not yet in
WARM_UP = {"sales_cycle": 26, "win_rate": 13, "bookings": 13, "deal_size": 13, "stage_conversion": 13}
SEASON_WEEKS = 104  # of history before a season of the year is known
HOLIDAY_MONTHS = (6, 7, 8, 12, 1)
STAGE_METRICS = ("win_rate", "pipeline_created", "lead_to_sao", "bookings", "stage_conversion", "sales_cycle")
DIMENSIONS = (
    *("team", "owner", "segment", "source", "industry", "country", "product", "order_type", "deal_size_band"),
    "pipeline",
)
SILENT_SHARE = 0.4  # of what a source usually says; kpis.md section 7
SPOKEN_A_DAY = 4.0  # below it a silence cannot be told from a quiet week
FALSE_SHARE = 0.10  # of what is listed as watch; kpis.md S8
EXPLAINED_WEEKS = 8  # a shift is explained anew in so many of its weeks, and in the newest one
WEEKS = """metric varchar, part varchar, dimension varchar, member_key varchar, member varchar, week_start date,
    n double, value double, value_sum double, usual double, usual_low double, usual_high double, z double,
    p_value double, q_value double, cusum double, verdict varchar, direction varchar, reason varchar, is_alarm boolean,
    since_week date, baseline_from date, baseline_weeks bigint, bucket_weeks bigint, sigma double, series_count bigint,
    n_bulk double, value_with_bulk double, baseline_n double"""
CAUSES = """metric varchar, week_start date, since_week date, place bigint, step varchar, kind varchar,
    dimension varchar, member_key varchar, member varchar, n_before double, n_since double, value_before double,
    value_since double, mix_effect double, rate_effect double, effect double, score double, p_value double"""


@dataclass
class _Line:
    """A series on its way: where it starts, what it counted, how it was judged."""

    metric: str
    kind: str
    part: str
    dimension: str
    member_key: str
    member: str
    first: int
    n: Any
    x: Any
    value_sum: Any
    n_bulk: Any
    x_bulk: Any
    judged: list[Week]

    @property
    def is_headline(self) -> bool:
        return self.dimension == "company" and self.metric in HEADLINES


def judge_company(
    session: duckdb.DuckDBPyConnection, *, facts: str, series: str, weeks: str, faults: str, stages: str
) -> None:
    """Leave `signals_weeks` and `signals_causes` in the session. Arguments are names of relations in it.

    Raises nothing for a company that is too young or has nothing: its tables are then empty, or say what is missing.
    """
    session.execute(f"create or replace temp table signals_weeks ({WEEKS})")
    session.execute(f"create or replace temp table signals_causes ({CAUSES})")
    calendar = _Calendar(session, weeks, faults)
    if not calendar.weeks:
        return
    lines = _lines(session, series, calendar)
    rows, shifts = _verdicts(lines, calendar, _stage_changes(session, stages, calendar))
    _insert(session, "signals_weeks", rows)
    store = _FactStore(session, facts, calendar)
    found = [row for line, week in shifts for row in _Explained(store, calendar, line, week).rows()]
    _insert(session, "signals_causes", found)


class _Calendar:
    """The weeks of the company, and in which of them a source was silent."""

    def __init__(self, session: duckdb.DuckDBPyConnection, weeks: str, faults: str):
        rows = session.execute(
            f"select week_start, working_days, week_of_quarter, month_number, deals_said, leads_said, activities_said,"
            f" deals_silent_days, leads_silent_days, activities_silent_days from {weeks} order by week_start"
        ).fetchall()
        self.weeks: list[date] = [row[0] for row in rows]
        self.place = {week: i for i, week in enumerate(self.weeks)}
        self.working = np.array([max(row[1], 1) for row in rows], dtype=float)
        self.week_of_quarter = np.array([row[2] for row in rows], dtype=np.int64)
        self.month = np.array([row[3] for row in rows], dtype=np.int64)
        self.silent: dict[str, NDArray[np.bool_]] = {"contracts": np.zeros(len(rows), dtype=bool)}
        for i, topic in enumerate(("deals", "leads", "activities")):
            self.silent[topic] = _silences([r[4 + i] for r in rows], [r[7 + i] for r in rows], self.working.tolist())
        self.faults: dict[str, str] = {}
        for topic, what, since in session.execute(f"select topic, what, stale_since from {faults}").fetchall():
            self.faults[topic] = what
            first = np.array([since is None or (week - since).days > -7 for week in self.weeks], dtype=bool)
            self.silent[topic] |= first

    def silences(self, metric: str) -> NDArray[np.bool_]:
        topics, back = TOPICS[metric]
        silent = np.any([self.silent[topic] for topic in topics], axis=0)
        shown = silent.copy()
        for weeks in range(1, back + 1):
            shown[weeks:] |= silent[:-weeks] if weeks < len(silent) else False
        return shown

    def fault(self, metric: str) -> str | None:
        return next((self.faults[topic] for topic in TOPICS[metric][0] if topic in self.faults), None)


def _silences(said: list[int], silent_days: list[int], working: list[float]) -> NDArray[np.bool_]:
    """Weeks in which a source said far less than in the 26 heard weeks before; a silent one measures none."""
    heard: list[float] = []
    silent = np.zeros(len(said), dtype=bool)
    for i, count in enumerate(said):
        usual = float(np.median(heard[-26:])) if len(heard) >= detect.WATCH_WEEKS else 0.0
        if usual >= SPOKEN_A_DAY:
            few = count < SILENT_SHARE * usual * working[i]
            silent[i] = few or (usual >= 2 * SPOKEN_A_DAY and silent_days[i] >= 2)
        if not silent[i] and (heard or count):
            heard.append(count / working[i])
    return silent


def _lines(session: duckdb.DuckDBPyConnection, series: str, calendar: _Calendar) -> list[_Line]:
    last = len(calendar.weeks)
    rows = session.execute(
        f"select metric, kind, part, dimension, member_key, member, week_start, n, x, xx, n_bulk, x_bulk, value_sum"
        f" from {series} order by metric, part, dimension, member_key, week_start"
    ).fetchall()
    grouped: dict[tuple[str, ...], list[Any]] = {}
    for row in rows:
        if row[6] in calendar.place:
            grouped.setdefault((row[0], row[1], row[2], row[3], row[4]), []).append(row)
    lines = []
    history: dict[tuple[str, str], int] = {}
    for (metric, kind, part, dimension, key), found in grouped.items():
        first = calendar.place[found[0][6]]
        if dimension == "company":
            history[metric, part] = first
        # the first week is seldom whole; a member that came later has no start-up of the company's
        first = max(first + 1, history.get((metric, part), first) + WARM_UP.get(metric, 1))
        if first >= last:
            continue
        table = np.zeros((6, last))
        for row in found:
            table[:, calendar.place[row[6]]] = row[7:13]
        n, x, xx, n_bulk, x_bulk, value_sum = table[:, first:]
        is_level = kind == "value"
        factor = calendar.working[first:] / 5 if is_level else np.ones(last - first)
        given = Series(kind, 1 if metric in HIGH_IS_WORSE else -1, n, x, xx, factor, calendar.silences(metric)[first:])
        judged = detect.judge(given, calendar.week_of_quarter[first:], calendar.month[first:])
        member = str(found[-1][5])
        lines.append(_Line(metric, kind, part, dimension, key, member, first, n, x, value_sum, n_bulk, x_bulk, judged))
    return lines


def benjamini_hochberg(p: list[float]) -> list[float]:
    """S8: adjusted p-values, in the order given."""
    order = sorted(range(len(p)), key=lambda i: -p[i])
    adjusted, least = [0.0] * len(p), 1.0
    for place, i in enumerate(order):
        least = min(least, p[i] * len(p) / (len(p) - place))
        adjusted[i] = least
    return adjusted


def _verdicts(
    lines: list[_Line], calendar: _Calendar, stage_changes: list[_StageChange]
) -> tuple[list[tuple[Any, ...]], list[tuple[_Line, int]]]:
    """Rows of signals_weeks, and (line, week) of what is to be explained."""
    rows: list[tuple[Any, ...]] = []
    shifts: list[tuple[_Line, int]] = []
    age: dict[int, int] = {}
    alarmed: dict[int, date | None] = {}
    newest = len(calendar.weeks) - 1
    for week in range(len(calendar.weeks)):
        here = [line for line in lines if week >= line.first]
        looked_at = [line for line in here if not np.isnan(line.judged[week - line.first].p)]
        watched = [line for line in looked_at if not line.is_headline]
        adjusted = benjamini_hochberg([line.judged[week - line.first].p for line in watched])
        q = dict(zip(map(id, watched), adjusted, strict=True))
        for line in here:
            i = week - line.first
            judged, is_low_bad = line.judged[i], line.metric not in HIGH_IS_WORSE
            since = calendar.weeks[line.first + judged.since] if judged.since >= 0 else None
            verdict, reason = _verdict(line, i, q.get(id(line)), calendar, stage_changes)
            if line.is_headline and since:
                age[id(line)] = 0 if judged.is_new else age.get(id(line), 0) + 1
                if verdict == "confirmed" and (age[id(line)] < EXPLAINED_WEEKS or week == newest):
                    shifts.append((line, week))
            is_alarm = verdict == "confirmed" and judged.state == "worse" and alarmed.get(id(line)) != since
            if is_alarm:
                alarmed[id(line)] = since
            usual = _shown(line, judged.usual)
            value = _shown(line, line.x[i] / line.n[i] if line.n[i] else np.nan) if line.kind != "value" else line.x[i]
            with_bulk = (line.x[i] + line.x_bulk[i]) / (line.n[i] + line.n_bulk[i] or 1)
            direction = "none"
            if not np.isnan(value) and usual is not None and value != usual:
                direction = "worse" if (value - usual) * (-1 if is_low_bad else 1) > 0 else "better"
            rows.append((
                line.metric, line.part, line.dimension, line.member_key, line.member, calendar.weeks[week],
                line.n[i], value, line.value_sum[i], usual, _shown(line, judged.low),
                _shown(line, judged.high), judged.z, judged.p, q.get(id(line)),
                judged.cusum, verdict, direction, reason, is_alarm,
                since,
                calendar.weeks[line.first + judged.baseline_from] if judged.baseline_from >= 0 else None,
                judged.baseline_weeks, judged.bucket_weeks, judged.sigma, len(looked_at),
                line.n_bulk[i], _shown(line, with_bulk) if line.n_bulk[i] and line.kind != "value" else None,
                judged.baseline_n,
            ))  # fmt: skip
    return rows, shifts


def _shown(line: _Line, value: float) -> float:
    """A mean of logarithms as what it is the logarithm of."""
    if line.kind != "mean" or np.isnan(value):
        return value
    return exp(value) - (1 if line.metric == "sales_cycle" else 0)


def _verdict(
    line: _Line, i: int, q: float | None, calendar: _Calendar, stage_changes: list[_StageChange]
) -> tuple[str, str | None]:
    week, state, since = line.first + i, line.judged[i].state, line.judged[i].since
    if state == "silent":
        return "stale", calendar.fault(line.metric) or "its source said far less than usual"
    if state == "waiting":
        heard = i - sum(1 for past in line.judged[:i] if past.state == "silent")
        return "too_early", f"{heard} of {detect.WATCH_WEEKS} weeks collected"
    if not line.is_headline and q is not None and q <= FALSE_SHARE:
        return "watch", None
    if state == "few":
        return "too_few", "too few in four weeks to tell a change from chance"
    if not line.is_headline:
        return "within_noise", None
    if line.n_bulk[i] and _outside(line, i, with_bulk=True) and not _outside(line, i, with_bulk=False):
        return "check_first", f"{int(line.n_bulk[i])} of them were changed in one go (bulk edit)"
    if state in ("worse", "better"):
        start = line.first + since
        silent = [past for past in range(max(since - 2, 0), i) if line.judged[past].state == "silent"]
        if silent:
            return "check_first", f"its source was silent in the week of {calendar.weeks[line.first + silent[-1]]}"
        if line.metric in STAGE_METRICS:
            for change in stage_changes:
                if start - 3 <= change.week and change.seen <= week:
                    return "check_first", change.what
        months = {calendar.month[past] + 1 for past in range(start, week + 1)}
        if line.kind == "value" and i < SEASON_WEEKS and months & set(HOLIDAY_MONTHS):
            return "check_first", "it may be the season: less than two years are known"
        return "confirmed", None
    if abs(line.judged[i].z) > detect.LIMIT:
        return "watch", "one week outside its usual range"
    return "within_noise", None


def _outside(line: _Line, i: int, with_bulk: bool) -> bool:
    """Whether the week lies outside the limits for as many as it counts, with or without its bulk edits."""
    judged = line.judged[i]
    n, x = ((a[i] + b[i]) if with_bulk else a[i] for a, b in ((line.n, line.n_bulk), (line.x, line.x_bulk)))
    if line.kind == "value":
        return bool(x < judged.low or x > judged.high)
    half = (judged.high - judged.usual) * (max(line.n[i], 1) / n) ** 0.5 if n else np.nan
    return bool(abs(x / n - judged.usual) > half) if n else False


@dataclass(frozen=True)
class _StageChange:
    """A stage that came into or went out of use: in which week, when that could be seen, and a sentence."""

    week: int
    seen: int
    what: str


def _stage_changes(session: duckdb.DuckDBPyConnection, stages: str, calendar: _Calendar) -> list[_StageChange]:
    """Stages that began or ended to be used while their pipeline went on."""
    rows = session.execute(
        f"select source, pipeline_id, stage_id, stage, week_start, entry_count from {stages} order by all"
    ).fetchall()
    table: dict[tuple[str, str], dict[tuple[str, str], NDArray[np.float64]]] = {}
    for source, pipeline, stage_id, stage, week, count in rows:
        if week in calendar.place:
            of_pipeline = table.setdefault((source, pipeline), {})
            counts = of_pipeline.setdefault((stage_id, stage or stage_id), np.zeros(len(calendar.weeks)))
            counts[calendar.place[week]] += count
    changes: list[_StageChange] = []
    for of_pipeline in table.values():
        total = np.sum(list(of_pipeline.values()), axis=0)
        begun = int(np.flatnonzero(total)[0])
        for (_, stage), counts in of_pipeline.items():
            used = np.flatnonzero(counts)
            first = int(used[0])
            if first > begun + detect.WATCH_WEEKS and total[max(first - 8, 0) : first].sum() >= 10:
                share = np.cumsum(counts[first : first + 4]) / np.maximum(np.cumsum(total[first : first + 4]), 1)
                seen = np.flatnonzero(share >= 0.05)
                if len(seen):
                    changes.append(_StageChange(first, first + int(seen[0]), f"the stage {stage} came into use"))
            for last, again in pairwise([*(int(week) for week in used), len(total)]):
                usual = counts[max(last - 8, 0) : last].mean() if last else 0.0
                gaps = np.arange(1, again - last)
                went_on = np.cumsum(total[last + 1 : again])
                seen = np.flatnonzero((gaps >= 3) & (went_on >= 10) & (usual >= 2) & (usual * gaps >= 8))
                if len(seen):
                    what = f"the stage {stage} is no longer used"
                    changes.append(_StageChange(last + 1, last + 1 + int(seen[0]), what))
    return sorted(changes, key=lambda change: change.week)


class _FactStore:
    """What was counted of a metric, read once, however many weeks of its shifts are explained."""

    def __init__(self, session: duckdb.DuckDBPyConnection, relation: str, calendar: _Calendar):
        self.session, self.relation, self.first = session, relation, calendar.weeks[0]
        self.read: dict[str, dict[str, Any]] = {}

    def between(self, metric: str, first: int, since: int, last: int) -> Facts:
        """Of the weeks first to last, those from `since` on as the later period."""
        if metric not in self.read:
            self.read[metric] = self._read(metric)
        read = self.read[metric]
        week = read["week"]
        inside = np.flatnonzero((week >= first) & (week <= last))
        inside = inside[np.argsort(week[inside] >= since, kind="stable")]
        cells: dict[str, NDArray[np.int64]] = {"company": np.zeros(len(inside), dtype=np.int64)}
        members: dict[str, list[tuple[str, str]]] = {"company": [("all", "all")]}
        for d in _dimensions(metric):
            name = "stage" if d == "part" else d
            _, at, cells[name] = np.unique(read[d][inside], return_index=True, return_inverse=True)
            keys, labels = read[f"{d}_key"], read[f"{d}_label"]
            members[name] = [(str(keys[j]), str(labels[j])) for j in inside[at]]
        period = (week[inside] >= since).astype(np.int64)
        return Facts(period, np.ones(len(inside)), read["value"][inside], cells, members)

    def _read(self, metric: str) -> dict[str, Any]:
        keys = {d: f"coalesce({'owner_key' if d == 'owner' else d}, 'unknown')" for d in _dimensions(metric)}
        columns = ", ".join(f"dense_rank() over (order by {key}) - 1 as {d}" for d, key in keys.items())
        labels = ", ".join(f"coalesce({d}, 'unknown') as {d}_label, {key} as {d}_key" for d, key in keys.items())
        found = self.session.execute(
            f"select value, {columns}, {labels}, date_diff('day', cast(? as date), week_start) // 7 as week"
            f" from {self.relation} where metric = ? and not is_bulk order by all",  # sums depend on the order
            [self.first, metric],
        ).fetchnumpy()
        read = {name: np.asarray(found[name], dtype=np.int64) for name in ("week", *keys)}
        read["value"] = np.ma.filled(np.ma.asarray(found["value"], dtype=float), 0.0)
        return read | {f"{d}_{what}": found[f"{d}_{what}"] for d in keys for what in ("key", "label")}


def _dimensions(metric: str) -> list[str]:
    return [*DIMENSIONS, "part"] if metric == "stage_conversion" else list(DIMENSIONS)


class _Explained:
    """What a shift of a headline sits in, as it looked at the end of a week."""

    def __init__(self, facts: _FactStore, calendar: _Calendar, line: _Line, week: int):
        i = week - line.first
        self.facts, self.calendar, self.line, self.week = facts, calendar, line, week
        self.since = line.first + line.judged[i].since
        self.baseline_from = line.first + line.judged[i].baseline_from
        self.spread = max(1.0, line.judged[i].sigma)
        turn = -1 if line.judged[i].state == "better" else 1
        self.worse = turn * (1 if line.metric in HIGH_IS_WORSE else -1)

    def rows(self) -> list[tuple[Any, ...]]:
        line = self.line
        if line.metric == "bookings":
            return self._of_product(self._load("bookings"), self._load("win_rate"))
        facts = self._load(line.metric)
        if line.kind == "value":
            return self._of_product(facts, None)
        if line.kind == "mean":
            found = causes.of_mean(facts, _variance(facts), self.spread, self.worse).causes
        else:
            found = causes.of_rate(facts, self.spread, self.worse).causes
        if line.metric == "win_rate":
            found = self._with_stage(found)
        return self._named(facts, found) + self._splits(facts) if found else []

    def _load(self, metric: str) -> Facts:
        return self.facts.between(metric, self.baseline_from, self.since, self.week)

    def _exposure(self) -> float:
        """Usual weeks since the shift over those before it, in working days of weeks that were heard."""
        heard = ~self.calendar.silences(self.line.metric)
        working = self.calendar.working * heard
        before = working[self.baseline_from : self.since].sum()
        return float(working[self.since : self.week + 1].sum() / before) if before else 1.0

    def _of_product(self, wins: Facts, decided: Facts | None) -> list[tuple[Any, ...]]:
        """Bookings and created value: how many, which share of them won, how large (S7); the factor that moved most."""
        if not (wins.period == 0).any() or not (wins.period == 1).any():
            return []
        valued = wins.only(wins.x > 0)
        logs = Facts(valued.period, valued.n, np.log(valued.x), valued.cells, valued.members)
        longer = self._exposure()
        tried = {
            "volume": (decided or wins, causes.of_volume(decided or wins, longer, 1.0, self.worse)),
            "size": (logs, causes.of_mean(logs, _variance(logs), 1.0, self.worse)),
        }
        if decided is not None:
            tried["win_rate"] = (decided, causes.of_rate(decided, 1.0, self.worse))
        step, (facts, explanation) = max(tried.items(), key=lambda entry: entry[1][1].gain)
        found = self._with_stage(explanation.causes) if step == "win_rate" else explanation.causes
        if step == "size":
            found = [replace(cause, kind="size") if cause.kind in ("rate", "everywhere") else cause for cause in found]
        rows = self._named(facts, found, step) + self._factors(wins, decided, longer)
        return rows + (self._splits(facts) if step != "volume" else [])

    def _factors(self, wins: Facts, decided: Facts | None, longer: float) -> list[tuple[Any, ...]]:
        """S7, exact: per usual week before and since."""
        weeks0 = max(self.since - self.baseline_from, 1)
        weeks1 = weeks0 * longer
        parts: list[tuple[str, float, float]] = []
        won = [float((wins.period == t).sum()) for t in (0, 1)]
        value = [float(wins.x[wins.period == t].sum()) for t in (0, 1)]
        if decided is not None:
            count = [float((decided.period == t).sum()) for t in (0, 1)]
            parts.append(("decided", count[0] / weeks0, count[1] / weeks1))
            parts.append(("win_rate", won[0] / count[0] if count[0] else 0.0, won[1] / count[1] if count[1] else 0.0))
        else:
            parts.append(("created", won[0] / weeks0, won[1] / weeks1))
        parts.append(("size", value[0] / won[0], value[1] / won[1]))
        if any(before <= 0 or after <= 0 for _, before, after in parts):
            return []
        effects = causes.lmdi(tuple(p[1] for p in parts), tuple(p[2] for p in parts))
        return [
            self._row(
                None, "factor", name, "company", ("all", "all"), won[0], won[1], before, after, None, None, effect
            )
            for (name, before, after), effect in zip(parts, effects, strict=True)
        ]

    def _with_stage(self, found: list[Cause]) -> list[Cause]:
        """After "everywhere", the stage at which it sits, when one stage explains it better than all of them."""
        if not found or found[0].kind != "everywhere":
            return found
        self.stages = self._load("stage_conversion").within(("company", "stage"))
        explained = causes.of_rate(self.stages, 1.0, self.worse).causes
        stages = [cause for cause in explained if cause.dimension == "stage" and cause.code >= 0]
        return [replace(cause, kind="stage") for cause in stages[:1]] + found

    def _named(self, facts: Facts, found: list[Cause], step: str | None = None) -> list[tuple[Any, ...]]:
        rows = []
        for place, cause in enumerate(found, start=1):
            of = self.stages if cause.kind == "stage" else facts
            cells = of.table(cause.dimension)
            members = of.members[cause.dimension]
            one = slice(None) if cause.code < 0 else slice(cause.code, cause.code + 1)
            n0, x0, n1, x1 = (float(v[one].sum()) for v in (cells.n0, cells.x0, cells.n1, cells.x1))
            split = causes.mix_and_rate(cells)
            member = members[cause.code] if cause.code >= 0 else ("all", "all")
            rows.append(self._row(
                place, step or self.line.metric, cause.kind, cause.dimension, member, n0, n1,
                x0 / n0 if n0 else None, x1 / n1 if n1 else None,
                float(split.mix[one].sum()), float(split.rate[one].sum()), None, cause.score, cause.chance,
            ))  # fmt: skip
        return rows

    def _splits(self, facts: Facts) -> list[tuple[Any, ...]]:
        rows = []
        for dimension in facts.members:
            cells = facts.table(dimension)
            split = causes.mix_and_rate(cells)
            for code, member in enumerate(facts.members[dimension]):
                n0, x0, n1, x1 = (float(v[code]) for v in (cells.n0, cells.x0, cells.n1, cells.x1))
                if n0 or n1:
                    rows.append(self._row(
                        None, "split", "mix_and_rate", dimension, member, n0, n1, x0 / n0 if n0 else None,
                        x1 / n1 if n1 else None, float(split.mix[code]), float(split.rate[code]), None,
                    ))  # fmt: skip
        return rows

    def _row(
        self, place: int | None, step: str, kind: str, dimension: str, member: tuple[str, str], n0: float, n1: float,
        before: float | None, since: float | None, mix: float | None, rate: float | None, effect: float | None,
        score: float | None = None, chance: float | None = None,
    ) -> tuple[Any, ...]:  # fmt: skip
        weeks = self.calendar.weeks
        return (
            self.line.metric, weeks[self.week], weeks[self.since], place, step, kind, dimension, *member, n0, n1,
            before, since, mix, rate, effect if effect is not None or mix is None or rate is None else mix + rate,
            score, chance,
        )  # fmt: skip


def _variance(facts: Facts) -> float:
    before = facts.x[facts.period == 0]
    return float(before.var()) or 1e-9


def _insert(session: duckdb.DuckDBPyConnection, table: str, rows: list[tuple[Any, ...]]) -> None:
    """None is NULL, as NaN is."""
    if not rows:
        return
    described = session.execute(f"describe {table}").fetchall()
    kinds = {name: float if kind in ("DOUBLE", "BIGINT") else object for name, kind, *_ in described}
    columns = zip(kinds.items(), zip(*rows, strict=True), strict=True)
    insert(session, table, {name: np.array(values, dtype=kind) for (name, kind), values in columns})
