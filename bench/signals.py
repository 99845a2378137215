"""Planted causes: is a change found, how late, named right; and how often is there an alarm without one?

Companies are made as rows of the pipeline layer, run through the project's own signal models and judged in one pass
over all of their weeks. Each kind is planted in week SHIFT of a company of about 50 decided deals and 100 leads a week.

Usage: python -m bench.signals [--seeds 20] [--kinds leak noise ...] [--first-seed 1000]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from bench.planted import AS_OF, KINDS, LAST, SHIFT, TABLES, WEEKS, Kind, World
from tests.whole.project import Company, Project

WATCHED = ("noise", "oversell")  # kinds of which more than the company's own series is asked


@dataclass
class Found:
    """What one company showed."""

    alarms: list[tuple[str, int]] = field(default_factory=list)  # headline, week number
    delay: int | None = None
    named: str = ""
    named_later: str = ""
    is_right: bool = False
    is_right_later: bool = False
    stable_weeks: int = 0
    false_alarms: int = 0
    false_metrics: list[str] = field(default_factory=list)
    watched: int = 0
    looked_at: int = 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="salesops-signals-") as folder:
        rig = Rig(Project(Path(folder)))
    began, results = time.process_time(), {}
    for kind in options.kinds:
        is_watch = kind in WATCHED
        found = [
            judge(rig.live(kind, options.first_seed + seed, company_alone=not is_watch), kind)
            for seed in range(options.seeds)
        ]
        results[kind] = found
        print(line_of(kind, found), flush=True)
    stable = sum(f.stable_weeks for found in results.values() for f in found)
    false = sum(f.false_alarms for found in results.values() for f in found)
    print(
        f"false alarms of the family in 52 stable weeks: {52 * false / max(stable, 1):.2f} ({false} in {stable} weeks)"
    )
    by_metric = Counter(metric for found in results.values() for f in found for metric in f.false_metrics)
    print(f"  by headline: {dict(by_metric.most_common())}")
    watched, looked = (sum(getattr(f, a) for f in results.get("noise", [])) for a in ("watched", "looked_at"))
    print(f"noise: {watched} of {looked} judged series-weeks listed as watch ({100 * watched / max(looked, 1):.2f} %)")
    print(f"{time.process_time() - began:.0f} CPU-s")
    return 0


class Rig:
    """The signal models upon an empty company, filled with one planted company after the other."""

    def __init__(self, project: Project):
        self.project = project
        self.connection = project.build(Company(), [AS_OF], as_of=AS_OF)

    def live(
        self, kind: str | None, seed: int, besides: str = "", *, company_alone: bool = False
    ) -> duckdb.DuckDBPyConnection:
        """kpi.signals and kpi.signal_causes of a company with this planted, None: of an empty one; until the next.

        `besides`: SQL upon its tables before they are judged. `company_alone`: without the series of teams, segments
        and sources, which are four fifths of the work; no alarm and no cause depends on them.
        """
        for table in (*(f"pipeline.{table}" for table in TABLES), "meta.data_status"):
            self.connection.execute(f"delete from marts.{table}")
        if kind:
            World(kind, seed).write(self.connection)
        if besides:
            self.connection.execute(besides)
        return self.judged(AS_OF, company_alone=company_alone)

    def judged(self, as_of: datetime, *, company_alone: bool = False) -> duckdb.DuckDBPyConnection:
        """The same tables of what stands there, as of another instant."""
        counted = [model for model in self.project.models if _is_of_signals(model) and model.language != "python"]
        first = [model.name for model in counted if model.schema == "signals"]
        self.project.make(self.connection, as_of, only=lambda model: model.name in first)
        if company_alone:
            self.connection.execute(
                "delete from warehouse.signals.int_signals__series where dimension <> 'company' or part <> 'all'"
            )
        self.project.make(self.connection, as_of, only=lambda m: _is_of_signals(m) and m.name not in first)
        return self.connection


def _is_of_signals(model: Any) -> bool:
    return model.schema == "signals" or model.name in ("signals", "signal_causes")


def line_of(kind: str, found: list[Found]) -> str:
    false = 52 * sum(f.false_alarms for f in found) / max(sum(f.stable_weeks for f in found), 1)
    text = f"{kind:18} false {false:4.2f}"
    if not KINDS[kind].is_stable:
        delays = [f.delay for f in found if f.delay is not None]
        within = sum(d <= 8 for d in delays)
        median = float(np.median([99 if f.delay is None else f.delay for f in found]))
        right, later = sum(f.is_right for f in found), sum(f.is_right_later for f in found)
        text += f" | found {len(delays)}/{len(found)}, median {median:.0f} weeks, within 8: {within}"
        text += f" | named right {right}, after 4 weeks {later} of {len(delays)}"
        text += f" | {Counter(f.named_later for f in found if not f.is_right_later).most_common(3)}"
    else:
        text += f" | {Counter(f.named for f in found).most_common(4)}"
    return text


def judge(connection: duckdb.DuckDBPyConnection, name: str) -> Found:
    """What was found of it, from the tables that stand."""
    kind, found = KINDS[name], Found()
    begins = LAST - timedelta(weeks=WEEKS - SHIFT)
    alarms = connection.execute(
        "select metric, week_start from marts.kpi.signals where is_alarm order by week_start, metric"
    ).fetchall()
    found.alarms = [(metric, (week - begins).days // 7 + 1) for metric, week in alarms]
    found.stable_weeks = WEEKS - 27 if kind.is_stable else SHIFT - 27
    found.false_metrics = [metric for metric, week in found.alarms if kind.is_stable or week < 1]
    found.false_alarms = len(found.false_metrics)
    found.watched, found.looked_at = connection.execute(
        "select count(*) filter (where verdict = 'watch'), count(*) filter (where q_value is not null)"
        " from marts.kpi.signals"
    ).fetchall()[0]
    found.named = ", ".join(sorted({f"{metric} in week {week}" for metric, week in found.alarms}))
    if kind.is_stable:
        return found
    if kind.metric == "churn":
        return _of_watch(connection, kind, begins, found)
    weeks = [week for metric, week in found.alarms if metric == kind.metric and week >= 1]
    if not weeks:
        return found
    found.delay = weeks[0]
    for attribute, later in (("", 0), ("_later", 4)):
        named = _named(connection, kind.metric, begins + timedelta(weeks=weeks[0] - 1 + later))
        setattr(found, f"named{attribute}", " + ".join(" ".join(n) for n in named))
        wanted = [expected[1:] for expected in kind.expected if expected[0] == kind.metric]
        setattr(found, f"is_right{attribute}", bool(named) and named[0] in wanted)
    return found


def _named(connection: duckdb.DuckDBPyConnection, metric: str, week: date) -> list[tuple[str, str, str]]:
    rows = connection.execute(
        "select kind, dimension, member_key from marts.kpi.signal_causes where metric = ? and place is not null"
        " and week_start = (select max(week_start) from marts.kpi.signal_causes where metric = ? and week_start <= ?)"
        " order by place",
        [metric, metric, week],
    ).fetchall()
    return [(row[0], row[1], row[2]) for row in rows]


def _of_watch(connection: duckdb.DuckDBPyConnection, kind: Kind, begins: date, found: Found) -> Found:
    _, _, dimension, member = kind.expected[0]
    rows = connection.execute(
        "select week_start from marts.kpi.signals where metric = 'churn' and dimension = ? and member_key = ?"
        " and verdict = 'watch' and direction = 'worse' and week_start >= ? order by week_start",
        [dimension, member, begins],
    ).fetchall()
    if rows:
        found.delay = (rows[0][0] - begins).days // 7 + 1
        found.is_right = found.is_right_later = True
    return found


if __name__ == "__main__":
    sys.exit(main())
