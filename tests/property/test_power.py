"""S9: the share that a count could have shown, as SQL has it, against the two-proportion formula."""

from __future__ import annotations

import random

import duckdb
import jinja2
import pytest

from tests.conftest import ROOT

REACH = 1.959964 + 0.841621  # two-sided 5 %, 80 % power


def detectable(usual: float, before: float, counted: float, sigma: float = 1.0, turn: int = 1) -> float | None:
    macros = (ROOT / "dbt" / "macros" / "kpi" / "power.sql").read_text()
    shares = jinja2.Environment().from_string(macros + "{{ detectable_shares('given') }}").render()
    with duckdb.connect() as connection:
        connection.execute("create table given (usual double, baseline_n double, n double, sigma double, turn integer)")
        connection.execute("insert into given values (?, ?, ?, ?, ?)", [usual, before, counted, sigma, turn])
        return connection.execute(f"select detectable_share from {shares}").fetchall()[0][0]


def test_856_on_either_side_tell_30_from_24_percent():
    assert detectable(0.30, 856, 856) == pytest.approx(0.24, abs=5e-5)
    assert detectable(0.30, 800, 800) < 0.239


def test_a_week_of_fifty_shows_little():
    assert detectable(0.27, 1300, 50) == pytest.approx(0.1317, abs=5e-5)
    assert detectable(0.27, 1300, 19) is not None
    assert detectable(0.27, 1300, 18) is None  # fewer than five of them expected to be won
    assert detectable(0.73, 1300, 18) is None
    assert detectable(0.27, 1300, 0) is None


def test_what_is_shown_is_as_far_as_the_formula_asks():
    rng = random.Random(4)
    for _ in range(200):
        p, before, counted = rng.uniform(0.02, 0.98), rng.randint(20, 4000), rng.randint(1, 4000)
        sigma, turn = rng.uniform(1, 2), rng.choice((1, -1))
        found = detectable(p, before, counted, sigma, turn)
        if counted * min(p, 1 - p) < 5:
            assert found is None
            continue
        if found is None:  # then the worst share of all is still too near
            p1 = 0.0 if turn == 1 else 1.0
            assert (p - p1) ** 2 <= (REACH * sigma) ** 2 * (p * (1 - p) / before + p1 * (1 - p1) / counted) + 1e-6
            continue
        assert (p - found) * turn > 0
        error = p * (1 - p) / before + found * (1 - found) / counted
        assert (p - found) ** 2 == pytest.approx((REACH * sigma) ** 2 * error, rel=1e-5)
