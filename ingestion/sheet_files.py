"""A dropped file as rows of cells: encodings, delimiters, workbooks, bounds. Knows no mapping and no database.

Formulas are neutral: a workbook gives the value that was stored with them, a CSV text that begins with `=` stays text.
"""

from __future__ import annotations

import csv
import html
import io
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

Cell = str | int | float | bool | date | datetime | time | timedelta | None

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_UNPACKED_BYTES = 512 * 1024 * 1024
MAX_CELLS = 5_000_000
DELIMITERS = ",;\t|"
CODE_PAGES = ("cp1252", "cp850", "mac_roman")
NORTHERN = "åäöÅÄÖæøÆØéÉèüÜßñçáí–’”€\u00a0"
CSV_SUFFIXES = (".csv", ".tsv", ".txt")
BOOK_SUFFIXES = (".xlsx", ".xlsm")
# A workbook's unpacked size counts against MAX_UNPACKED_BYTES by what its directory says and is held to it by zipfile:
# an entry that inflates beyond its stated size fails there with BadZipFile.


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
        return _read_book(body, sheet)
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
        rows = list(_bounded(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)))
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


def _read_book(body: bytes, wanted: str | None) -> Sheet:
    _check_expansion(body)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(body))
        name = _sheet_name(book.sheet_names, wanted)
        sheet = book.get_sheet_by_name(name)
        height, width = sheet.total_height, sheet.total_width
        if height * width > MAX_CELLS:
            raise SheetError(f"sheet {name!r}: {height} rows x {width} columns, more than {MAX_CELLS} cells; clear it")
        rows = list(_bounded(sheet.to_python(skip_empty_area=False)))
        for (row, column), error_text in _formula_errors(body, name).items():
            if row < len(rows) and column < len(rows[row]):
                rows[row][column] = error_text
        merged = _merged_cells(sheet.merged_cell_ranges)
    except CalamineError as error:
        raise SheetError(f"not readable as a workbook: {error}; open it and save it as XLSX again") from error
    return Sheet(name, rows, merged=merged)


def _check_expansion(body: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile as error:
        raise SheetError("not a whole XLSX file (still being copied, or encrypted?); drop it again") from error
    if unpacked > MAX_UNPACKED_BYTES:
        raise SheetError(f"it unpacks to {unpacked} bytes, more than the {MAX_UNPACKED_BYTES} allowed; split it")


def _formula_errors(body: bytes, name: str) -> dict[tuple[int, int], str]:
    """Cells that hold the error of a formula. calamine gives them as empty; a broken value must not pass for none."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        sheets = dict(re.findall(r'<sheet [^>]*?name="([^"]*)"[^>]*?r:id="([^"]*)"', _part(archive, "xl/workbook.xml")))
        place = {html.unescape(title): relation for title, relation in sheets.items()}.get(name)
        links = re.findall(r"<Relationship [^>]*>", _part(archive, "xl/_rels/workbook.xml.rels"))
        target = next((t[1] for k in links if f'Id="{place}"' in k and (t := re.search(r'Target="([^"]*)"', k))), "")
        text = _part(archive, target.lstrip("/") if target.startswith("/") else f"xl/{target}")
    cells = re.findall(r'<c (?=[^>]*t="e")[^>]*?r="([A-Z]{1,3})([0-9]{1,7})"[^>]*>.*?<v>([^<]*)</v>', text)
    return {(int(row) - 1, _column_number(letters)): error for letters, row, error in cells}


def _part(archive: zipfile.ZipFile, name: str) -> str:
    return archive.read(name).decode("utf-8", errors="replace") if name in archive.namelist() else ""


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _sheet_name(names: list[str], wanted: str | None) -> str:
    if not names:
        raise SheetError("the workbook has no sheet")
    if wanted is None:
        return names[0]
    for name in names:
        if name.strip().casefold() == wanted.strip().casefold():
            return name
    raise SheetError(f"no sheet {wanted!r}; the workbook has {', '.join(map(repr, names))}")


def _merged_cells(ranges: Any) -> dict[tuple[int, int], tuple[int, int]]:
    cells: dict[tuple[int, int], tuple[int, int]] = {}
    for (top, left), (bottom, right) in ranges or ():
        if top < 20:  # only headers are looked up
            for row in range(top, min(bottom, 20) + 1):
                for column in range(left, right + 1):
                    cells[row, column] = (top, left)
    return cells


def _bounded(rows: Iterable[list[Any]]) -> Iterable[list[Any]]:
    cells = 0
    for row in rows:
        cells += len(row)
        if cells > MAX_CELLS:
            raise SheetError(f"more than {MAX_CELLS} cells; split the file")
        yield row
