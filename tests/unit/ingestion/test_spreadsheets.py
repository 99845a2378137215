"""The drop folder, end to end into raw tables: files written to a folder, nothing of our own replaced."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import xlsxwriter

from ingestion import landing
from ingestion.spreadsheets import sync_spreadsheets

DAY = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
DEALS = """
object = "deals"
files = ["deals*.csv", "deals*.xlsx"]
required = ["owner", "life_state"]
date_formats = ["%Y-%m-%d", "%m/%d/%Y"]
[columns]
deal_id = "Id"
owner = ["Seller", "Säljare"]
company = ["Company", "Företag"]
product = "Product"
life_state = "Status"
amount = ["Value", "Belopp"]
close_date = ["Close date", "Stängningsdatum"]
[values.life_state]
Won = "won"
Lost = "lost"
Open = "open"
[corrections.product]
GTXPro = "GTX Pro"
"""
HEAD = "Id,Seller,Company,Product,Status,Value,Close date\n"
TWO = HEAD + "1,Ann,Acme,GTXPro,Won,100.50,3/1/2026\n2,Bo,,GTX Pro,Open,,\n"


class Drop:
    """A drop folder, a warehouse in memory, and one night per call of `night`."""

    def __init__(self, root: Path):
        self.folder = root / "drop"
        self.mapping = root / "deals.toml"
        self.folder.mkdir()
        self.mapping.write_text(DEALS)
        self.connection = duckdb.connect()
        landing.prepare(self.connection)
        self.nights = 0

    def put(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    @contextmanager
    def open(self):
        yield self.connection

    def night(self, *mappings: Path):
        self.nights += 1
        now = DAY + timedelta(days=self.nights)
        results = sync_spreadsheets(self.open, self.folder, list(mappings or [self.mapping]), f"run{self.nights}", now)
        by_object = {result.object: result for result in results}
        for r in by_object.values():
            assert r.rows_read == r.rows_appended + r.rows_unchanged + r.rows_quarantined, r
        return by_object

    def rows(self, table: str = "spreadsheets__deals") -> dict[str, dict]:
        newest = self.connection.execute(
            f"""select record_id, payload from raw.{table}
                qualify row_number() over (partition by record_id order by version_at desc, landed_at desc) = 1
                    and not is_deleted order by record_id"""
        ).fetchall()
        return {record_id: json.loads(payload) for record_id, payload in newest}

    def quarantine(self) -> list[tuple]:
        return self.connection.execute(
            "select file, sheet, row_number, record_id, column_name, value, reason from raw.quarantine order by all"
        ).fetchall()

    def count(self, table: str = "spreadsheets__deals") -> int:
        return self.connection.execute(f"select count(*) from raw.{table}").fetchone()[0]


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    return Drop(tmp_path)


def test_a_row_lands_with_what_was_found_and_what_it_means(drop):
    drop.put("deals.csv", TWO)
    assert drop.night()["deals"].rows_appended == 2
    first = drop.rows()["1"]
    assert first["cells"]["Value"] == "100.50"
    assert first["cells"]["Product"] == "GTXPro"
    assert first["fields"] == {
        **{"deal_id": "1", "owner": "Ann", "company": "Acme", "product": "GTX Pro", "life_state": "won"},
        **{"amount": "100.5", "close_date": "2026-03-01"},
    }
    assert first["corrected"] == {"product": "GTXPro"}
    assert (first["file"], first["sheet"], first["row"]) == ("deals.csv", None, 2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "pipe"])
def test_encodings_and_delimiters(drop, encoding, delimiter):
    cells = [["Id", "Säljare", "Företag", "Status", "Belopp"], ["1", "Åsa Öberg", "Ålands Måleri Äpplet", "Won", "7"]]
    drop.put("deals.csv", "\r\n".join(delimiter.join(row) for row in cells).encode(encoding))
    drop.night()
    assert drop.rows()["1"]["fields"]["owner"] == "Åsa Öberg"
    assert drop.rows()["1"]["fields"]["company"] == "Ålands Måleri Äpplet"


def test_a_separator_line_of_excel_is_obeyed(drop):
    drop.put("deals.csv", "sep=;\nId;Seller;Status\n1;Ann, Bo;Won\n")
    drop.night()
    assert drop.rows()["1"]["fields"]["owner"] == "Ann, Bo"


def test_headers_may_differ_in_case_spaces_and_diacritics_and_stand_below_a_title(drop):
    drop.put("deals.csv", "Export 2026,,,\n,,,\nID, SALJARE ,status,stangningsdatum\n1,Ann,Won,2026-03-01\n")
    drop.night()
    assert drop.rows()["1"]["fields"]["close_date"] == "2026-03-01"
    assert drop.rows()["1"]["row"] == 4


def test_a_missing_column_names_the_field_its_headers_and_what_was_found(drop):
    drop.put("deals.csv", "Id,Owner,Status\n1,Ann,Won\n")
    result = drop.night()["deals"]
    assert result.state == "failed"
    for word in ("deals.csv", "owner (Seller or Säljare)", "'Owner'", "deals.toml"):
        assert word in result.reason


def test_a_bad_row_goes_to_quarantine_with_exact_coordinates_and_the_others_load(drop):
    drop.put(
        "deals.csv",
        HEAD
        + "1,Ann,Acme,P,Won,12,2026-01-31\n"
        + "\n"
        + "2,Ann,Acme,P,Won,twelve,2026-01-31\n"
        + "3,Ann,Acme,P,Won,12,31/31/2026\n"
        + "4,,Acme,P,Won,12,2026-01-31\n"
        + "5,Ann,Acme,P,Maybe,12,2026-01-31\n"
        + ",Ann,Acme,P,Won,12,2026-01-31\n"
        + "7,Ann,Acme,P,Won,1,50,2026-01-31\n",
    )
    result = drop.night()["deals"]
    assert (result.rows_read, result.rows_appended, result.rows_quarantined) == (7, 1, 6)
    found = {(file, row, column, value) for file, _, row, _, column, value, _ in drop.quarantine()}
    assert found == {
        ("deals.csv", 4, "Value", "twelve"),
        ("deals.csv", 5, "Close date", "31/31/2026"),
        ("deals.csv", 6, "Seller", ""),
        ("deals.csv", 7, "Status", "Maybe"),
        ("deals.csv", 8, "Id", ""),
        ("deals.csv", 9, "column 8", "2026-01-31"),
    }
    reasons = {row: reason for _, _, row, *_, reason in drop.quarantine()}
    assert "is not a number" in reasons[4]
    assert "[values.life_state] of deals.toml" in reasons[7]


def test_the_same_file_twice_changes_nothing(drop):
    drop.put("deals.csv", TWO + "3,Ann,Acme,P,Maybe,1,\n")
    drop.night()
    before = drop.count(), drop.count("quarantine"), drop.count("spreadsheet_files")
    second = drop.night()["deals"]
    assert (second.rows_read, second.rows_appended, second.rows_unchanged, second.rows_quarantined) == (3, 0, 3, 0)
    assert (drop.count(), drop.count("quarantine"), drop.count("spreadsheet_files")) == before


@pytest.mark.parametrize("move", [shutil.copy, shutil.move], ids=["copied", "renamed"])
def test_the_same_content_under_another_name_changes_nothing(drop, move):
    path = drop.put("deals.csv", TWO)
    drop.night()
    move(path, drop.folder / "deals-copy.csv")
    result = drop.night()["deals"]
    assert (result.rows_appended, result.deletions) == (0, 0)
    assert drop.count() == 2


def test_a_corrected_file_replaces_its_rows_and_missing_rows_become_tombstones(drop):
    drop.put("deals.csv", TWO)
    drop.night()
    drop.put("deals.csv", HEAD + "1,Ann,Acme,GTX Pro,Won,200,3/1/2026\n3,Cia,Acme,P,Open,,\n")
    result = drop.night()["deals"]
    assert (result.rows_appended, result.deletions) == (3, 1)
    assert {key: row["fields"]["amount"] for key, row in drop.rows().items()} == {"1": "200", "3": None}
    assert drop.night()["deals"].rows_appended == 0
    drop.put("deals.csv", TWO)
    drop.night()
    assert sorted(drop.rows()) == ["1", "2"]
    assert drop.rows()["1"]["fields"]["amount"] == "100.5"


def test_a_correction_under_a_new_name_replaces_the_old_rows_however_often_it_was_renamed(drop):
    three = TWO + "3,Cia,Acme,P,Open,,\n"
    path = drop.put("deals.csv", three)
    drop.night()
    path = path.rename(drop.folder / "deals-march.csv")
    drop.night()
    drop.put("deals-march.csv", three.replace("100.50", "7"))
    drop.night()
    path.rename(drop.folder / "deals-q1.csv")
    drop.night()
    drop.put("deals-q1.csv", TWO.replace("100.50", "7").rsplit("2,Bo", 1)[0])
    assert drop.night()["deals"].deletions == 2
    assert list(drop.rows()) == ["1"]


def test_two_files_that_were_once_empty_alike_are_not_one_file(drop):
    drop.put("deals-a.csv", HEAD)
    drop.put("deals-b.csv", HEAD)
    drop.night()
    path = drop.put("deals-a.csv", HEAD + "1,Ann,Acme,P,Open,1,\n")
    drop.night()
    path.unlink()
    drop.put("deals-b.csv", HEAD + "2,Bo,Acme,P,Open,1,\n")
    assert drop.night()["deals"].deletions == 0
    assert sorted(drop.rows()) == ["1", "2"]


def test_a_corrected_file_that_is_still_wrong_is_quarantined_again(drop):
    drop.put("deals.csv", TWO + "3,Ann,Acme,P,Maybe,1,\n")
    drop.night()
    drop.put("deals.csv", TWO.replace("Ann", "Cia") + "3,Ann,Acme,P,Maybe,1,\n")
    assert drop.night()["deals"].rows_quarantined == 1
    assert drop.night()["deals"].rows_quarantined == 0


def test_a_row_that_another_file_still_has_is_not_deleted(drop):
    drop.put("deals-a.csv", TWO)
    drop.put("deals-b.csv", HEAD + "2,Bo,,GTX Pro,Open,,\n")
    drop.night()
    drop.put("deals-a.csv", TWO.rsplit("2,Bo", 1)[0])
    assert drop.night()["deals"].deletions == 0
    assert sorted(drop.rows()) == ["1", "2"]


def test_of_two_files_the_later_content_wins_and_stays_the_winner(drop):
    drop.put("deals-z.csv", HEAD + "1,Ann,Acme,P,Open,1,\n")
    drop.night()
    drop.put("deals-a.csv", HEAD + "1,Ann,Acme,P,Won,2,2026-03-01\n")
    drop.night()
    assert drop.rows()["1"]["fields"]["life_state"] == "won"
    assert drop.night()["deals"].rows_appended == 0
    assert drop.rows()["1"]["fields"]["life_state"] == "won"


def test_a_file_that_vanished_keeps_its_rows(drop):
    path = drop.put("deals.csv", TWO)
    drop.night()
    path.unlink()
    result = drop.night()["deals"]
    assert (result.state, result.rows_read, result.deletions) == ("ok", 0, 0)
    assert sorted(drop.rows()) == ["1", "2"]


def test_a_row_that_turns_bad_keeps_its_last_good_version(drop):
    drop.put("deals.csv", TWO)
    drop.night()
    drop.put("deals.csv", TWO.replace("100.50", "a lot"))
    result = drop.night()["deals"]
    assert (result.rows_quarantined, result.deletions) == (1, 0)
    assert drop.rows()["1"]["fields"]["amount"] == "100.5"


def test_empty_lines_repeated_headers_and_duplicate_lines(drop):
    line = "1,Ann,Acme,P,Won,1,2026-03-01\n"
    drop.put("deals.csv", HEAD + line + ",,,,,,\n\n" + HEAD + line + " 1 ,Ann,Acme,P,Won,1.0,3/1/2026\n")
    result = drop.night()["deals"]
    assert (result.rows_read, result.rows_appended, result.rows_unchanged) == (3, 1, 2)


def test_a_key_with_two_meanings_keeps_the_first_and_refuses_the_second(drop):
    drop.put("deals.csv", HEAD + "1,Ann,Acme,P,Won,1,2026-03-01\n1,Ann,Acme,P,Won,2,2026-03-01\n")
    assert drop.night()["deals"].rows_quarantined == 1
    assert drop.rows()["1"]["fields"]["amount"] == "1"
    assert drop.quarantine()[0][2] == 3
    assert "row 2 has the same key and another amount" in drop.quarantine()[0][-1]


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("deals.csv", b"", "empty"),
        ("deals.xlsx", b"PK\x03\x04 half a file", "not a whole XLSX"),
        ("deals.csv", b'Id,Seller,Status\n1,"Ann,Won\n2,Bo,Won\n', "quote"),
        ("deals.csv", b"Id,Seller,Status\n1,A\x00nn,Won\n", "NUL"),
    ],
    ids=["empty", "half-copied", "open-quote", "binary"],
)
def test_an_unreadable_file_fails_its_object_and_leaves_its_rows(drop, name, content, word):
    drop.put("deals-good.csv", HEAD + "9,Ann,Acme,P,Won,1,2026-03-01\n")
    drop.put("deals.csv", TWO)
    drop.night()
    drop.put(name, content)
    result = drop.night()["deals"]
    assert result.state == "failed"
    assert word in result.reason
    assert sorted(drop.rows()) == ["1", "2", "9"]
    state = "select state from raw.sync_state where source = 'spreadsheets' and object = 'deals'"
    assert drop.connection.execute(state).fetchone() == ("failed",)


def test_a_file_that_no_mapping_wants_is_reported_once(drop):
    drop.put("holidays.csv", "a,b\n1,2\n")
    drop.put("deals.ods", "x")
    drop.put(".hidden", "x")
    drop.put("~$deals.xlsx", "x")
    files = drop.night()["files"]
    assert files.rows_quarantined == 2
    assert "holidays.csv" in files.reason
    assert drop.night()["files"].rows_quarantined == 0
    assert [row[0] for row in drop.quarantine()] == ["deals.ods", "holidays.csv"]


def test_a_bad_mapping_or_a_missing_folder_fails_every_object_and_lands_nothing(drop):
    drop.put("deals.csv", TWO)
    drop.mapping.write_text("object = 1")
    assert {result.state for result in drop.night().values()} == {"failed"}
    drop.mapping.write_text(DEALS)
    shutil.rmtree(drop.folder)
    results = drop.night()
    assert {result.state for result in results.values()} == {"failed"}
    assert "does not exist" in results["deals"].reason
    assert drop.count() == 0


def test_a_workbook_with_dates_serials_formulas_merged_headers_and_a_named_sheet(drop):
    path = drop.folder / "deals.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        book.add_worksheet("Cover").write("A1", "ignore me")
        sheet = book.add_worksheet("Affärer")
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for column, title in enumerate(["Id", "Seller", "Status"]):
            sheet.merge_range(0, column, 1, column, title)
        sheet.merge_range(0, 3, 0, 4, "Close")
        sheet.write_row(1, 3, ["Value", "date"])
        sheet.write_row(2, 0, [1001, "Ann", "Won", 1234.5])
        sheet.write_datetime(2, 4, datetime(2026, 3, 1), day)  # noqa: DTZ001
        sheet.write_row(3, 0, ["1002", "Bo", "Won"])
        sheet.write_formula(3, 3, "=1000+1", None, 1001)
        sheet.write_number(3, 4, 46082)  # 2026-03-01 as a bare serial
        sheet.write_row(4, 0, ["1003", "", "Won", "1 234,56", "46082"])
        sheet.write_string(4, 1, "=cmd|' /C calc'!A0")
        sheet.write_row(5, 0, ["1004", "Bo", "Won"])
        sheet.write_formula(5, 3, "=1/0", None, "#DIV/0!")
    drop.mapping.write_text(DEALS.replace("[columns]", 'sheet = "affärer"\nheader_rows = 2\n[columns]', 1))
    result = drop.night()["deals"]
    assert result.state == "ok", result.reason
    fields = {key: row["fields"] for key, row in drop.rows().items()}
    assert {key: row["close_date"] for key, row in fields.items()} == dict.fromkeys(
        ("1001", "1002", "1003"), "2026-03-01"
    )
    assert {key: row["amount"] for key, row in fields.items()} == {"1001": "1234.5", "1002": "1001", "1003": "1234.56"}
    assert fields["1003"]["owner"] == "=cmd|' /C calc'!A0"
    assert drop.quarantine()[0][1:6] == ("Affärer", 6, "1004", "Close Value", "#DIV/0!")


def test_a_version_is_as_old_as_its_file_and_never_older_than_the_one_before(drop):
    import os

    path = drop.put("deals.csv", TWO)
    saved = DAY - timedelta(days=3)
    os.utime(path, (saved.timestamp(), saved.timestamp()))
    drop.night()
    drop.put("deals.csv", TWO.replace("100.50", "7"))
    os.utime(path, (saved.timestamp() - 60, saved.timestamp() - 60))
    drop.night()
    versions = "select version_at from raw.spreadsheets__deals where record_id = '1' order by landed_at"
    assert [row[0] for row in drop.connection.execute(versions).fetchall()] == [saved, DAY + timedelta(days=2)]
    assert drop.rows()["1"]["fields"]["amount"] == "7"


def test_rows_without_an_id_column_are_known_by_their_key(drop):
    drop.mapping.write_text(
        'object = "targets"\nfiles = "targets.csv"\nkey = ["owner", "month"]\ndate_formats = "%Y-%m"\n'
        '[columns]\nowner = "Seller"\nmonth = "Month"\ntarget = {headers = "Target (k)", multiplier = 1000}\n'
        '[defaults]\ncurrency = "SEK"\n'
    )
    drop.put("targets.csv", "Seller;Month;Target (k)\nAnn;2026-01;1,5\nAnn;2026-02;2\n")
    drop.night()
    rows = drop.rows("spreadsheets__targets")
    assert [row["fields"]["target"] for row in rows.values()] and all(key.startswith("deals:") for key in rows)
    assert {row["fields"]["month"]: row["fields"]["target"] for row in rows.values()} == {
        "2026-01-01": "1500",
        "2026-02-01": "2000",
    }
    drop.put("targets.csv", "Seller;Month;Target (k)\nAnn;2026-02;2\nAnn;2026-01;3\n")
    result = drop.night()["targets"]
    assert (result.rows_appended, result.deletions) == (1, 0)


def test_targets_of_a_seller_or_of_a_team_need_no_other_part_of_the_key(drop):
    """A plan names a seller or a team, and a first version has no date: the practice company's was refused whole."""
    mapping = Path(__file__).parents[3] / "mappings" / "targets.toml"
    head = "Säljare;Lag;Månad;Budget;Gäller från\n"
    drop.put("budget.csv", head + "Ann;;2026-01;150 000;\n;North;2026-01;400 000;\nAnn;;2026-01;165 000;2026-01-15\n")
    assert drop.night(mapping)["targets"].rows_quarantined == 0
    fields = [row["fields"] for row in drop.rows("spreadsheets__targets").values()]
    found = {(row["owner"], row["team"], row["valid_from"]): row["target"] for row in fields}
    assert found == {
        ("Ann", None, None): "150000", (None, "North", None): "400000", ("Ann", None, "2026-01-15"): "165000",
    }  # fmt: skip
    drop.put("budget.csv", head + "Ann;;2026-01;later;\n;North;2026-01;400 000;\nAnn;;2026-01;165 000;2026-01-15\n")
    result = drop.night(mapping)["targets"]
    assert (result.rows_quarantined, result.deletions) == (1, 0)  # a typing error is no deletion
    assert len(drop.rows("spreadsheets__targets")) == 3


def test_a_sheet_without_a_part_of_the_key_is_read(drop):
    mapping = Path(__file__).parents[3] / "mappings" / "targets.toml"
    drop.put("budget.csv", "Säljare;Månad;Budget\nAnn;2026-01;150 000\nBo;2026-01;140 000\n")
    assert drop.night(mapping)["targets"].rows_appended == 2
