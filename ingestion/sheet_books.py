"""A workbook read in a process of its own, with bounds on memory and time: what breaks the reader breaks that alone.

A kilobyte can ask for half a terabyte: one cell in the last row and column, a text that fifty thousand cells share, a
merged range over everything. The reader then ends its process, which must not be the night's. Knows no mapping.
"""

from __future__ import annotations

import html
import io
import pickle
import re
import resource
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

from ingestion.sheet_files import Cell, Sheet, SheetError, bounded

MAX_MEMORY_BYTES = 3 * 1024**3
MAX_SECONDS = 120  # of a processor; twice as long by the clock on the wall
HEADER_ROWS = 20  # in which merged cells are looked up
_CHILD = "import sys; sys.path.insert(0, sys.argv[1]); from ingestion.sheet_books import answer; answer(sys.argv[2:])"
# A workbook's unpacked size counts by what its directory says and is held to it by zipfile: an entry that inflates
# beyond its stated size fails there with BadZipFile.


def read_book(body: bytes, wanted: str | None, max_unpacked: int, max_cells: int) -> Sheet:
    """One sheet of a workbook, the first by default. Raises SheetError, whatever the bytes are."""
    limits = [str(number) for number in (max_unpacked, max_cells, MAX_MEMORY_BYTES, MAX_SECONDS)]
    root = str(Path(__file__).resolve().parents[1])
    command = [sys.executable, "-c", _CHILD, root, *limits, *([] if wanted is None else [wanted])]
    try:
        done = subprocess.run(  # no environment: it holds secrets that a sheet's reader has no use for
            command, input=body, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=2 * MAX_SECONDS, env={}
        )
        answer = pickle.loads(done.stdout) if done.returncode == 0 else None
    except subprocess.TimeoutExpired:
        answer = None
    if answer is None:
        raise SheetError(
            f"reading it takes more than {MAX_MEMORY_BYTES >> 20} MB or {MAX_SECONDS} s, or breaks the reader: has it "
            "a cell far from the table, or is it damaged? Copy the table into a new workbook and drop that"
        )
    if isinstance(answer, str):
        raise SheetError(answer)
    return answer


def answer(arguments: list[str]) -> None:
    """In the child: the sheet, or in words why not, on standard output."""
    max_unpacked, max_cells, memory, seconds = map(int, arguments[:4])
    wanted = arguments[4] if len(arguments) > 4 else None
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    said: Sheet | str
    try:
        said = _read(sys.stdin.buffer.read(), wanted, max_unpacked, max_cells)
    except SheetError as error:
        said = str(error)
    except (CalamineError, zipfile.BadZipFile) as error:
        said = f"not readable as a workbook: {error}; open it and save it as XLSX again"
    pickle.dump(said, sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)


def _read(body: bytes, wanted: str | None, max_unpacked: int, max_cells: int) -> Sheet:
    _check_expansion(body, max_unpacked)
    book = CalamineWorkbook.from_filelike(io.BytesIO(body))
    name = _sheet_name(book.sheet_names, wanted)
    sheet = book.get_sheet_by_name(name)
    height, width = sheet.total_height, sheet.total_width
    if height * width > max_cells:
        raise SheetError(f"sheet {name!r}: {height} rows x {width} columns, more than {max_cells} cells; clear it")
    rows: list[list[Cell]] = list(bounded(sheet.to_python(skip_empty_area=False), max_cells))
    for (row, column), error_text in _formula_errors(body, name).items():
        if row < len(rows) and column < len(rows[row]):
            rows[row][column] = error_text
    widest = max(map(len, rows[: HEADER_ROWS + 1]), default=0)
    return Sheet(name, rows, merged=_merged_cells(sheet.merged_cell_ranges, widest, max_cells))


def _check_expansion(body: bytes, most: int) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeDecodeError) as error:
        raise SheetError("not a whole XLSX file (still being copied, or encrypted?); drop it again") from error
    if unpacked > most:
        raise SheetError(f"it unpacks to {unpacked} bytes, more than the {most} allowed; split it")


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


def _merged_cells(ranges: Any, width: int, most: int) -> dict[tuple[int, int], tuple[int, int]]:
    cells: dict[tuple[int, int], tuple[int, int]] = {}
    seen = 0
    for (top, left), (bottom, right) in ranges or ():
        if top < HEADER_ROWS:
            last_row, last_column = min(bottom, HEADER_ROWS), min(right, width - 1)
            seen += (last_row - top + 1) * max(0, last_column - left + 1)
            if seen > most:
                raise SheetError(f"merged ranges over more than {most} cells; copy the table into a new workbook")
            for row in range(top, last_row + 1):
                for column in range(left, last_column + 1):
                    cells[row, column] = (top, left)
    return cells
