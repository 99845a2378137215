"""Cells, mapping files, shipped mappings and the blank activity sheet."""

from __future__ import annotations

import zipfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from ingestion import sheet_files
from ingestion.sheet_files import SheetError, read_csv, read_sheet
from ingestion.sheet_mapping import FIELDS, MappingError, load_mappings
from ingestion.sheet_rows import Record, Refusal, find_header, read_rows
from ingestion.sheet_values import ValueRefused, decimal_mark, to_boolean, to_date, to_decimal, to_integer
from ingestion.spreadsheets import write_activity_template

MAPPINGS = Path(__file__).parents[3] / "mappings"
FORMATS = ("%Y-%m-%d", "%m/%d/%Y")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2026-03-01", "2026-03-01"),
        ("3/1/2026", "2026-03-01"),
        ("12/31/2026", "2026-12-31"),
        (" 03/01/2026 ", "2026-03-01"),
        (46082, "2026-03-01"),
        (46082.75, "2026-03-01"),
        ("46082", "2026-03-01"),
        (61, "1900-03-01"),
        (date(2026, 3, 1), "2026-03-01"),
        (datetime(2026, 3, 1, 23, 59), "2026-03-01"),  # noqa: DTZ001
        ("2206-01-01", "2206-01-01"),
    ],
)
def test_dates(cell, expected):
    assert to_date(cell, FORMATS) == expected


@pytest.mark.parametrize("cell", ["13/13/2026", "2026-02-30", "soon", 60, -1, 2_958_466, True])
def test_what_is_no_date_is_refused(cell):
    with pytest.raises(ValueRefused):
        to_date(cell, FORMATS)


@pytest.mark.parametrize(
    ("cell", "mark", "expected"),
    [
        ("1234.50", ".", "1234.5"),
        ("1 234,50", ",", "1234.5"),
        ("1\u00a0234\u202f567,5", ",", "1234567.5"),
        ("1.234.567,89", ",", "1234567.89"),
        ("1,234", ".", "1234"),
        ("1.234", ",", "1234"),
        ("-12,5 kr", ",", "-12.5"),
        ("−12", ".", "-12"),
        ("(12.50)", ".", "-12.5"),
        ("SEK 1 000", ".", "1000"),
        ("€1,000.25", ".", "1000.25"),
        (",5", ",", "0.5"),
        (0.1, ".", "0.1"),
        (1e-9, ".", "0"),
        (1.23456789, ".", "1.23456789"),
        (5.0, ".", "5"),
        (100, ".", "100"),
    ],
)
def test_numbers(cell, mark, expected):
    assert Decimal(to_decimal(cell, mark)) == Decimal(expected)


@pytest.mark.parametrize(
    "cell", ["twelve", "1.2.3", "12,34,5", "1e5", "--1", "", "٣", float("nan"), float("inf"), True]
)
def test_what_is_no_number_is_refused(cell):
    with pytest.raises(ValueRefused):
        to_decimal(cell, ".")


@pytest.mark.parametrize(
    ("cells", "delimiter", "mark"),
    [
        (["1,5", "1,234"], ";", ","),
        (["1.5", "1,234"], ",", "."),
        (["1.234,5"], ",", ","),
        (["1,234"], ";", ","),
        (["1,234"], ",", "."),
        (["1.234.567"], ",", ","),
        (["0,123"], ",", ","),
        (["1,5", "1.5"], ";", "?"),
        ([], ";", ","),
    ],
)
def test_the_decimal_mark_is_told_from_the_column(cells, delimiter, mark):
    assert decimal_mark(cells, delimiter) == mark


def test_a_column_with_both_marks_refuses_only_what_is_ambiguous():
    assert to_decimal("1,5", "?") == "1.5"
    with pytest.raises(ValueRefused, match="ambiguous"):
        to_decimal("1,234", "?")


def test_integers_and_booleans():
    assert to_integer("1 200", ".") == "1200"
    with pytest.raises(ValueRefused):
        to_integer("1.5", ".")
    assert [to_boolean(cell) for cell in ("Ja", "nei", True, "X")] == ["true", "false", "true", "true"]
    with pytest.raises(ValueRefused):
        to_boolean("maybe")


