"""Writing back to the CRM: a plan that a person reads and edits, applied only when asked, and taken back when asked.

Only empty fields are filled, with values from outside the CRM, and the record says where they came from. What a person
has typed, before or since, stays. Every write is in the undo file before it is sent.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ingestion.session import CredentialsError, SourceError, TransientSourceError
from salesops import workbook
from salesops.config import ConfigError, Settings
from salesops.publication import reading
from salesops.workbook import Column

FIELDS, TASKS = "Fields", "Merge tasks"
DUE = timedelta(days=7)  # from the day on which a task is made
SHOWN = 20  # reasons that are told one by one

# over kpi.enrichment_worklist
_FIELD_COLUMNS = (
    Column("Do", 6, "'yes'", is_to_fill=True, choices=("yes", "no")),
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


@dataclass
class Outcome:
    """What became of each line: counts by word, and what a person should look at."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def count(self, what: str, problem: str = "") -> None:
        self.counts[what] += 1
        if problem:
            self.problems.append(problem)

    def text(self) -> str:
        lines = [f"{number} {what}" for what, number in sorted(self.counts.items())] or ["nothing to do"]
        lines += self.problems[:SHOWN]
        if len(self.problems) > SHOWN:
            lines.append(f"... and {len(self.problems) - SHOWN} more")
        return "\n".join(lines)


@dataclass(frozen=True)
class Fill:
    """One value for one empty field. `place`: where the plan says it."""

    place: str
    record_id: str
    property: str
    value: str
    said_by: str


@dataclass(frozen=True)
class Plan:
    """A plan that was written: its workbook, how many lines it has, and what it leaves out."""

    path: Path
    field_count: int
    task_count: int
    left_out: list[str]


def write_plan(published: Path, settings: Settings, to: Path | None = None) -> Plan:
    """Write what a publication proposes as a workbook. An existing file is replaced."""
    properties = settings.writeback.hubspot.properties
    with reading(published) as marts:
        ((day,),) = marts.execute(workbook.AS_OF_DAY).fetchall()
        fields = marts.execute(
            f"select {workbook.select(_FIELD_COLUMNS)} from kpi.enrichment_worklist order by place"
        ).fetchall()
        tasks = marts.execute(
            f"select {workbook.select(_TASK_COLUMNS)} from kpi.duplicate_worklist where action = 'merge' order by place"
        ).fetchall()
    kept = [row for row in fields if row[1] == "hubspot" and properties.get(row[3])]
    others = Counter(f"{row[1]} {row[3]}" for row in fields if row not in kept)
    left_out = [f"{number} values for {what}: there is no property to write them to" for what, number in others.items()]
    tasks = [row for row in tasks if row[1] == "hubspot"]
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


def apply(
    settings: Settings, writer: Any, plan: Path, undo: Path, say: Callable[[str], None], now: datetime
) -> Outcome:
    """Do what the plan says, writing the undo file as it goes. Raises PlanError before anything is sent.

    `writer`: a HubSpotWriter. `now`: UTC; dates the mark, and tasks are due a week after it.
    """
    lines, outcome = read_plan(plan), Outcome()
    fills = list(_checked_fills(lines[FIELDS], settings, outcome))
    mark = settings.writeback.hubspot.mark_property
    if fills:
        lacking = sorted(({fill.property for fill in fills} | {mark}) - writer.writable("companies"))
        if lacking:
            raise PlanError(
                f"HubSpot's companies have no property {', '.join(lacking)} that can be written. Create it in HubSpot "
                "(Settings, Properties, Company properties; multi-line text for the mark) or change [writeback.hubspot]"
            )
    with _UndoFile(undo) as journal:
        _fill_all(fills, mark, writer, journal, outcome, now)
        _create_tasks(lines[TASKS], writer, journal, outcome, now)
    say(outcome.text())
    return outcome


