"""Numbers, dates, plurals and sentences of the two languages. Knows no fact: everything is handed in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from salesops.brief.labels import LABELS, NOUNS
from salesops.brief.texts import TEXTS

Language = Literal["en", "sv"]
LANGUAGES: tuple[Language, ...] = ("sv", "en")
NBSP, THIN, MINUS, DASH = "\u00a0", "\u202f", "\u2212", "\u2013"
DAYS = {"en": "Mon Tue Wed Thu Fri Sat Sun".split(), "sv": "mån tis ons tors fre lör sön".split()}
MONTHS = {
    "en": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(),
    "sv": "jan feb mars apr maj juni juli aug sep okt nov dec".split(),
}
CURRENCIES = {"EUR": "euro", "USD": "dollar", "GBP": "pund"}  # in Swedish; the others by their code
Number = int | float | Decimal


def rounded(value: Number, places: int) -> Decimal:
    """Half away from zero, as people round; a float by the digits it shows."""
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


class Words:
    def __init__(self, language: str, currency: str = "SEK"):
        self.asked = language
        self.language: Language = "sv" if language == "sv" else "en"
        self.currency = currency

    @property
    def is_known(self) -> bool:
        return self.asked in LANGUAGES

    def text(self, key: str, **parts: Any) -> str:
        en, sv = TEXTS[key]
        return (sv if self.language == "sv" else en).format(**parts)

    def label(self, kind: str, key: Any) -> str:
        """From the one table; a name that it does not hold is the company's own and is never translated."""
        if key is None or key == "":
            return self.text("missing")
        found = LABELS[kind].get(str(key))
        return str(key) if found is None else found[self.language == "sv"]

    # --- numbers ---------------------------------------------------------------------------------------------------

    def number(self, value: Number, places: int = 0, *, sign: bool = False) -> str:
        digits = rounded(value, places)
        whole = f"{abs(digits):,.{places}f}"
        if self.language == "sv":
            whole = whole.replace(",", THIN).replace(".", ",")
        before = MINUS if digits < 0 else "+" if sign and digits > 0 else ""
        return before + whole

    def percent(self, share: Number, places: int = 1, *, sign: bool = False) -> str:
        unit = f"{NBSP}%" if self.language == "sv" else "%"
        return self.number(_hundred(share), places, sign=sign) + unit

    def percents(self, low: Number, high: Number, places: int = 1) -> str:
        return self.number(_hundred(low), places) + DASH + self.percent(high, places)

    def points(self, difference: Number, places: int = 1) -> str:
        """A difference of shares: percentage points, never per cent."""
        unit = "procentenheter" if self.language == "sv" else "pp"
        return self.number(_hundred(difference), places, sign=True) + NBSP + unit

    def points_bare(self, difference: Number) -> str:
        """The same for a column whose head has the unit: two decimals, so that parts can be summed by eye."""
        return self.number(_hundred(difference), 2, sign=True)

    def money(self, value: Number, *, sign: bool = False) -> str:
        places, scale = _scale([value])
        return self._with_unit(self.number(Decimal(str(value)) / scale, places, sign=sign), scale)

    def moneys(self, low: Number, high: Number) -> str:
        """A range, its unit once: that of the larger bound."""
        places, scale = _scale([high])
        both = DASH.join(self.number(Decimal(str(value)) / scale, places) for value in (low, high))
        return self._with_unit(both, scale)

    def money_unit(self, values: Sequence[Number | None]) -> str:
        """Head of a column of amounts."""
        return self._with_unit("", _scale(values)[1]).strip(f" {NBSP}")

    def money_bare(self, value: Number | None, among: Sequence[Number | None], *, sign: bool = False) -> str:
        """One of a column of amounts, whose head has the unit."""
        if value is None:
            return self.text("missing")
        places, scale = _scale(among)
        return self.number(Decimal(str(value)) / scale, places, sign=sign)

    def _with_unit(self, digits: str, scale: int) -> str:
        if self.language == "en":
            return f"{self.currency}{NBSP}{digits}" + {1: "", 1000: "k", 1000000: "m"}[scale]
        if self.currency == "SEK":
            return f"{digits}{NBSP}" + {1: "kr", 1000: "tkr", 1000000: "mkr"}[scale]
        name = CURRENCIES.get(self.currency, self.currency)
        return f"{digits}{NBSP}" + {1: "", 1000: "tusen ", 1000000: "mn "}[scale] + name

    def count(self, number: int, noun: str) -> str:
        """`1 deal`, `0 deals`; Swedish `1 affär`, `2 affärer`, `2 team`."""
        one, many = NOUNS[noun][self.language == "sv"]
        return f"{self.number(number)} {one if number == 1 else many}"

    def of(self, part: int, whole: int) -> str:
        return f"{self.number(part)} {self.text('of')} {self.number(whole)}"

    # --- dates -----------------------------------------------------------------------------------------------------

    def day(self, day: date, *, year: bool = False, weekday: bool = False) -> str:
        name = f"{DAYS[self.language][day.weekday()]} " if weekday else ""
        return f"{name}{day.day} {MONTHS[self.language][day.month - 1]}" + (f" {day.year}" if year else "")

    def days(self, first: date, last: date) -> str:
        """`9–15 Nov 2026`, over a month's end `28 Sep – 4 Oct 2026`."""
        if first.month == last.month:
            return f"{first.day}{DASH}{self.day(last, year=True)}"
        return f"{self.day(first, year=first.year != last.year)} {DASH} {self.day(last, year=True)}"

    def stamp(self, at: datetime, *, year: bool = False) -> str:
        before = "kl. " if self.language == "sv" else ""
        return f"{self.day(at.date(), year=year, weekday=True)} {before}{self.clock(at)}"

    def clock(self, at: datetime) -> str:
        return f"{at:%H.%M}" if self.language == "sv" else f"{at:%H:%M}"

    def week(self, day: date) -> str:
        return self.text("week", n=day.isocalendar().week)

    def chance(self, share: float) -> str:
        """What a chance is called (README of the visual reference, 6)."""
        steps = ((0.9, "nearly_certain"), (0.6, "likely"), (0.4, "even"), (0.1, "possible"))
        return self.text("chance." + next((name for least, name in steps if share >= least), "unlikely"))


def _hundred(share: Number) -> Decimal:
    return Decimal(str(share)) * 100


def _scale(values: Sequence[Number | None]) -> tuple[int, int]:
    """Decimals and divisor of amounts that stand together: those of the largest, as it is after rounding."""
    largest = max((abs(Decimal(str(value))) for value in values if value is not None), default=Decimal(0))
    if largest >= Decimal(999500):
        return 1, 1000000
    return (0, 1000) if largest >= Decimal("999.5") else (0, 1)
