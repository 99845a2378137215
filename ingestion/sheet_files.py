"""A dropped file as rows of cells: encodings, delimiters, workbooks, bounds. Knows no mapping and no database.

Formulas are neutral: a workbook gives the value that was stored with them, a CSV text that begins with `=` stays text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

Cell = str | int | float | bool | date | datetime | time | timedelta | None

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_UNPACKED_BYTES = 512 * 1024 * 1024
MAX_CELLS = 5_000_000
MAX_COLUMNS = 16_384  # what a workbook can have
MAX_CELL_CHARACTERS = 131_072  # what a program lets nobody type by far, and csv reads
MAX_CHARACTERS = 128 * 1024 * 1024
DELIMITERS = ",;\t|"
CODE_PAGES = ("cp1252", "cp850", "mac_roman")
NORTHERN = "åäöÅÄÖæøÆØéÉèüÜßñçáí–’”€\u00a0"
CSV_SUFFIXES = (".csv", ".tsv", ".txt")
BOOK_SUFFIXES = (".xlsx", ".xlsm")


class SheetError(ValueError):
    """A file or sheet that cannot be read at all; the message says why and what to do."""


@dataclass(frozen=True)
class Sheet:
    """`rows[0]` is row 1 as the program numbers it, empty rows included. `merged`: (row, column) to first cell."""

    name: str | None
    rows: list[list[Cell]]
    delimiter: str | None = None
    encoding: str | None = None
    merged: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)


def read_bytes(path: Path) -> bytes:
    """The file's bytes, within bounds. Raises SheetError."""
    size = path.stat().st_size
    if size == 0:
        raise SheetError("the file is empty; drop it again when it has been saved")
    if size > MAX_FILE_BYTES:
        raise SheetError(f"the file has {size} bytes, more than the {MAX_FILE_BYTES} allowed; split it")
    return path.read_bytes()


def content_hash(body: bytes) -> str:
    return sha256(body).hexdigest()


def read_sheet(body: bytes, suffix: str, sheet: str | None = None) -> Sheet:
    """One sheet of a file. `sheet` None is the first of a workbook. Raises SheetError."""
    if suffix.lower() in BOOK_SUFFIXES:
        from ingestion.sheet_books import read_book

        return read_book(body, sheet, MAX_UNPACKED_BYTES, MAX_CELLS)
    if suffix.lower() in CSV_SUFFIXES:
        return read_csv(body)
    raise SheetError(f"{suffix or 'no suffix'}: only {', '.join(CSV_SUFFIXES + BOOK_SUFFIXES)} are read")


def read_csv(body: bytes) -> Sheet:
    encoding = detect_encoding(body)
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        raise SheetError(f"not {encoding}: {error.reason} at byte {error.start}; save it as UTF-8") from error
    if "\0" in text:
        raise SheetError("not a text file: it holds NUL characters; save it as CSV (UTF-8) or XLSX")
    text, delimiter = _delimiter(text)
    try:
        rows = list(bounded(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), MAX_CELLS))
    except csv.Error as error:
        raise SheetError(f"not readable as CSV: {error}; look for a quote that is not closed") from error
    return Sheet(None, rows, delimiter, encoding)


def detect_encoding(body: bytes) -> str:
    """UTF-8 and UTF-16 by mark or by form; anything else is a Windows, DOS or Mac code page of Western Europe."""
    if body.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    head = body[:4096]
    if head[1::2].count(0) > len(head) // 4:
        return "utf-16-le"
    if head[0::2].count(0) > len(head) // 4:
        return "utf-16-be"
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return max(CODE_PAGES, key=lambda page: _northern_letters(body[: 1 << 20], page))
    return "utf-8"


def _northern_letters(body: bytes, page: str) -> int:
    """How many letters of Northern Europe the page gives, less its other characters beyond ASCII.

    A general detector (charset-normalizer 3.4) took the Swedish headers of a short cp1252 file for mac_roman.
    """
    beyond = [char for char in body.decode(page, errors="replace") if char > "\x7f"]
    return sum(1 if char in NORTHERN else -1 for char in beyond)


def _delimiter(text: str) -> tuple[str, str]:
    """The text without a `sep=` line, and the delimiter that cuts the first rows most evenly into most cells."""
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep=") and len(first.strip()) == 5:
        return rest, first.strip()[4]
    lines = text[:65536].splitlines()[:50]

    def evenness(delimiter: str) -> tuple[int, int]:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if any(cell.strip() for cell in row)]
        except csv.Error:
            return (0, 0)
        usual = max(set(widths), key=lambda w: (widths.count(w), w)) if widths else 0
        return (widths.count(usual) * (usual > 1), usual)

    return text, max(DELIMITERS, key=evenness)


def bounded(rows: Iterable[list[Any]], most: int) -> Iterable[list[Any]]:
    """The rows, until they hold more cells than that: SheetError. An empty row costs memory as a cell does."""
    cells = characters = 0
    for row in rows:
        lengths = [len(cell) for cell in row if type(cell) is str]
        if lengths and max(lengths) > MAX_CELL_CHARACTERS:
            raise SheetError(f"a cell of {max(lengths)} characters, more than {MAX_CELL_CHARACTERS}; shorten it")
        characters += sum(lengths)
        if characters > MAX_CHARACTERS:
            raise SheetError(f"more than {MAX_CHARACTERS} characters; split the file")
        if len(row) > MAX_COLUMNS:
            raise SheetError(f"{len(row)} columns, more than {MAX_COLUMNS}; is the right delimiter used?")
        cells += len(row) or 1
        if cells > most:
            raise SheetError(f"more than {most} cells; split the file")
        yield row