def test_bounds_on_bytes_cells_and_expansion(tmp_path, monkeypatch):
    book = tmp_path / "a.xlsx"
    write_activity_template(book, "en")
    monkeypatch.setattr(sheet_files, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(SheetError, match="unpacks to"):
        read_sheet(book.read_bytes(), ".xlsx")
    monkeypatch.setattr(sheet_files, "MAX_FILE_BYTES", 10)
    with pytest.raises(SheetError, match="more than the 10 allowed"):
        sheet_files.read_bytes(book)
    with pytest.raises(SheetError, match="16385 columns"):
        read_csv(b"a" + b",a" * 16_384)
    monkeypatch.setattr(sheet_files, "MAX_CELLS", 5)
    with pytest.raises(SheetError, match="more than 5 cells"):
        read_csv(b"a,b,c\n1,2,3\n")
    with pytest.raises(SheetError, match="more than 5 cells"):
        read_csv(b"a,b\n" + b"\n" * 4)  # an empty row takes memory too: 60 MB of them took 5 GB


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SHEET = f'<worksheet xmlns="{MAIN}"><sheetData>{{}}</sheetData>{{}}</worksheet>'
FAR = '<row r="{0}"><c r="{1}{0}" t="inlineStr"><is><t>x</t></is></c></row>'


@pytest.mark.parametrize(
    ("rows", "after", "words"),
    [
        (FAR.format(1_048_576, "XFD"), "", "cell far from the table"),
        (FAR.format(4_294_967_295, "ZZZZZZ"), "", "cell far from the table"),
        (FAR.format(2, "A").replace("x</t>", "x" * 140_000 + "</t>"), "", "a cell of 140000 characters"),
        ("", "<mergeCells>" + '<mergeCell ref="A1:XFD1048576"/>' * 300 + "</mergeCells>", "merged ranges"),
    ],
    ids=["far", "beyond the last", "a long text", "merged"],
)
def test_a_workbook_of_a_kilobyte_that_asks_for_a_terabyte_is_refused_alone(tmp_path, rows, after, words):
    """The reader ends its process then, which must not be the night's; a panic is no Exception either."""
    blank, bomb = tmp_path / "blank.xlsx", tmp_path / "bomb.xlsx"
    write_activity_template(blank, "en")
    first = "".join(FAR.format(1, letters) for letters in ("A", "XFD" if after else "B"))
    with zipfile.ZipFile(blank) as given, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as made:
        for name in given.namelist():
            is_sheet = name == "xl/worksheets/sheet1.xml"
            made.writestr(name, SHEET.format(first + rows, after) if is_sheet else given.read(name))
    with pytest.raises(SheetError, match=words):
        read_sheet(bomb.read_bytes(), ".xlsx")
    assert read_sheet(blank.read_bytes(), ".xlsx").rows


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("object = ", ["TOML", "correct"]),
        ('files = "a.csv"\n[columns]\nname = "N"', ["object", "is missing"]),
        ('object = "dogs"\nfiles = "a"\n[columns]\nname = "N"', ["object", "deals"]),
        ('object = "deals"\nfiles = "a"\n[columns]\nvalue = "N"', ["columns", "'value'", "amount"]),
        ('object = "deals"\nfiles = "a"\nrequird = []\n[columns]\nname = "N"', ["requird", "required"]),
        (
            'object = "deals"\nfiles = "a"\nrequired = ["owner"]\n[columns]\nname = "N"',
            ["required", "'owner'", "columns"],
        ),
        ('object = "deals"\nfiles = "a"\n[columns]\namount = {header = "N"}', ["columns.amount", "headers"]),
        (
            'object = "deals"\nfiles = "a"\n[columns]\nname = {headers = "N", multiplier = 2}',
            ["columns.name", "decimal"],
        ),
    ],
    ids=["toml", "no-object", "object", "field", "unknown-key", "required", "column-key", "multiplier"],
)
def test_a_bad_mapping_file_says_which_file_which_key_and_what_to_do(tmp_path, text, words):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(MappingError) as error:
        load_mappings([path])
    for word in ["bad.toml", *words]:
        assert word in str(error.value)


def test_the_shipped_mappings_are_valid_and_cover_every_object():
    mappings = load_mappings([MAPPINGS])
    assert {mapping.object for mapping in mappings} == set(FIELDS)


