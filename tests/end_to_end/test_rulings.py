"""Sales ops rules on duplicates: the workbook is written, filled in, dropped, and the next night follows it."""

from __future__ import annotations

import duckdb
import openpyxl
import pytest

pytestmark = [pytest.mark.night, pytest.mark.timeout(600)]


def test_rulings_filled_into_the_worklist_are_followed_and_contradictions_named(ruled, tmp_path):
    """On a night that could not read the contacts, too: the marts are built with those of the last one."""
    night, lines, columns, done = ruled.night, ruled.rulings, ruled.columns, ruled.done
    (a, b, _), (_, c, _), _, (one, other, _) = lines
    assert done.returncode == 3, done.stdout + done.stderr
    assert "sets of rulings cannot all be true" in done.stdout
    with duckdb.connect(str(night.published), read_only=True) as marts:
        identities = marts.execute(
            "select source || ':contact:' || contact_id, contact_key from pipeline.contact_identities"
        ).fetchall()
        rulings = marts.execute(
            "select left_record, right_record, state, contradiction, ruled_by from pipeline.match_rulings"
        ).fetchall()
        (listed,) = marts.execute("select count(*) from kpi.data_quality_issues where object = 'rulings'").fetchone()
    keys = dict(identities)
    assert keys[one] == keys[other] and len({keys[key] for key in (a, b, c, one)}) == 4
    said = {frozenset(line[:2]): line[2:] for line in rulings}
    assert len(said) == 4 and said[frozenset((one, other))] == ("in force", None, "Eva")
    for left, right, _ in lines[:3]:
        state, contradiction, _ = said[frozenset((left, right))]
        assert state == "contradicts others" and all(key in contradiction for key in (a, b, c))
    assert listed == 3

    workbook = tmp_path / "duplicates.xlsx"
    assert night.command("duplicates", "worklist", "--to", str(workbook)).returncode == 0
    sheet = openpyxl.load_workbook(workbook).active
    titles = ("To do", "Record", "Other record", "Ruling", "Ruled by")
    rows = [
        tuple(sheet.cell(number, columns[title]).value for title in titles) for number in range(2, sheet.max_row + 1)
    ]
    assert [row for row in rows if {one, other} == set(row[1:3])] in (
        [("Merge", one, other, "Same", "Eva")],
        [("Merge", other, one, "Same", "Eva")],
    )
