"""Cells to normalised text: dates to ISO, numbers to a dot decimal. Pure: no file, no database, no float arithmetic."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from ingestion.sheet_files import Cell

EXCEL_EPOCH = date(1899, 12, 30)  # serial 61 and later; 1900-02-29 never was
SERIALS = range(61, 2_958_466)  # 1900-03-01 .. 9999-12-31
FORMULA_ERRORS = ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!")
TRUE = {"true", "yes", "y", "1", "x", "ja", "sant", "kyllä", "joo", "sann"}
FALSE = {"false", "no", "n", "0", "nej", "nei", "falskt", "ei", "usann"}
_BLANKS = dict.fromkeys(map(ord, "\u00a0\u2007\u2009\u202f\u200b\ufeff"), " ")
_CURRENCY = re.compile(r"(?i)\b(sek|eur|usd|nok|dkk|gbp|kr|mk)\b\.?|[€$£]|:-$")
_DECIMALS = Decimal("0.00000001")  # an exchange rate has as many


class ValueRefused(ValueError):
    """A cell that has no value of its type; the message is the reason that quarantine shows."""


def cell_text(cell: Cell) -> str:
    """A cell as found, as text: dates ISO, whole numbers without `.0`."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(sep=" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell)


def clean(text: str) -> str:
    """Blanks of every kind as one space, none at the ends."""
    return " ".join(text.translate(_BLANKS).split())


def to_text(cell: Cell) -> str:
    return clean(cell_text(cell))


def to_date(cell: Cell, formats: tuple[str, ...]) -> str:
    """ISO date of a date cell, a text in one of `formats`, or an Excel serial number. Raises ValueRefused."""
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, bool | time | timedelta):
        raise ValueRefused("is not a date")
    return _date_of_text(to_text(cell), formats)


@lru_cache(maxsize=50_000)
def _date_of_text(text: str, formats: tuple[str, ...]) -> str:
    for form in formats:
        try:
            return datetime.strptime(text, form).date().isoformat()  # noqa: DTZ007 (a day has no zone)
        except ValueError:
            continue
    if re.fullmatch(r"[0-9]{2,7}([.,][0-9]+)?", text):
        serial = int(re.split("[.,]", text)[0])
        if serial in SERIALS:
            return (EXCEL_EPOCH + timedelta(days=serial)).isoformat()
    raise ValueRefused(f"is not a date in {' or '.join(formats)}")


def decimal_mark(cells: Iterable[Cell], delimiter: str | None) -> str:
    """The decimal mark of a column: what its unmistakable values show; '?' when they contradict each other.

    `1,234` alone says nothing: then a file cut by `,` has a point, one cut by `;` a comma, a workbook a point.
    """
    marks = {mark for cell in cells if isinstance(cell, str) and (mark := _shown_mark(_digits(cell)))}
    if len(marks) == 1:
        return marks.pop()
    return "?" if marks else "," if delimiter == ";" else "."


def _digits(text: str) -> str:
    return _CURRENCY.sub("", clean(text)).replace(" ", "").replace("'", "").replace("−", "-")


def _shown_mark(text: str) -> str | None:
    comma, point = text.rfind(","), text.rfind(".")
    if comma >= 0 and point >= 0:
        return "," if comma > point else "."
    mark = "," if comma >= 0 else "."
    last = max(comma, point)
    if last < 0 or not re.search("[0-9]", text):
        return None
    if text.count(mark) > 1:
        return "." if mark == "," else ","
    groups_thousands = len(text) - last - 1 == 3 and re.fullmatch(r"[-(]?[1-9][0-9]{0,2}", text[:last])
    return None if groups_thousands else mark


def to_decimal(cell: Cell, mark: str, multiplier: Decimal | None = None) -> str:
    """A number as dot decimal text, at most eight decimals. Raises ValueRefused."""
    if isinstance(cell, bool | date | time | timedelta):
        raise ValueRefused("is not a number")
    if isinstance(cell, str):
        number = _number_of_text(cell, mark)
    else:
        number = Decimal(repr(cell))
    if not number.is_finite() or abs(number) >= Decimal("1e16"):
        raise ValueRefused("is not a number of at most 16 digits")
    return _plain(number * multiplier if multiplier is not None else number)


def _number_of_text(cell: str, mark: str) -> Decimal:
    text = _digits(cell)
    if mark == "?":
        shown = _shown_mark(text)
        if shown is None and ("," in text or "." in text):
            raise ValueRefused("is ambiguous: the column uses both decimal marks; set `decimal` in the mapping")
        mark = shown or "."
    if text.startswith("(") and text.endswith(")"):
        text = "-" + text[1:-1]
    whole, _, fraction = text.partition(mark)
    thousands = "," if mark == "." else "."
    if thousands in whole and not re.fullmatch(rf"[-+]?[0-9]{{1,3}}({re.escape(thousands)}[0-9]{{3}})+", whole):
        raise ValueRefused(f"is not a number with decimal mark {mark!r}")
    try:
        return Decimal(_ascii_number(whole.replace(thousands, ""), fraction))
    except InvalidOperation:
        raise ValueRefused(f"is not a number with decimal mark {mark!r}") from None


def _ascii_number(whole: str, fraction: str) -> str:
    text = f"{whole}.{fraction}" if fraction else whole
    return text if re.fullmatch(r"[-+]?([0-9]+(\.[0-9]+)?|\.[0-9]+)", text) else "no number"


def _plain(number: Decimal) -> str:
    rounded = number.quantize(_DECIMALS) if number.as_tuple().exponent < -8 else number  # type: ignore[operator]
    text = format(rounded, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def to_integer(cell: Cell, mark: str, multiplier: Decimal | None = None) -> str:
    text = to_decimal(cell, mark, multiplier)
    if "." in text:
        raise ValueRefused("is not a whole number")
    return text


def to_boolean(cell: Cell) -> str:
    text = to_text(cell).casefold()
    if text in TRUE or text in FALSE:
        return "true" if text in TRUE else "false"
    raise ValueRefused("is neither yes nor no")


def refuse_formula_error(text: str) -> None:
    if text.upper() in FORMULA_ERRORS:
        raise ValueRefused("is the error of a formula; correct the sheet")