@pytest.mark.parametrize("language", ["en", "sv"])
def test_the_blank_activity_sheet_fits_its_mapping(tmp_path, language):
    path = tmp_path / f"sales_activity_tracking.{language}.xlsx"
    write_activity_template(path, language)
    mapping = next(m for m in load_mappings([MAPPINGS]) if m.object == "activities")
    assert mapping.matches(path.name) >= 0
    header = find_header(read_sheet(path.read_bytes(), ".xlsx"), mapping)
    assert list(header.places) == list(mapping.columns)
    assert len(header.names) == 8
    committed = MAPPINGS / "templates" / path.name
    assert _texts(committed) == _texts(path)


def _texts(path: Path) -> list:
    book = CalamineWorkbook.from_path(str(path))
    return [book.get_sheet_by_name(name).to_python() for name in book.sheet_names]


def test_swedish_activity_lines_with_dotted_dates():
    mapping = next(m for m in load_mappings([MAPPINGS]) if m.object == "activities")
    text = (
        "Datum;Säljare;Företag;Kontakt;Aktivitetstyp;Utfall;Nästa steg;Datum för nästa steg\n"
        "1.3.2026;Ann;Acme;Bo;Möte;Intresserad;Offert;5.3.2026\n"
    )
    (row,) = read_rows(read_csv(text.encode("cp1252")), mapping)
    assert isinstance(row, Record)
    assert (row.fields["date"], row.fields["next_step_date"]) == ("2026-03-01", "2026-03-05")
    assert row.fields["activity_type"] == "meeting"


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("Date,Currency,Rate,Kind", "2026-03-02,usd,10.12345678,plan", ("2026-03-02", "usd", "10.12345678", "plan")),
        ("Datum;Valuta;Växelkurs;Kurstyp", "2026-03-02;NOK;0,97;Dagskurs", ("2026-03-02", "NOK", "0.97", "day")),
        ("Dato;Valuta;Kurs;Type", "02.03.2026;DKK;1,51;Budsjett", ("2026-03-02", "DKK", "1.51", "plan")),
        ("Päivä;Valuutta;Kurssi", "02.03.2026;GBP;12,9", ("2026-03-02", "GBP", "12.9", "day")),
        ("Tilikausi;Valuutta;Kurssi;Tyyppi", "2026;GBP;12,9;Budjetti", ("2026-01-01", "GBP", "12.9", "plan")),
    ],
    ids=["english", "swedish", "norwegian", "finnish", "a-whole-year"],
)
def test_rates_of_every_language(header, row, expected):
    mapping = next(m for m in load_mappings([MAPPINGS]) if m.object == "exchange_rates")
    (record,) = read_rows(read_csv(f"{header}\n{row}\n".encode()), mapping)
    assert isinstance(record, Record)
    assert tuple(record.fields[name] for name in ("rate_date", "currency", "rate", "kind")) == expected


def test_a_second_version_of_a_rate_is_the_same_record():
    mapping = next(m for m in load_mappings([MAPPINGS]) if m.object == "exchange_rates")
    text = "Date,Currency,Rate,Kind\n2026-03-02,USD,{},day\n2026-03-02,USD,10,plan\n"
    first, second = ([r.record_id for r in read_rows(read_csv(text.format(n).encode()), mapping)] for n in (10, 11))
    assert first == second and len(set(first)) == 2


def test_a_ruling_is_read_once_it_is_filled_in():
    mapping = next(m for m in load_mappings([MAPPINGS]) if m.object == "rulings")
    text = (
        "Record;Other record;Why they may be one;Ruling;Ruled by;Ruled on;Reason\n"
        "hubspot:contact:1;hubspot:contact:2;same phone;;;;\n"
        "hubspot:contact:1;hubspot:contact:3;same name;Håll isär;Eva;2026-03-02;two roles\n"
        "hubspot:contact:1;hubspot:contact:4;same name;perhaps;Eva;2026-03-02;\n"
    )
    record, refusal = read_rows(read_csv(text.encode()), mapping)
    assert isinstance(record, Record) and isinstance(refusal, Refusal)
    assert record.fields == {
        "left_record": "hubspot:contact:1",
        "right_record": "hubspot:contact:3",
        "ruling": "keep_apart",
        "ruled_by": "Eva",
        "ruled_at": "2026-03-02",
        "reason": "two roles",
    }
    assert (refusal.row, refusal.value) == (4, "perhaps") and "same, different, keep_apart" in refusal.reason
