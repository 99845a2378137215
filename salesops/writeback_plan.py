"""The plan of a write-back: a workbook that a person reads, edits, and hands to `--apply`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salesops import workbook
from salesops.config import Settings
from salesops.publication import reading
from salesops.workbook import Column

FIELDS, TASKS = "Fields", "Merge tasks"

# over kpi.enrichment_worklist; a company that was found by its name may be another: somebody says yes to that
_FIELD_COLUMNS = (
    Column(
        "Do",
        6,
        "if(value_from like '%found by entity resolution', 'no', 'yes')",
        is_to_fill=True,
        choices=("yes", "no"),
    ),
    Column("CRM", 10, "source"),
    Column("Company", 30, "name"),
    Column("Field", 14, "field"),
    Column("New value", 30, "value", is_to_fill=True),
    Column("From", 34, "value_from"),
    Column("Observed", 12, "observed_date", "date"),
    Column("Confidence", 11, "confidence", "number"),
    Column("Other values", 12, "value_count - 1", "number"),
    Column("Open pipeline", 14, "value_at_stake", "money"),
    Column("Owner", 20, "owner"),
    Column("Link", 12, "record_url", "link"),
    Column("Record", 26, "record_key"),
)
# over the merges of kpi.duplicate_worklist
_TASK_COLUMNS = (
    Column("Do", 6, "'no'", is_to_fill=True, choices=("yes", "no")),
    Column("CRM", 10, "split_part(record_key, ':', 1)"),
    Column("Kind", 9, "thing"),
    Column("Name", 26, "name"),
    Column("Other name", 26, "into_name"),
    Column("Why they may be one", 60, "explanation"),
    Column("Open pipeline", 14, "value_at_stake", "money"),
    Column("Owner", 20, "owner"),
    Column("Link", 12, "record_url", "link"),
    Column("Other link", 12, "into_record_url", "link"),
    Column("Record", 26, "record_key"),
    Column("Other record", 26, "into_record_key"),
)
_NEEDED = {FIELDS: ("Do", "Field", "New value", "From", "Record"), TASKS: ("Do", "Record", "Other record")}


class PlanError(Exception):
    """The plan or the undo file cannot be followed as a whole; the message says what to do."""


@dataclass(frozen=True)
class Plan:
    """A plan that was written: its workbook, how many lines it has, and what it leaves out."""

    path: Path
    field_count: int
    task_count: int
    left_out: list[str]


def write_plan(published: Path, settings: Settings, to: Path | None = None) -> Plan:
    """Write what a publication proposes as a workbook. An existing file is replaced."""
    with reading(published) as marts:
        ((day,),) = marts.execute(workbook.AS_OF_DAY).fetchall()
        fields = marts.execute(
            f"select {workbook.select(_FIELD_COLUMNS)} from kpi.enrichment_worklist order by place"
        ).fetchall()
        tasks = marts.execute(
            f"select {workbook.select(_TASK_COLUMNS)} from kpi.duplicate_worklist where action = 'merge' order by place"
        ).fetchall()
    kept = [row for row in fields if row[3] in settings.writeback.properties(row[1])]
    others = Counter(f"{row[1]} {row[3]}" for row in fields if row[3] not in settings.writeback.properties(row[1]))
    left_out = [f"{number} values for {what}: there is no property to write them to" for what, number in others.items()]
    tasks = [row for row in tasks if row[1] == row[-1].split(":")[0] and settings.writeback.properties(row[1])]
    path = to or Path(f"writeback-{day}.xlsx")
    sheets = [(FIELDS, _FIELD_COLUMNS, kept), (TASKS, _TASK_COLUMNS, tasks)]
    workbook.write(path, "Write-back plan", day, sheets, frozen_columns=1)
    return Plan(path, len(kept), len(tasks), left_out)


def read_plan(path: Path) -> dict[str, list[tuple[str, dict[str, str]]]]:
    """The lines of a plan that say yes, by sheet: (place, column -> text). Raises PlanError."""
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_path(str(path))
        sheets = {name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in book.sheet_names}
    except (CalamineError, OSError) as error:
        raise PlanError(f"{path}: not a workbook that can be read ({type(error).__name__}); plan anew") from None
    lines: dict[str, list[tuple[str, dict[str, str]]]] = {}
    for title, needed in _NEEDED.items():
        rows = sheets.get(title)
        if not rows:
            raise PlanError(f"{path}: there is no sheet {title!r}; plan anew")
        names = [_text(cell) for cell in rows[0]]
        if missing := [name for name in needed if name not in names]:
            raise PlanError(f"{path}, sheet {title}: the column {missing[0]!r} is gone; plan anew")
        lines[title] = []
        for number, row in enumerate(rows[1:], start=2):
            line = {name: _text(cell) for name, cell in zip(names, row, strict=False)}
            if line["Do"].lower() in ("yes", "ja", "y", "j", "1", "true"):
                lines[title].append((f"{path.name}, {title}, row {number}", line))
    return lines


def _text(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))  # a number that a spreadsheet made of digits
    return str(cell).strip()