def _checked_fills(lines: list[tuple[str, dict[str, str]]], settings: Settings, outcome: Outcome) -> Iterator[Fill]:
    properties = settings.writeback.hubspot.properties
    seen: set[tuple[str, str]] = set()
    for place, line in lines:
        source, kind, record_id = (line["Record"].split(":") + ["", ""])[:3]
        if source != "hubspot" or kind != "company" or not record_id.isdigit():
            outcome.count("refused", f"{place}: Record is {line['Record']!r}; expected hubspot:company:<number>")
        elif not properties.get(line["Field"]):
            outcome.count("refused", f"{place}: no property is configured for the field {line['Field']!r}")
        elif not line["New value"]:
            outcome.count("refused", f"{place}: New value is empty; write no into Do to leave the field alone")
        elif line["Field"] in ("employees", "revenue") and not _is_number(line["New value"]):
            outcome.count(
                "refused", f"{place}: {line['Field']} must be a number such as 1200, not {line['New value']!r}"
            )
        elif (record_id, line["Field"]) in seen:
            outcome.count("refused", f"{place}: the field is in the plan twice; the first line counts")
        else:
            seen.add((record_id, line["Field"]))
            yield Fill(place, record_id, properties[line["Field"]], line["New value"], line["From"])


def _is_number(text: str) -> bool:
    try:
        return float(text) >= 0
    except ValueError:
        return False


def _fill_all(fills: list[Fill], mark: str, writer: Any, journal: _UndoFile, outcome: Outcome, now: datetime) -> None:
    by_record: dict[str, list[Fill]] = {}
    for fill in fills:
        by_record.setdefault(fill.record_id, []).append(fill)
    ids = list(by_record)
    for first in range(0, len(ids), 100):  # read just before it is written: a person may be typing
        part = ids[first : first + 100]
        today = writer.current("companies", part, {fill.property for fill in fills} | {mark})
        for record_id in part:
            _fill_one(by_record[record_id], today.get(record_id), mark, writer, journal, outcome, now)


def _fill_one(
    fills: list[Fill],
    today: Mapping[str, str] | None,
    mark: str,
    writer: Any,
    journal: _UndoFile,
    outcome: Outcome,
    now: datetime,
) -> None:
    record_id = fills[0].record_id
    if today is None:
        outcome.count("no longer in the CRM", f"{fills[0].place}: the company {record_id} is not in HubSpot any more")
        return
    empty = []
    for fill in fills:
        if today[fill.property] == "":
            empty.append(fill)
        elif today[fill.property] == fill.value:
            outcome.count("already there")
        else:
            outcome.count("filled by a person meanwhile, kept")
    if not empty:
        return
    notes = [f"{fill.property}: {fill.said_by}, {now:%Y-%m-%d}" for fill in empty]
    values = {fill.property: fill.value for fill in empty}
    marked = "\n".join(([today[mark]] if today[mark] else []) + notes)
    key = {"crm": "hubspot", "object": "companies", "id": record_id, "mark": mark, "notes": notes, "values": values}
    journal.add("intended", key)
    try:
        writer.fill("companies", record_id, values | {mark: marked})
    except CredentialsError:
        raise
    except SourceError as error:
        state = "not known" if isinstance(error, TransientSourceError) else "refused by the CRM"
        for fill in empty:
            outcome.count(state, f"{fill.place}: {error}")
        return
    journal.add("done", key)
    outcome.counts["filled"] += len(empty)


def _create_tasks(
    lines: list[tuple[str, dict[str, str]]], writer: Any, journal: _UndoFile, outcome: Outcome, now: datetime
) -> None:
    for place, line in lines:
        ends = [(line[name].split(":") + ["", ""])[:3] for name in ("Record", "Other record")]
        kinds = {kind for _, kind, _ in ends}
        if any(source != "hubspot" or not id.isdigit() for source, _, id in ends) or kinds not in (
            {"contact"},
            {"company"},
        ):
            outcome.count("refused", f"{place}: expected two records of one kind, such as hubspot:contact:<number>")
            continue
        name = "contacts" if kinds == {"contact"} else "companies"
        (_, _, folded), (_, _, survivor) = ends
        subject = f"Merge duplicate {name}: {folded} into {survivor}"
        try:
            today = writer.current(name, [folded, survivor], ["hubspot_owner_id"])
            if len(today) < 2:
                outcome.count("no longer in the CRM", f"{place}: one of the two records is not in HubSpot any more")
                continue
            if writer.task_named(subject):
                outcome.count("already there")
                continue
            owner = today[survivor]["hubspot_owner_id"] or today[folded]["hubspot_owner_id"]
            key = {"crm": "hubspot", "object": "tasks", "subject": subject}
            journal.add("intended", key)
            why = line.get("Why they may be one") or "proposed by salesops-warehouse"
            text = f"Why: {why}. Check both before you merge."
            task_id = writer.create_task(subject, text, now + DUE, owner, [(name, folded), (name, survivor)])
            journal.add("done", key | {"id": task_id})
            outcome.count("tasks created")
        except CredentialsError:
            raise
        except SourceError as error:
            outcome.count(
                "not known" if isinstance(error, TransientSourceError) else "refused by the CRM", f"{place}: {error}"
            )


