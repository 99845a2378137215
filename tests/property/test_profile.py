"""M28 and S8: the chance to be won by a day against lifelines, normal tails and adjusted p-values against scipy."""

from __future__ import annotations

import random
from typing import cast

import duckdb
import jinja2
import pytest
from lifelines import AalenJohansenFitter
from scipy.stats import false_discovery_control, norm

from tests.conftest import ROOT


def rendered(name: str, call: str) -> str:
    environment = jinja2.Environment()
    macros = (ROOT / "dbt" / "macros" / "kpi" / name).read_text()
    environment.globals["salesops"] = cast("object", environment.from_string(macros).module)
    return environment.from_string(macros + "{{ " + call + " }}").render()


def adjusted(p_values: list[float]) -> list[float]:
    query = rendered("comparisons.sql", "benjamini_hochberg('given', 'p')")
    with duckdb.connect() as connection:
        connection.execute("create table given (number integer, p double)")
        connection.executemany("insert into given values (?, ?)", list(enumerate(p_values)))
        rows = connection.execute(f"select looked_at_count, adjusted_p from {query} order by number").fetchall()
    assert {count for count, _ in rows} == {len(p_values)}
    return [value for _, value in rows]


def test_the_example_of_the_catalogue():
    assert adjusted([0.001, 0.012, 0.03, 0.04, 0.2]) == pytest.approx([0.005, 0.03, 0.05, 0.05, 0.2])


def test_adjusted_p_values_are_those_of_scipy_ties_too():
    rng = random.Random(3)
    for count in (1, 2, 40):
        p_values = [round(rng.random() ** 3, 2) for _ in range(count)]
        assert adjusted(p_values) == pytest.approx(list(false_discovery_control(p_values)), abs=1e-8)


def test_two_sided_tails_are_those_of_the_normal_distribution():
    expression = rendered("comparisons.sql", "two_sided_p('z')")
    deviates = [-4.5, -1.96, -0.3, 0.0, 0.01, 0.7, 1.644854, 2.5, 5.0]
    with duckdb.connect() as connection:
        for z in deviates:
            row = connection.execute(f"select {expression} from (select cast(? as double) as z)", [z]).fetchone()
            assert row is not None
            assert row[0] == pytest.approx(2 * norm.sf(abs(z)), abs=2e-7)


def chances(deals: list[tuple[int, str]], horizon: int) -> tuple[float | None, float | None]:
    curves = rendered("survival.sql", "competing_risks('days', ['cell'])")
    query = rendered("survival.sql", f"cif_win_by('curves', ['cell'], {horizon})")
    kinds = ("won", "lost", "open")
    counted = ", ".join(f"count(*) filter (where outcome = '{kind}') as {kind}_count" for kind in kinds)
    with duckdb.connect() as connection:
        connection.execute("create table deals (day bigint, outcome varchar)")
        connection.executemany("insert into deals values (?, ?)", deals)
        connection.execute(
            f"create table days as select 'x' as cell, day, {counted}, 0 as late_count from deals group by day"
        )
        connection.execute(f"create table curves as select * from {curves}")
        row = connection.execute(f"select cif, variance from {query}").fetchone()
    assert row is not None
    return row


def test_chance_and_variance_are_those_of_aalen_and_johansen():
    rng = random.Random(8)
    for size in (12, 60, 200):
        days = rng.sample(range(1, 400), size)
        deals = [(day, rng.choice(["won", "lost", "open"])) for day in days] + [(500, "open")]
        fitter = AalenJohansenFitter(calculate_variance=True)
        events = [{"won": 1, "lost": 2, "open": 0}[outcome] for _, outcome in deals]
        fitter.fit([day for day, _ in deals], events, event_of_interest=1)
        cif, variance = chances(deals, 180)
        assert cif == pytest.approx(fitter.cumulative_density_.loc[:180].iloc[-1, 0], abs=1e-9)
        assert variance == pytest.approx(fitter.variance_.loc[:180].iloc[-1], abs=1e-9)


def test_nobody_followed_that_long_leaves_no_chance_and_everybody_closed_does():
    assert chances([(10, "won"), (20, "lost"), (170, "open")], 180) == (None, None)
    assert chances([(10, "won"), (20, "lost"), (179, "lost")], 180)[0] == pytest.approx(1 / 3)
    assert chances([(10, "lost"), (300, "won")], 180) == (0, 0)
