"""Files that nobody should drop: a clear error or a quarantined row; good files beside them land, counts balance."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from random import Random

from ingestion.spreadsheets import write_activity_template
from tests.torture.bounds import need, tried
from tests.torture.mutations import of_bytes
from tests.torture.report import Row
from tests.unit.ingestion.test_spreadsheets import HEAD, TWO, Drop

GOOD = HEAD + "9,Ann,Acme,P,Won,1,2026-03-01\n8,Bo,Acme,P,Lost,2,2026-03-02\n"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
TITLES = ("Id", "Seller", "Status")


def text_cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def book(rows: str, after: str = "", before: str = "", shared: str = "", more: tuple[str, ...] = ()) -> bytes:
    """A workbook that was not written by a program: the titles, and then these rows."""
    blank, made = Path(tempfile.mkdtemp()) / "blank.xlsx", BytesIO()
    write_activity_template(blank, "en")
    titles = "".join(text_cell(f"{'ABC'[place]}1", title) for place, title in enumerate(TITLES))
    sheet = f'<?xml version="1.0"?>{before}<worksheet xmlns="{MAIN}"><sheetData><row r="1">{titles}</row>{rows}'
    parts = {"xl/worksheets/sheet1.xml": f"{sheet}</sheetData>{after}</worksheet>"}
    if shared:
        parts["xl/sharedStrings.xml"] = shared
    with zipfile.ZipFile(blank) as given, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as out:
        for name in given.namelist():
            out.writestr(name, parts.get(name) or given.read(name))
        for name in more:
            out.writestr(name, b"\\0" * 1_000)
    return made.getvalue()


def row(number: int, *texts: str) -> str:
    cells = "".join(text_cell(f"{'ABCDEFGH'[place]}{number}", text) for place, text in enumerate(texts))
    return f'<row r="{number}">{cells}</row>'


def laughs() -> str:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!DOCTYPE x [<!ENTITY l0 "ha">{entities}]>'


def lying(body: bytes) -> bytes:
    """Its sheet says that it unpacks to a thousand bytes."""
    made, name = bytearray(body), b"xl/worksheets/sheet1.xml"
    for mark, size_at, name_at in ((b"PK\x01\x02", 24, 46), (b"PK\x03\x04", 22, 30)):
        at = made.find(mark)
        while at >= 0:
            if made[at + name_at : at + name_at + len(name)] == name:
                made[at + size_at : at + size_at + 4] = (1_000).to_bytes(4, "little")
            at = made.find(mark, at + 4)
    return bytes(made)


SHARED = f'<?xml version="1.0"?><sst xmlns="{MAIN}"><si><t>{{}}</t></si></sst>'
SHARED_ROWS = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c></row>' for n in range(2, 40_000))
FAR = '<row r="{0}"><c r="{1}{0}" t="inlineStr"><is><t>x</t></is></c></row>'
MERGED = "<mergeCells>" + '<mergeCell ref="A1:XFD1048576"/>' * 3_000 + "</mergeCells>"
OUTSIDE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
FORMULAS = '<row r="2"><c r="A2"><f>WEBSERVICE("http://x")</f><v>1</v></c></row>'
BEYOND = '<row r="2"><c r="A2" t="d"><v>99999-13-45</v></c><c r="B2"><v>1e999</v></c><c r="C2"><v>NaN</v></c></row>'
UPWARDS = ("xl/vbaProject.bin", "../../etc/passwd", "/abs")


def numbers(row: int) -> str:
    cells = "".join(f'<c r="{c}{row}"><v>1</v></c>' for c in "ABCDEFGHIJKLMNOPQRST")
    return f'<row r="{row}">{cells}</row>'


CSV: dict[str, Callable[[], bytes]] = {
    "a million columns": lambda: HEAD.strip().encode() + b"".join(b",c%d" % n for n in range(1_000_000)) + b"\n1,Ann\n",
    "millions of empty cells": lambda: HEAD.encode() + b"," * 4_900_000 + b"\n",
    "60 MB of line ends": lambda: HEAD.encode() + b"\n" * (60 << 20),
    "60 MB in one cell": lambda: HEAD.encode() + b'1,"' + b"a" * (60 << 20) + b'",,,Won,1,\n',
    "32,000 characters in a cell": lambda: (HEAD + f"1,{'å' * 32_768},,,Won,1,\n").encode(),
    "a quote that stays open": lambda: HEAD.encode() + b'1,"Ann,,,Won,1,\n' * 1_000,
    "NUL bytes": lambda: TWO.encode().replace(b"Ann", b"A\0nn"),
    "UTF-32": lambda: TWO.encode("utf-32"),
    "UTF-16 cut in half": lambda: TWO.encode("utf-16")[:-1],
    "lone surrogates": lambda: b"\xff\xfe" + b"\x00\xd8" * 40,
    "EBCDIC": lambda: TWO.encode("cp500"),
    "Shift-JIS": lambda: TWO.replace("Ann", "アン").encode("shift_jis"),
    "UTF-7": lambda: TWO.replace("Ann", "Ånn").encode("utf-7"),
    "a separator line that is a quote": lambda: b'sep="\n' + TWO.encode(),
    "commands": lambda: (HEAD + "".join(f"{n},{t}cmd|' /C calc'!A0,,,Won,1,\n" for n, t in enumerate("=+-@\t")))
    .encode(),
}  # fmt: skip
BOOKS: dict[str, Callable[[], bytes]] = {
    "a cell in the last row and column": lambda: book(FAR.format(1_048_576, "XFD")),
    "a cell beyond the last": lambda: book(FAR.format(4_294_967_295, "ZZZZZZ")),
    "merged over everything": lambda: book(FAR.format(2, "XFD"), MERGED),
    "a zip bomb of blanks": lambda: book(" " * (500 << 20)),
    "a zip bomb of one text": lambda: book(row(2, "a" * (400 << 20))),
    "a zip bomb that says it is small": lambda: lying(book(" " * (600 << 20))),
    "a text that all rows share": lambda: book(SHARED_ROWS, shared=SHARED.format("a" * 1_000_000)),
    "a billion laughs": lambda: book(row(2, "&l9;", "&l9;", "Won"), before=laughs()),
    "a million laughs, shared": lambda: book(SHARED_ROWS, shared=laughs() + SHARED.format("&l9;")),
    "an outside entity": lambda: book(row(2, "&e;", "&e;"), before=OUTSIDE),
    "formulas": lambda: book(FORMULAS),
    "control characters": lambda: book(row(2, "1&#0;", "&#xD800;", "Won")),
    "days and numbers beyond all": lambda: book(BEYOND),
    "a shared text that is not there": lambda: book('<row r="2"><c r="A2" t="s"><v>999999999</v></c></row>'),
    "macros and paths upwards": lambda: book(row(2, "1", "Ann", "Won"), more=UPWARDS),
    "32,000 characters in a cell of a book": lambda: book(row(2, "1", "å" * 32_768, "Won")),
    "half of a book": lambda: book(row(2, "1", "Ann", "Won"))[:2_000],
    "four million cells": lambda: book("".join(map(numbers, range(2, 200_000)))),
}  # fmt: skip


def dropped(files: dict[str, Callable[[], bytes]]) -> str:
    """One night with these files beside a good one, and the same night again."""
    with tempfile.TemporaryDirectory() as folder:
        drop = Drop(Path(folder))
        drop.put("deals-good.csv", GOOD)
        for name, make in files.items():
            drop.put(name, make())
        first = drop.night()["deals"]  # which looks whether counts balance
        need({"8", "9"} <= set(drop.rows()), "the good file beside it did not land")
        if first.state == "failed":
            need(first.reason and any(name in first.reason for name in files), f"no file is named: {first.reason}")
            need(len(first.reason or "") < 400 * (len(files) + 1), "the reason is a wall of text")
        need({row[0] for row in drop.quarantine()} <= {*files, None}, "a file is in quarantine that was good")
        again = drop.night()["deals"]
        need((again.rows_appended, again.rows_quarantined) == (0, 0), f"the same files again: {again}")
    return ""


def mutated_files(seed: int, count: int = 25) -> dict[str, Callable[[], bytes]]:
    draw, files = Random(f"sheets:{seed}"), {}
    bases = (("csv", TWO.encode() * 3), ("csv", TWO.encode("utf-16")), ("xlsx", book(row(2, "1", "Ann", "Won"))))
    for number in range(count):
        suffix, base = draw.choice(bases[:2] if number % 5 else bases[2:])
        body = of_bytes(base, draw) or b"x"
        files[f"deals-{number:02}.{suffix}"] = lambda body=body: body
    return files


def run(scratch: Path, tries: int = 6) -> Iterator[Row]:
    """Each file beside a good one; the bounds of a workbook's own reader are the product's."""
    for what, suffix, cases in (("CSV", "csv", CSV), ("XLSX", "xlsx", BOOKS)):
        for name, make in cases.items():
            yield tried(f"{what}, {name}", [lambda name=f"deals-bad.{suffix}", make=make: dropped({name: make})])
    acts = [lambda seed=seed: dropped(mutated_files(seed)) for seed in range(tries)]
    yield tried("sheets, 25 mutated in one folder", acts)
