"""Reads targets in, and lays what was found out as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from analysis.forecast.inputs import Array, Codes, Inputs
from analysis.forecast.learn import labels_at
from analysis.forecast.methods import ALL, BASELINES, DEAL_METHODS
from analysis.forecast.scores import Score, brier, calibration_error, reliability, score
from analysis.output import insert

if TYPE_CHECKING:
    from analysis.forecast.run import Forecasts

SHOWN_QUARTERS = 8  # that ended
CHOSEN = "chosen"
TABLES = {
    "forecasts": """
        as_of_date date, period_start date, period_end date, dimension varchar, member_key varchar, method varchar,
        weeks_to_end bigint, predicted double, expected double, low_50 double, high_50 double, low_80 double,
        high_80 double, won_value double, open_value double, new_value double, actual_value double, target double,
        chance_of_target double, compared_date date, change_expected double, change_won double, change_open double,
        change_new double, is_chosen boolean, note varchar""",
    "accuracy": """
        dimension varchar, member_key varchar, method varchar, weeks_to_end bigint, origin_count bigint,
        period_count bigint, wape double, bias double, coverage_50 double, coverage_80 double, width double,
        pinball double, best_baseline varchar, best_baseline_wape double""",
    "calibration": """
        method varchar, tenth bigint, deal_count bigint, mean_chance double, won_share double, brier double,
        calibration_error double""",
}


def read_targets(connection: duckdb.DuckDBPyConnection, targets: str, inputs: Inputs) -> Array:
    """By (origin, member): the target that stood on the day; NaN without one."""
    found = np.full((len(inputs.day), len(inputs.teams) + 1), np.nan)
    place = {("team", name): column for column, name in enumerate(inputs.teams)} | {("company", "all"): -1}
    origin = {int(day): row for row, day in enumerate(inputs.day)}
    for day, dimension, member, target in connection.execute(
        f"select snapshot_date - date '1970-01-01', dimension, member_key, cast(target_base as double) from {targets}"
    ).fetchall():
        if day in origin and (dimension, member) in place and target is not None:
            found[origin[day], place[dimension, member]] = target
    return found


def write(connection: duckdb.DuckDBPyConnection, found: Forecasts | None, into: str) -> None:
    for name, columns in TABLES.items():
        connection.execute(f"create or replace temp table {into}_{name} ({columns})")
    if found is None:
        return
    _insert(connection, f"{into}_forecasts", _forecasts(found))
    _insert(connection, f"{into}_accuracy", _accuracy(found))
    _insert(connection, f"{into}_calibration", _calibration(found))


def _insert(connection: duckdb.DuckDBPyConnection, table: str, columns: dict[str, Any]) -> None:
    """Days since 1970 are dates, none before it."""
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    insert(connection, table, {name: _date(array) if name in _DATES else array for name, array in arrays.items()})


def _date(day: Codes) -> Any:
    return np.where(day >= 0, day.astype("datetime64[D]"), np.datetime64("NaT")).astype("datetime64[us]")


_DATES = ("as_of_date", "period_start", "period_end", "compared_date")


def _shown(found: Forecasts) -> Codes:
    running = int(found.inputs.quarter[-1])
    return np.flatnonzero(found.inputs.quarter >= running - SHOWN_QUARTERS)


def _members(found: Forecasts) -> list[tuple[str, str]]:
    return [*(("team", name) for name in found.inputs.teams), ("company", "all")]


def _forecasts(found: Forecasts) -> dict[str, Any]:
    inputs, rows, members = found.inputs, _shown(found), _members(found)
    before = _monday_before(inputs)[rows]
    quarter = inputs.quarter[rows]
    shape = (len(ALL), len(rows), len(members))

    def each(values: Any, axis: int) -> Any:
        """One value by method (0), origin (1) or member (2), for every row."""
        spread = np.expand_dims(np.asarray(values), [other for other in range(3) if other != axis])
        return np.broadcast_to(spread, shape).ravel()

    def money(by_method: dict[str, Array]) -> Array:
        return np.stack([by_method[name][rows] for name in ALL])

    def change(by_method: dict[str, Array]) -> Array:
        return np.stack([_less(by_method[name], rows, before) for name in ALL])

    bounds = np.stack([found.bounds[name][rows] for name in ALL])
    won = {name: found.won for name in ALL}
    predicted = money(found.predicted)
    notes = _notes(found, rows, predicted)
    columns = {
        "as_of_date": each(inputs.day[rows], 1),
        "period_start": each(inputs.quarter_start[quarter], 1),
        "period_end": each(inputs.quarter_end[quarter], 1),
        "dimension": each([dimension for dimension, _ in members], 2),
        "member_key": each([member for _, member in members], 2),
        "method": each(ALL, 0),
        "weeks_to_end": each(inputs.weeks_left[rows], 1),
        "predicted": predicted,
        "expected": money(found.expected),
        "low_80": bounds[..., 0],
        "low_50": bounds[..., 1],
        "high_50": bounds[..., 2],
        "high_80": bounds[..., 3],
        "won_value": money(won),
        "open_value": money(found.open),
        "new_value": money(found.new),
        "actual_value": money({name: found.actual for name in ALL}),
        "target": money({name: found.targets for name in ALL}),
        "chance_of_target": money(found.chance),
        "compared_date": each(np.where(before >= 0, inputs.day[np.maximum(before, 0)], -1), 1),
        "change_expected": change(found.expected),
        "change_won": change(won),
        "change_open": change(found.open),
        "change_new": change(found.new),
        "is_chosen": np.array([[[found.chosen[int(q)] == name] * len(members) for q in quarter] for name in ALL]),
        "note": notes,
    }
    return {name: np.asarray(values).ravel() for name, values in columns.items()}


def _monday_before(inputs: Inputs) -> Codes:
    """The newest Monday before each origin in its own period; -1 where there is none."""
    mondays = np.flatnonzero(inputs.is_monday())
    place = np.searchsorted(inputs.day[mondays], inputs.day) - 1
    found = np.where(place >= 0, mondays[np.maximum(place, 0)] if len(mondays) else 0, -1)
    return np.where((found >= 0) & (inputs.quarter[np.maximum(found, 0)] == inputs.quarter), found, -1)


def _less(values: Array, rows: Codes, before: Codes) -> Array:
    difference = values[rows] - values[np.maximum(before, 0)]
    return np.where((before >= 0)[:, None], difference, np.nan)


def _notes(found: Forecasts, rows: Codes, predicted: Array) -> Any:
    quarter = found.inputs.quarter[rows]
    general = np.array([found.notes[int(q)] or "" for q in quarter], dtype=object)
    spread = np.broadcast_to(general[None, :, None], predicted.shape)
    nothing = np.where(spread == "", "nothing to learn from yet", spread)
    return np.where(np.isfinite(predicted), spread, nothing).astype(str)


def _accuracy(found: Forecasts) -> dict[str, Any]:
    """Of the ended periods: each method, and what was chosen at the time; by weeks to the end and over all (-1)."""
    inputs = found.inputs
    rows = _shown(found)
    ruled = np.isfinite(found.predicted["last_period"][rows, -1])  # from there on a simple rule stands beside them
    rows = rows[inputs.is_monday()[rows] & np.isfinite(found.actual[rows, -1]) & ruled]
    lines: list[tuple[Any, ...]] = []
    by_method = {name: (found.predicted[name], found.bounds[name]) for name in ALL}
    by_method[CHOSEN] = as_chosen(found)
    for column, (dimension, member) in enumerate(_members(found)):
        for week in (-1, *np.unique(inputs.weeks_left[rows]).tolist()):
            here = rows if week < 0 else rows[inputs.weeks_left[rows] == week]
            scores = {}
            for name, (predicted, bounds) in by_method.items():
                kept = here[np.isfinite(predicted[here, column])]
                scores[name] = (
                    score(predicted[kept, column], found.actual[kept, column], bounds[kept, column]),
                    kept,
                )
            for name, (own, kept) in scores.items():
                if own.count:
                    best = _best_baseline(found, kept, column)
                    lines.append((dimension, member, name, week, own, len(np.unique(inputs.quarter[kept])), *best))
    own_scores: list[Score] = [line[4] for line in lines]
    return {
        "dimension": np.array([line[0] for line in lines]),
        "member_key": np.array([line[1] for line in lines]),
        "method": np.array([line[2] for line in lines]),
        "weeks_to_end": np.array([line[3] for line in lines], dtype=np.int64),
        "origin_count": np.array([own.count for own in own_scores], dtype=np.int64),
        "period_count": np.array([line[5] for line in lines], dtype=np.int64),
        **{
            name: np.array([getattr(own, name) for own in own_scores], dtype=np.float64)
            for name in ("wape", "bias", "coverage_50", "coverage_80", "width", "pinball")
        },
        "best_baseline": np.array([line[6] for line in lines]),
        "best_baseline_wape": np.array([line[7] for line in lines], dtype=np.float64),
    }


def as_chosen(found: Forecasts) -> tuple[Array, Array]:
    predicted, bounds = np.full(found.won.shape, np.nan), np.full((*found.won.shape, 4), np.nan)
    for period, name in found.chosen.items():
        here = found.inputs.quarter == period
        predicted[here], bounds[here] = found.predicted[name][here], found.bounds[name][here]
    return predicted, bounds


def _best_baseline(found: Forecasts, rows: Codes, column: int) -> tuple[str, float]:
    """Of the simple rules that forecast every one of these origins, the one that missed least; '' without one."""
    best, least = "", float("nan")
    for name in BASELINES:
        own = found.simple_rule(name)[rows, column]
        if np.isfinite(own).all():
            missed = score(own, found.actual[rows, column], found.bounds[name][rows, column]).wape
            if np.isfinite(missed) and not least <= missed:
                best, least = name, missed
    return best, least


def _calibration(found: Forecasts) -> dict[str, Any]:
    """Of the open deals on the Mondays of ended periods: what they were given, and what became of them."""
    inputs, parts = found.inputs, found.parts
    shown = np.zeros(len(inputs.day), dtype=bool)
    shown[_shown(found)] = True
    rows = inputs.open.rows(shown & inputs.is_monday() & (inputs.quarter_end <= inputs.as_of)[inputs.quarter])
    final = labels_at(inputs, inputs.as_of).quarter
    booked = (final[inputs.open.deal] == inputs.quarter[inputs.open.origin]).astype(np.float64)
    lines: list[tuple[Any, ...]] = []
    for name in DEAL_METHODS:
        kept = rows & np.isfinite(parts.chances[name])
        chance, won = parts.chances[name][kept], booked[kept]
        if not len(won):
            continue
        whole = (brier(chance, won), calibration_error(chance, won))
        lines.append((name, -1, len(won), float(chance.mean()), float(won.mean()), *whole))
        lines += [(name, *line, float("nan"), float("nan")) for line in reliability(chance, won)]
    kinds = [str, np.int64, np.int64, np.float64, np.float64, np.float64, np.float64]
    names = ("method", "tenth", "deal_count", "mean_chance", "won_share", "brier", "calibration_error")
    return {
        name: np.array([line[place] for line in lines], dtype=kind)
        for place, (name, kind) in enumerate(zip(names, kinds, strict=True))
    }
