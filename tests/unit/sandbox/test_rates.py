"""The practice world's reference rates: closing days, one table for the same seed, what is printed and when."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import holidays
import pytest

from sandbox.rates import CURRENCIES, ReferenceRates, is_closed


def test_closing_days_are_those_of_the_payment_system():
    listed = holidays.financial_holidays("XECB", years=range(2019, 2036))
    days = [date(2019, 1, 1) + timedelta(days=n) for n in range(17 * 365)]
    assert [d for d in days if is_closed(d)] == [d for d in days if d.weekday() >= 5 or d in listed]


def test_a_rate_does_not_depend_on_how_far_the_table_was_read():
    near, far = ReferenceRates(3), ReferenceRates(3)
    far.until(datetime(2027, 1, 1, tzinfo=UTC))
    assert near.of_day(date(2026, 3, 2)) == far.of_day(date(2026, 3, 2)) != {}
    assert ReferenceRates(4).of_day(date(2026, 3, 2)) != near.of_day(date(2026, 3, 2))


def test_rates_stay_plausible_and_no_day_jumps():
    rates = ReferenceRates()
    days = rates.until(datetime(2027, 1, 1, tzinfo=UTC))
    for name, currency in CURRENCIES.items():
        printed = [Decimal(text) for day in days if (text := rates.of_day(day).get(name))]
        assert all(abs(b / a - 1) < Decimal("0.05") for a, b in pairwise(printed)), name
        assert all(Decimal("0.4") < value / Decimal(currency.start) < Decimal("2.5") for value in printed), name
    assert "BGN" in rates.of_day(date(2025, 12, 31)) and "BGN" not in rates.of_day(date(2026, 1, 2))


@pytest.mark.parametrize(
    ("now", "newest"),
    [
        ("2026-06-03T13:59:59Z", "2026-06-02"),
        ("2026-06-03T14:00:00Z", "2026-06-03"),
        ("2026-04-06T20:00Z", "2026-04-02"),
    ],
    ids=["a second before 16:00", "16:00 in Frankfurt", "Easter Monday shows Thursday"],
)
def test_a_day_is_published_at_16_00_in_frankfurt(now, newest):
    assert ReferenceRates().until(datetime.fromisoformat(now))[-1].isoformat() == newest


def test_closed_days_carry_the_rate_before_and_crosses_go_through_the_euro():
    rates = ReferenceRates()
    assert rates.of_day(date(2026, 4, 5)) == {}
    assert rates.rate("SEK", date(2026, 4, 5)) == Decimal(rates.of_day(date(2026, 4, 2))["SEK"])
    assert rates.cross("EUR", "SEK", date(2026, 4, 2)) == Fraction(rates.rate("SEK", date(2026, 4, 2)))
    assert rates.cross("USD", "SEK", date(2026, 4, 2)) * rates.cross("SEK", "USD", date(2026, 4, 2)) == 1
    assert rates.cross("AED", "SEK", date(2026, 4, 2)) is None
    assert rates.rate("SEK", date(2018, 1, 1)) is None
