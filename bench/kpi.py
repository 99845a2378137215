"""Minutes and memory of the whole dbt build over a company of a given size, and what days cost to sum up.

    .venv/bin/python -m bench.kpi --deals 100000 [1000000 ...] [--data FOLDER] [--tests] [--only-full] [--models 15]

For each size: a made-up company (bench/company.py), a full build as the night runs it, a second night with 1 % of the
deals changed, and questions about days put to the finished marts. Several sizes give the growth from each to the next.
Each build is a process of its own: its peak memory is the kernel's figure, its temporary files are looked at twice a
second. Growth and shares are of CPU time: other work on the machine does not change them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from bench import company
from bench.practice import ROOT
from salesops.layout import DataDirectory

GIGABYTE = 1024**3
LIMIT_GIGABYTES = 24.0
LIMIT_EXPONENT = 1.1
LIMIT_QUESTION_SECONDS = 10.0
SETTINGS = "[company]\n[sources.hubspot]\n[sources.spreadsheets]\n[sources.exchange_rates]\n"

# Asked of the marts as an analyst would. The days are summed from what opens and closes, never from deals x days, and
# each currency at the rate of the day.
QUESTIONS = {
    "three years of days: open deals and their value": """
        with stands as (
            select versions.currency, versions.first_date, versions.end_date, versions.amount
            from pipeline.deal_versions as versions
            inner join pipeline.deals as deals on versions.deal_key = deals.deal_key
            where versions.life_state = 'open' and not deals.is_excluded
        ),
        events as (
            select currency, first_date as date, 1 as opened, amount from stands
            union all
            select currency, end_date, -1, -amount from stands where end_date is not null
        ),
        days as (
            select date, currency from pipeline.calendar, (select distinct currency from stands)
            where country = 'SE' and date between (select min(date) from events) and (select max(date) from events)
        ),
        stock as (
            select
                days.date, days.currency, sum(coalesce(sum(opened), 0)) over running as open_count,
                sum(coalesce(sum(amount), 0)) over running as amount
            from days left join events on days.date = events.date and days.currency = events.currency
            group by days.date, days.currency
            window running as (partition by days.currency order by days.date)
        )
        select stock.date, sum(open_count) as open_count, sum(amount * coalesce(rate_to_base, 1)) as open_value
        from stock
        left join pipeline.exchange_rates as rates on stock.currency = rates.currency and stock.date = rates.date
        where stock.date > (select max(date) from days) - interval 3 year
        group by stock.date order by stock.date""",
    "a month of pipeline_daily, by day": """
        select date, count(*), sum(amount_base) from pipeline.pipeline_daily
        where date between '2026-10-01' and '2026-10-31' group by date""",
    "a day of pipeline_daily, by stage": """
        select stage, count(*), sum(amount_base), avg(days_in_stage) from pipeline.pipeline_daily
        where date = '2025-06-30' group by stage""",
    "400 days of pipeline_open, by team": """
        select snapshot_date, member, open_value from kpi.pipeline_open where dimension = 'team'""",
}


@dataclass(frozen=True)
class Build:
    """What one dbt command took. `nodes`: seconds by model or test."""

    minutes: float
    cpu_minutes: float
    peak_gigabytes: float
    temporary_gigabytes: float
    nodes: dict[str, float]


def build(folder: Path, as_of: datetime, kind: str) -> Build:
    """One dbt command over the company in `folder`, in a process of its own. `kind`: models or tests."""
    command = [sys.executable, "-m", "bench.kpi", "--run", kind, "--data", str(folder), "--as-of", as_of.isoformat()]
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT)
    peak, done = [0], threading.Event()
    watching = threading.Thread(target=_watch_temporary_files, args=(folder, peak, done))
    watching.start()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    done.set()
    watching.join()
    if process.returncode:
        raise SystemExit(f"the build of {folder} ended with {process.returncode}")
    runs = json.loads((DataDirectory(folder).dbt / "target" / "run_results.json").read_text())["results"]
    nodes = {run["unique_id"].split(".")[2]: run["execution_time"] for run in runs}
    return Build(
        minutes=(time.monotonic() - started) / 60,
        cpu_minutes=(usage.ru_utime + usage.ru_stime) / 60,
        peak_gigabytes=usage.ru_maxrss * 1024 / GIGABYTE,
        temporary_gigabytes=peak[0] / GIGABYTE,
        nodes=dict(sorted(nodes.items(), key=lambda node: -node[1])),
    )


def _watch_temporary_files(folder: Path, peak: list[int], done: threading.Event) -> None:
    while not done.wait(0.5):
        sizes = [_size(path) for path in folder.glob("**/*.tmp/*")]
        peak[0] = max(peak[0], sum(sizes))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # gone since it was listed
        return 0


def run_dbt(folder: Path, as_of: datetime, kind: str) -> int:
    """What the night does with dbt, at a given instant. `tests` looks at the marts that `models` left."""
    from salesops import config
    from salesops import night as nights
    from salesops.clock import Clock

    configuration = folder / "salesops.toml"
    configuration.write_text(SETTINGS)
    settings, data = config.load({"SALESOPS_CONFIG": str(configuration)}), DataDirectory(folder)
    nights.set_environment(data)
    from dagster_project import transform

    project = transform.parse_project(data)
    night = nights.Night(settings, data, Clock(), as_of, as_of, None, data.published, "", "")
    if kind == "models":
        command = ["build", "--quiet", "--exclude-resource-type", "unit_test", "--exclude-resource-type", "test"]
        results = transform.run_dbt(night, project.manifest, command)
    else:
        from dbt.cli.main import dbtRunner

        os.chdir(nights.DBT)
        command = ["test", "--quiet", "--select", "test_type:data", *nights.dbt_arguments(night)]
        results = list(dbtRunner(manifest=project.manifest).invoke(command).result or [])
    for result in results:
        if result.status in ("error", "fail"):
            print(f"{result.node.name}: {result.message}", file=sys.stderr)
    return int(kind == "models" and any(result.status == "error" for result in results))


def ask(folder: Path) -> dict[str, float]:
    """Seconds of each question, put to the finished file as readers open it."""
    took = {}
    with duckdb.connect(str(DataDirectory(folder).marts), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'; set threads = 2")
        for name, query in QUESTIONS.items():
            started = time.monotonic()
            connection.execute(query).fetchall()
            took[name] = time.monotonic() - started
    return took


def report(name: str, measured: Build, models: int) -> None:
    time_taken = f"{measured.minutes:.2f} minutes ({measured.cpu_minutes:.2f} CPU)"
    space = f"peak {measured.peak_gigabytes:.1f} GB, temporary files {measured.temporary_gigabytes:.1f} GB"
    print(f"{name}: {time_taken}, {space}", flush=True)
    for node, seconds in list(measured.nodes.items())[:models]:
        print(f"  {seconds:9.2f} s  {node}")


def measure(folder: Path, deals: int, options: argparse.Namespace) -> tuple[Build, list[str]]:
    """Everything at one size; what broke its limit."""
    started = time.monotonic()
    company.make(folder, deals)
    print(f"{deals:,} deals: made in {time.monotonic() - started:.0f} s", flush=True)
    full = build(folder, company.NOW, "models")
    report("full build", full, options.models)
    broken = [f"peak {full.peak_gigabytes:.1f} GB"] if full.peak_gigabytes > LIMIT_GIGABYTES else []
    if options.tests:
        report("data tests", build(folder, company.NOW, "tests"), options.models)
    for question, seconds in ask(folder).items():
        print(f"  {seconds:9.2f} s  {question}", flush=True)
        broken += [f"{question}: {seconds:.1f} s"] if seconds > LIMIT_QUESTION_SECONDS else []
    if not options.only_full:
        second = build(folder, company.change(folder, every=100), "models")
        report("night with 1 % changed", second, 0)
        print(
            f"  {second.cpu_minutes / full.cpu_minutes:.0%} of the CPU time of a full build (wanted: 15 %)", flush=True
        )
    return full, [f"{deals:,} deals: {reason}" for reason in broken]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deals", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--data", type=Path, help="where the companies are kept (default: a folder that is removed)")
    parser.add_argument("--tests", action="store_true", help="time the data tests too")
    parser.add_argument("--models", type=int, default=15, help="how many of the slowest models to list")
    parser.add_argument("--only-full", action="store_true", help="leave out the night with 1 %% changed")
    parser.add_argument("--run", choices=["models", "tests"], help=argparse.SUPPRESS)
    parser.add_argument("--as-of", type=datetime.fromisoformat, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        return run_dbt(options.data.resolve(), options.as_of, options.run)
    broken, before = [], None
    with tempfile.TemporaryDirectory() as scratch:
        for deals in options.deals:
            folder = (options.data or Path(scratch)).resolve() / str(deals)
            shutil.rmtree(folder, ignore_errors=True)
            full, reasons = measure(folder, deals, options)
            broken += reasons
            if before:
                exponent = math.log(full.cpu_minutes / before[1].cpu_minutes) / math.log(deals / before[0])
                print(f"growth from {before[0]:,} to {deals:,} deals: exponent {exponent:.2f} of CPU time")
                broken += [f"exponent {exponent:.2f} to {deals:,} deals"] if exponent > LIMIT_EXPONENT else []
                _growth_by_model(before, (deals, full))
            before = (deals, full)
    for line in broken:
        print("over the limit:", line)
    return 1 if broken else 0


def _growth_by_model(before: tuple[int, Build], after: tuple[int, Build]) -> None:
    """Models that take long and grow faster than the company."""
    for node, seconds in after[1].nodes.items():
        earlier = before[1].nodes.get(node, 0)
        exponent = math.log(seconds / earlier) / math.log(after[0] / before[0]) if earlier and seconds else 0
        if exponent > LIMIT_EXPONENT and seconds > 1:
            print(f"  {earlier:8.2f} s -> {seconds:8.2f} s, exponent {exponent:.2f}  {node}")


if __name__ == "__main__":
    raise SystemExit(main())
