"""Whether forecasts of bookings keep their promises, over companies that they were not chosen on.

    .venv/bin/python -m bench.forecast [--seeds 100 101 ...] [--nights FOLDER ...]

Made-up companies differ in size, cycle, deal sizes, season, growth, a push at the quarter's end, sellers' optimism and
drift of the win rate; each seed is one. `--nights` adds data directories of real nights (practice companies). Every
Monday of every ended fiscal quarter is forecast from what was known on it, and what was to be shown then (`chosen`) is
held against restated bookings. Seeds below 100 are for choosing and tuning, those from 100 on for judging. Ends with 1
when a limit is broken.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np

from analysis.forecast import inputs as reading
from analysis.forecast.methods import ALL, BASELINES
from analysis.forecast.output import as_chosen
from analysis.forecast.run import Forecasts, judged
from analysis.forecast.scores import score, wape

SEEDS = range(100, 112)
LAST = datetime.date(2026, 11, 23)
STAGES = 4
RESAMPLED = 2000
CHOSEN = "chosen"


def make(connection: duckdb.DuckDBPyConnection, seed: int, years: float = 4.0, size: float | None = None) -> None:
    """Tables `spells`, `periods` and `targets` of a made-up company, by what its seed says of it."""
    random = np.random.default_rng(seed)
    days = int(years * 365)
    weekly = size or float(np.exp(random.uniform(np.log(2), np.log(30))))
    cycle, win_rate = random.uniform(35, 120), random.uniform(0.18, 0.4)
    growth, season = random.uniform(-0.1, 0.3), random.uniform(0, 0.35)
    push, optimism, drift = random.uniform(0, 0.6), random.uniform(0, 40), random.uniform(-0.1, 0.1)
    spread = random.uniform(0.5, 1.1)
    day = np.arange(days)
    rate = weekly / 7 * (1 + growth) ** (day / 365) * (1 + season * np.sin(2 * np.pi * (day / 365 + random.uniform())))
    created = np.repeat(day, random.poisson(np.maximum(0.01, rate)))
    count = len(created)
    team = random.integers(0, 3, count)
    segment = random.integers(0, 4, count)
    account = random.integers(0, max(1, count // 2), count)
    chance = np.clip(
        win_rate + drift * created / days + (segment - 1.5) * 0.05 + random.normal(0, 0.05, count), 0.03, 0.9
    )
    is_win = random.random(count) < np.clip(chance, 0.03, 0.9)
    lived = np.maximum(3, random.gamma(2.0, np.where(is_win, 0.9, 1.1) * cycle / 2, count)).astype(np.int64)
    lived = np.where(~is_win & (random.random(count) < 0.1), 3000, lived)  # never tidied away
    closed = created + lived
    # who can, signs before the quarter ends
    to_end = 91 - (closed % 91)
    early = is_win & (random.random(count) < push) & (to_end > 60)
    closed = np.where(early, np.maximum(created + 2, closed - (closed % 91) - 1 - random.integers(0, 9, count)), closed)
    amount = np.round(np.exp(random.normal(np.log(60_000), spread, count)), 2)
    first = (LAST - datetime.timedelta(days=days)).toordinal() - datetime.date(1970, 1, 1).toordinal()
    rows = []
    for deal in range(count):
        reached = STAGES if is_win[deal] else 1 + int(random.integers(0, STAGES))
        begins = created[deal] + (closed[deal] - created[deal]) * np.sort(np.append(0, random.beta(1, 1, reached - 1)))
        for stage, begin in enumerate(begins):
            end = begins[stage + 1] if stage + 1 < reached else closed[deal]
            guess = closed[deal] + random.normal(-optimism, 45 / (stage + 1)) if lived[deal] < 3000 else begin + 60
            rows.append((deal, int(begin), int(end), "open", stage, max(int(guess), int(begin) + 5), amount[deal]))
        if is_win[deal]:
            won_at = amount[deal] * random.choice([1.0, 1.0, 0.9, 0.8, 1.1])
            rows.append((deal, int(closed[deal]), 99_999, "won", STAGES, int(closed[deal]), won_at))
    table = np.array([(r[0], r[1], r[2], r[4], r[5], r[6], r[3] == "won") for r in rows if r[1] < min(r[2], days)])
    which = table[:, 0].astype(np.int64)
    given = {
        "deal": which,
        "from_day": first + table[:, 1].astype(np.int64),
        "to_day": first + table[:, 2].astype(np.int64),
        "stage": table[:, 3].astype(np.int64),
        "close_day": first + table[:, 4].astype(np.int64),
        "amount": table[:, 5],
        "is_won": table[:, 6] > 0,
        "segment": segment[which],
        "team": team[which],
        "account": account[which],
        "created_day": first + created[which],
    }
    connection.register("given", given)
    connection.execute(
        """create or replace table spells as select
            'deal ' || lpad(deal::varchar, 6, '0') as deal_key, date '1970-01-01' + from_day::int as from_date,
            case when to_day < 90000 then date '1970-01-01' + to_day::int end as to_date,
            case when is_won then 'won' else 'open' end as life_state, 'stage ' || stage as stage,
            'segment ' || segment as segment, 'Team ' || team as team, 'account ' || account as account_key,
            null::varchar as forecast_category, date '1970-01-01' + created_day::int as created_date,
            date '1970-01-01' + close_day::int as close_date, amount::decimal(18, 2) as amount_base
        from given"""
    )
    connection.unregister("given")
    connection.execute(
        f"""create or replace table periods as select
            d::date as period_start, (d + interval 3 month)::date as period_end, date '{LAST}' as as_of_date
        from generate_series(date '2015-01-01', date '{LAST}', interval 3 month) as t(d)"""
    )
    connection.execute(
        """create or replace table targets (
            snapshot_date date, dimension varchar, member_key varchar, target_base decimal(18, 2))"""
    )


def backtest(connection: duckdb.DuckDBPyConnection, spells: str, periods: str) -> Forecasts:
    inputs = reading.read(connection, spells, periods)
    assert inputs is not None
    return judged(inputs, np.full((len(inputs.day), len(inputs.teams) + 1), np.nan))


class Company:
    """What one company's backtest says, of the company itself on the Mondays that a simple rule could forecast."""

    def __init__(self, name: str, found: Forecasts) -> None:
        self.name = name
        inputs = found.inputs
        ruled = np.isfinite(found.predicted["last_period"][:, -1]) & np.isfinite(found.actual[:, -1])
        self.rows = np.flatnonzero(ruled & inputs.is_monday())
        self.actual = found.actual[self.rows, -1]
        self.forecasts = {name: found.simple_rule(name)[self.rows, -1] for name in ALL}
        self.bounds = {name: found.bounds[name][self.rows, -1] for name in ALL}
        predicted, bounds = as_chosen(found)
        self.forecasts[CHOSEN], self.bounds[CHOSEN] = predicted[self.rows, -1], bounds[self.rows, -1]
        self.quarters = inputs.quarter[self.rows]

    def inside(self) -> np.ndarray:
        bounds = self.bounds[CHOSEN]
        return ((bounds[:, 0] <= self.actual) & (self.actual <= bounds[:, 3])).astype(float)

    def line(self) -> str:
        whole = score(self.forecasts[CHOSEN], self.actual, self.bounds[CHOSEN])
        best = min(BASELINES, key=lambda name: wape(self.forecasts[name], self.actual))
        least = wape(self.forecasts[best], self.actual)
        numbers = f"{whole.wape:.3f} | {best} {least:.3f} | {whole.wape / least - 1:+.0%} | {whole.bias:+.3f}"
        ranges = f"{whole.coverage_50:.0%} | {whole.coverage_80:.0%} | {whole.width:.2f}"
        return f"| {self.name} | {len(self.rows)} | {self.actual.mean() / 1e6:.1f} m | {numbers} | {ranges} |"


