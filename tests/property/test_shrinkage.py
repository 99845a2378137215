"""S5: the Beta quantiles that SQL sums up against scipy's, and the catalogue's example to four digits."""

from __future__ import annotations

import random

import duckdb
import jinja2
import pytest
from scipy.stats import beta

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def summary() -> str:
    macros = (ROOT / "dbt" / "macros" / "kpi" / "shrinkage.sql").read_text()
    call = "{{ beta_summary('posteriors', ['name'], 'a', 'b', 'threshold') }}"
    return jinja2.Environment().from_string(macros + call).render()


def summaries(query: str, posteriors: list[tuple[str, float, float, float]]) -> dict[str, tuple[float, float, float]]:
    with duckdb.connect() as connection:
        connection.execute("create table posteriors (name varchar, a double, b double, threshold double)")
        connection.executemany("insert into posteriors values (?, ?, ?, ?)", posteriors)
        rows = connection.execute(f"select name, low, high, above from {query}").fetchall()
    return {name: (low, high, above) for name, low, high, above in rows}


def test_the_examples_of_the_catalogue(summary):
    found = summaries(summary, [("5/8", 11, 17, 0.30)])
    assert tuple(round(value, 4) for value in found["5/8"][:2]) == (0.2239, 0.5763)
    assert round(found["5/8"][2], 3) == 0.843


def test_quantiles_and_tails_of_random_posteriors(summary):
    rng = random.Random(5)
    posteriors = [
        (str(number), rng.uniform(1, 40) ** 1.5, rng.uniform(1, 40) ** 1.5, rng.uniform(0.05, 0.95))
        for number in range(60)
    ]
    found = summaries(summary, posteriors)
    for name, a, b, threshold in posteriors:
        low, high = beta.ppf([0.025, 0.975], a, b)
        expected = (low, high, 1 - beta.cdf(threshold, a, b))
        assert found[name] == pytest.approx(expected, abs=2e-5)