def undo(writer: Any, journal: Path, say: Callable[[str], None]) -> Outcome:
    """Take back what an undo file says was written: only where it is still as we left it. Raises PlanError."""
    outcome = Outcome()
    for entry in _newest_entries(journal):
        try:
            if entry["object"] == "tasks":
                _undo_task(entry, writer, outcome)
            else:
                _undo_fill(entry, writer, outcome)
        except CredentialsError:
            raise
        except SourceError as error:
            outcome.count("not taken back", f"{entry.get('id') or entry.get('subject')}: {error}")
    say(outcome.text())
    return outcome


def _undo_fill(entry: dict[str, Any], writer: Any, outcome: Outcome) -> None:
    values, mark = entry["values"], entry["mark"]
    today = writer.current("companies", [entry["id"]], [*values, mark]).get(entry["id"])
    if today is None:
        outcome.count("no longer in the CRM")
        return
    ours = {name for name, value in values.items() if today[name] == value}
    if changed := len(values) - len(ours):
        outcome.counts["changed since, kept"] += changed
    if not ours:
        return
    gone = {note for note in entry["notes"] if note.split(":")[0] in ours}
    marked = "\n".join(line for line in today[mark].splitlines() if line not in gone)
    writer.fill("companies", entry["id"], dict.fromkeys(sorted(ours), "") | {mark: marked})
    outcome.counts["emptied again"] += len(ours)


def _undo_task(entry: dict[str, Any], writer: Any, outcome: Outcome) -> None:
    task_id = entry.get("id") or writer.task_named(entry["subject"])
    today = writer.current("tasks", [task_id], ["hs_task_status"]).get(task_id) if task_id else None
    if today is None:
        outcome.count("no longer in the CRM")
    elif today["hs_task_status"] != "NOT_STARTED":
        outcome.count("changed since, kept")
    else:
        writer.remove_task(task_id)
        outcome.count("tasks removed")


class _UndoFile:
    """One JSON object a line, on disk before the write that it tells of. Readable by its owner only."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> _UndoFile:
        try:
            descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            raise PlanError(f"{self.path} is there already: it belongs to an earlier run; name another") from None
        except OSError as error:
            raise PlanError(
                f"{self.path}: the undo file cannot be written ({error.strerror}); nothing was sent"
            ) from None
        self._file = os.fdopen(descriptor, "w", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, state: str, entry: Mapping[str, Any]) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        self._file.write(json.dumps({"state": state, "at": at} | dict(entry), ensure_ascii=False) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _newest_entries(path: Path) -> list[dict[str, Any]]:
    """One entry for each record or task, newest first; what was intended and never confirmed may have been written."""
    entries: dict[tuple[str, str], dict[str, Any]] = {}
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{path}: not readable ({type(error).__name__})") from None
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            entry = json.loads(line)
            key = (entry["object"], entry.get("subject") or entry["id"])
        except (ValueError, KeyError, TypeError):
            if number == len(content.splitlines()) and not content.endswith("\n"):
                break  # the run was killed while it wrote this line: nothing was sent for it
            raise PlanError(f"{path}, line {number}: not a line of an undo file") from None
        entries[key] = entry
    return list(reversed(entries.values()))


def opened_writer(settings: Settings, environ: Mapping[str, str]) -> Any:
    """The CRM to write to. Raises ConfigError unless the company has opted in."""
    from ingestion.hubspot_writer import HubSpotWriter
    from salesops import config

    if settings.is_practice:
        raise ConfigError("the practice company's CRM runs during the night only: configure a source to write back to")
    if not settings.writeback.enabled:
        raise ConfigError("writing to the CRM is off: set `enabled = true` under [writeback] in salesops.toml")
    if not settings.sources.hubspot.enabled:
        raise ConfigError("only HubSpot can be written to so far, and [sources.hubspot] is not enabled")
    return HubSpotWriter(config.hubspot_token(environ), settings.sources.hubspot.base_url)