def pooled(companies: Sequence[Company]) -> tuple[list[str], bool]:
    """Misses are shares of a company's typical quarter, so that none drowns another."""
    sizes = [company.actual.mean() for company in companies]
    actual = np.concatenate([c.actual / s for c, s in zip(companies, sizes, strict=True)])
    lines = ["| method | WAPE | bias | 50 % holds | 80 % holds | width |", "|---|---|---|---|---|---|"]
    found = {}
    for name in (CHOSEN, *ALL):
        forecasts = np.concatenate([c.forecasts[name] / s for c, s in zip(companies, sizes, strict=True)])
        bounds = np.concatenate([c.bounds[name] / s for c, s in zip(companies, sizes, strict=True)])
        own = score(forecasts, actual, bounds)
        found[name] = own.wape
        ranges = f"{own.coverage_50:.1%} | {own.coverage_80:.1%} | {own.width:.2f}"
        lines.append(f"| {name} | {own.wape:.4f} | {own.bias:+.3f} | {ranges} |")
    best = min(BASELINES, key=lambda name: found[name])
    random = np.random.default_rng(1)
    inside = [company.inside() for company in companies]
    draws = []
    for _ in range(RESAMPLED):
        taken = [inside[i] for i in random.integers(0, len(inside), len(inside))]
        draws.append(np.concatenate(taken).mean())
    low, high = np.quantile(draws, [0.025, 0.975])
    total = np.concatenate(inside)
    worst = max(
        (wape(c.forecasts[CHOSEN], c.actual) / min(wape(c.forecasts[b], c.actual) for b in BASELINES) - 1, c.name)
        for c in companies
    )
    lines += [
        "",
        f"- {len(total)} origin-periods of {len(companies)} companies (wanted: 400)",
        f"- the 80 % range holds {total.mean():.1%}, block bootstrap by company {low:.1%} to {high:.1%} (wanted: 80 %)",
        f"- WAPE of what was chosen {found[CHOSEN]:.4f}, best simple rule {best} {found[best]:.4f}: "
        f"{found[CHOSEN] / found[best] - 1:+.1%} (wanted: -5 %)",
        f"- worst company {worst[1]}: {worst[0]:+.1%} against its best simple rule (wanted: at most +10 %)",
    ]
    held = low <= 0.8 <= high and found[CHOSEN] <= 0.95 * found[best] and worst[0] <= 0.1 and len(total) >= 400
    return lines, held


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS), help="made-up companies")
    parser.add_argument("--nights", type=Path, nargs="*", default=[], help="data directories of nights")
    options = parser.parse_args()
    companies = []
    for seed in options.seeds:
        with duckdb.connect() as connection:
            make(connection, seed)
            companies.append(Company(f"made up, seed {seed}", backtest(connection, "spells", "periods")))
    for folder in options.nights:
        with duckdb.connect() as connection:
            connection.execute(f"attach '{folder / 'warehouse.duckdb'}' as night (read_only)")
            tables = [f"night.forecasts.int_kpi__forecast_{name}" for name in ("spells", "periods")]
            companies.append(Company(f"practice, {folder.name}", backtest(connection, *tables)))
    print(
        "| company | origins | booked a quarter | WAPE | best simple rule | against it | bias | 50 % | 80 % | width |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for company in companies:
        print(company.line())
    print()
    lines, held = pooled(companies)
    print("\n".join(lines))
    return 0 if held else 1


if __name__ == "__main__":
    raise SystemExit(main())
