"""S4: the interval of a value-weighted rate that SQL resamples, against numpy.

Here: the same draws to the last digit, and many more draws of numpy's own.
"""

from __future__ import annotations

from hashlib import md5

import duckdb
import jinja2
import numpy as np
import pytest

from tests.conftest import ROOT

CUMULATED = np.cumsum([1 / np.e, 1 / np.e, 1 / np.e / 2, 1 / np.e / 6, 1 / np.e / 24, 1 / np.e / 120, 1 / np.e / 720])


@pytest.fixture(scope="module")
def query() -> str:
    macros = (ROOT / "dbt" / "macros" / "kpi" / "bootstrap.sql").read_text()
    call = "{{ bootstrap_ratio('facts', ['name'], bootstrap_lot('deal_key'), 'part', 'whole') }}"
    return jinja2.Environment().from_string(macros + call).render()


def intervals(query: str, groups: dict[str, list[tuple[float, float]]]) -> dict[str, tuple[float | None, float | None]]:
    with duckdb.connect() as connection:
        connection.execute("create table facts (name text, deal_key text, part decimal(18, 2), whole decimal(18, 2))")
        rows = [(name, f"d{n}", *pair) for name, pairs in groups.items() for n, pair in enumerate(pairs)]
        connection.executemany("insert into facts values (?, ?, ?, ?)", rows)
        found = connection.execute(f"select name, low, high from {query}").fetchall()
    return {name: (low, high) for name, low, high in found}


def deals(rng: np.random.Generator, count: int, chance: float) -> list[tuple[float, float]]:
    """Skewed amounts, of which some are won."""
    amounts = np.round(np.exp(rng.normal(10, 1.2, count)), 2)
    return [
        (float(amount) if won else 0.0, float(amount))
        for amount, won in zip(amounts, rng.random(count) < chance, strict=True)
    ]


def drawn(lot: str, replicate: int) -> int:
    """Poisson(1) by inversion, of 16 bits of the hash of the lot and the block of eight replicates."""
    text = md5(f"{lot}:{replicate // 8}".encode()).hexdigest()
    draw = int(text[replicate % 8 * 4 : replicate % 8 * 4 + 4], 16) / 65536
    return int(sum(draw >= limit for limit in np.round(CUMULATED * 65536) / 65536))


@pytest.mark.parametrize(("count", "digits"), [(23, 3), (256, 3), (257, 2)])
def test_the_same_draws_give_the_same_interval(query, count, digits):
    pairs = deals(np.random.default_rng(1), count, 0.4)
    lots = [md5(f"d{n}".encode()).hexdigest()[:digits] for n in range(count)]
    weights = np.array([[drawn(lot, replicate) for lot in lots] for replicate in range(200)])
    sums = weights @ np.array(pairs)
    low, high = np.percentile(sums[:, 0] / sums[:, 1], [2.5, 97.5])
    assert intervals(query, {"x": pairs})["x"] == pytest.approx((low, high), abs=1e-8)


@pytest.mark.parametrize("count", [12, 60, 256, 1000])
def test_the_interval_is_that_of_many_more_draws(query, count):
    rng = np.random.default_rng(count)
    groups = {str(number): deals(rng, count, 0.35) for number in range(8)}
    found = intervals(query, groups)
    for name, pairs in groups.items():
        part, whole = np.array(pairs).T
        weights = rng.poisson(1, (2500, count))
        with np.errstate(invalid="ignore"):
            ratios = (weights @ part) / (weights @ whole)
        low, high = found[name]
        if low is None:
            assert not 0 < part.sum() < whole.sum()
            continue
        # the 5th and the 195th of 200 draws lie in these parts of the distribution nearly always
        assert np.nanquantile(ratios, 0.0015) <= low <= np.nanquantile(ratios, 0.08)
        assert np.nanquantile(ratios, 0.92) <= high <= np.nanquantile(ratios, 0.9985)


def test_nothing_is_known_of_few_deals_or_of_one_outcome(query):
    rng = np.random.default_rng(3)
    nine, ten = deals(rng, 9, 0.5), [(1.0, 1.0), *deals(rng, 9, 0.0)]
    won = [(whole, whole) for _, whole in deals(rng, 30, 0.5)]
    found = intervals(query, {"nine": nine, "ten": ten, "won": won})
    assert "nine" not in found
    assert found["ten"][0] is not None
    assert found["won"] == (None, None)
