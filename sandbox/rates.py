"""Euro reference rates of the practice world: one table for the central bank's server and for the company's truth.

The same for the same seed, however long it is read: each currency walks from the first day by its own generator.
Rates are kept as the text that the bank prints. Nothing here knows what the company sells.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from zoneinfo import ZoneInfo

FRANKFURT = ZoneInfo("Europe/Berlin")
PUBLISHED = time(16)  # local; nobody knows a day's rates before
FIRST_DAY = date(2019, 1, 2)


@dataclass(frozen=True)
class Currency:
    """Where a currency starts, how it is printed, how far it moves a day, and the last day it was listed."""

    start: float
    digits: int
    step: float = 0.004
    last: date = date.max


CURRENCIES = {
    "USD": Currency(1.1397, 4),
    "JPY": Currency(122.2, 2),
    "BGN": Currency(1.9558, 4, 0, date(2025, 12, 31)),  # a fixed rate, until it joined the euro
    "CZK": Currency(25.742, 3, 0.002),
    "DKK": Currency(7.4673, 4, 0.00005),
    "GBP": Currency(0.90165, 5),
    "HUF": Currency(321.05, 2),
    "PLN": Currency(4.3028, 4, 0.003),
    "RON": Currency(4.6639, 4, 0.0005),
    "SEK": Currency(10.242, 4, 0.003),
    "CHF": Currency(1.1227, 4, 0.002),
    "ISK": Currency(133.3, 2, 0.003),
    "NOK": Currency(9.9483, 4),
    "HRK": Currency(7.4141, 4, 0.0004, date(2022, 12, 30)),
    "RUB": Currency(79.7153, 4, 0.008, date(2022, 3, 1)),
    "TRY": Currency(6.0588, 4, 0.008),
    "AUD": Currency(1.6155, 4),
    "CAD": Currency(1.5602, 4),
    "CNY": Currency(7.8165, 4, 0.003),
    "INR": Currency(79.298, 4, 0.003),
    "ZAR": Currency(16.5474, 4, 0.006),
}


def is_closed(day: date) -> bool:
    """The bank's payment system rests: weekends, New Year, Good Friday, Easter Monday, 1 May, 25 and 26 December."""
    easter = _easter(day.year)
    return (
        day.weekday() >= 5
        or (day.month, day.day) in ((1, 1), (5, 1), (12, 25), (12, 26))
        or day in (easter - timedelta(days=2), easter + timedelta(days=1))
    )


def published_at(day: date) -> datetime:
    """The instant from which a day's rates are known, UTC."""
    return datetime.combine(day, PUBLISHED, FRANKFURT).astimezone(UTC)


class ReferenceRates:
    """The table. `corrections` replace what was printed of a day; set them with `correct`."""

    def __init__(self, seed: int = 7) -> None:
        self.days: list[date] = []
        self._printed: dict[date, dict[str, str]] = {}
        self._next = FIRST_DAY
        self._walks = {name: (Random(f"{seed}:rate:{name}"), row.start) for name, row in CURRENCIES.items()}

    def of_day(self, day: date) -> dict[str, str]:
        """Currency -> units for one euro, as printed; empty on a day without rates."""
        self._live_until(day)
        return self._printed.get(day, {})

    def rate(self, currency: str, day: date) -> Decimal | None:
        """Units for one euro on the newest rate day up to `day`; None where there is none. The euro is 1."""
        if currency == "EUR":
            return Decimal(1)
        self._live_until(day)
        place = bisect_right(self.days, day)
        text = self._printed[self.days[place - 1]].get(currency) if place else None
        return None if text is None else Decimal(text)

    def cross(self, currency: str, into: str, day: date) -> Fraction | None:
        """Units of `into` for one unit of `currency`, through the euro, exactly; None where either has no rate."""
        given, wanted = self.rate(currency, day), self.rate(into, day)
        return None if given is None or wanted is None else Fraction(wanted) / Fraction(given)

    def until(self, now: datetime) -> list[date]:
        """The rate days that were published at `now`, oldest first."""
        today = now.astimezone(FRANKFURT).date()
        self._live_until(today)
        return [day for day in self.days[: bisect_right(self.days, today)] if published_at(day) <= now]

    def correct(self, day: date, currency: str, printed: str | None) -> None:
        """Print another text for a day that has rates, or (None) leave the currency out of it."""
        row = self.of_day(day)
        if not row:
            raise ValueError(f"{day} has no rates to correct")
        if printed is None:
            row.pop(currency, None)
        else:
            row[currency] = printed

    def _live_until(self, day: date) -> None:
        while self._next <= day:
            if not is_closed(self._next):
                self.days.append(self._next)
                self._printed[self._next] = self._print(self._next)
            self._next += timedelta(days=1)

    def _print(self, day: date) -> dict[str, str]:
        printed = {}
        for name, row in CURRENCIES.items():
            rng, value = self._walks[name]
            moved = value * (1 + row.step * (rng.random() + rng.random() + rng.random() - 1.5))
            self._walks[name] = rng, moved + 0.002 * (row.start - moved)
            if day <= row.last:
                printed[name] = f"{value:.{row.digits}f}"
        return printed


def _easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Gauss, in the form of Meeus)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (a + 11 * h) // 319
    r = (2 * e + 2 * i - k - h + m + 32) % 7
    month = (h - m + r + 90) // 25
    return date(year, month, (h - m + r + month + 19) % 32)
