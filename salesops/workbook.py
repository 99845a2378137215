"""Workbooks that a person reads, fills in and gives back: one way to write their sheets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

AS_OF_DAY = "select cast(as_of at time zone 'UTC' as date) from meta.publication"


@dataclass(frozen=True)
class Column:
    """A column of a sheet: its header, width and SQL expression. `choices`: what may be picked in it."""

    title: str
    width: int
    expression: str
    kind: Literal["text", "number", "money", "date", "link"] = "text"
    is_to_fill: bool = False
    choices: tuple[str, ...] = ()


Sheet = tuple[str, Sequence[Column], Sequence[tuple[Any, ...]]]


def select(columns: Iterable[Column]) -> str:
    return ", ".join(column.expression for column in columns)


def write(path: Path, title: str, day: date, sheets: Iterable[Sheet], frozen_columns: int) -> None:
    """Write (or replace) a workbook; the same rows of the same day give the same bytes. Text is never a formula."""
    import xlsxwriter

    made = datetime(day.year, day.month, day.day)  # noqa: DTZ001 (a workbook's clock has no zone)
    with xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        book.set_properties({"created": made, "title": title})
        for sheet in sheets:
            _write_sheet(book, *sheet, frozen_columns)


def _write_sheet(
    book: Any, title: str, columns: Sequence[Column], rows: Sequence[tuple[Any, ...]], frozen_columns: int
) -> None:
    sheet = book.add_worksheet(title)
    head = book.add_format({"bold": True, "bg_color": "#E8EEF7", "bottom": 1, "text_wrap": True, "valign": "top"})
    to_fill = book.add_format({"bold": True, "bg_color": "#FFF2CC", "bottom": 1, "valign": "top"})
    shapes = {
        "money": book.add_format({"num_format": "#,##0"}),
        "date": book.add_format({"num_format": "yyyy-mm-dd"}),
    }
    last = max(len(rows), 1)
    for place, column in enumerate(columns):
        sheet.set_column(place, place, column.width, shapes.get(column.kind))
        sheet.write_string(0, place, column.title, to_fill if column.is_to_fill else head)
        if column.choices:
            sheet.data_validation(1, place, last, place, {"validate": "list", "source": list(column.choices)})
    for number, row in enumerate(rows, start=1):
        for place, (column, value) in enumerate(zip(columns, row, strict=True)):
            if value is None:
                continue
            if column.kind in ("number", "money"):
                sheet.write_number(number, place, float(value))
            elif column.kind == "date":
                sheet.write_datetime(number, place, value)
            elif column.kind == "link" and str(value).startswith(("https://", "http://")):  # else a file, or a program
                sheet.write_url(number, place, str(value), string="open")
            else:
                sheet.write_string(number, place, str(value))
    sheet.freeze_panes(1, frozen_columns)
    sheet.autofilter(0, 0, last, len(columns) - 1)
