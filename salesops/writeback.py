"""Writing back to the CRMs: a plan that a person reads and edits, applied only when asked, and taken back when asked.

Only empty fields are filled, with values from outside the CRM, and the record says where they came from. What a person
has typed, before or since, stays. Every write is in the undo file before it is sent.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ingestion.session import BudgetError, CredentialsError, SourceError, TransientSourceError
from ingestion.writing import CrmWriter
from salesops.config import ConfigError, Settings
from salesops.writeback_plan import FIELDS, TASKS, PlanError, read_plan
from salesops.writeback_undo import UndoFile, newest_entries

DUE = timedelta(days=7)  # from the day on which a task is made
SHOWN = 20  # reasons that are told one by one
READ_AT_ONCE = 100  # records looked at together, just before they are written: a person may be typing
KINDS = {"company": "companies", "contact": "contacts"}

Writers = Mapping[str, CrmWriter]  # CRM -> its writer


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
    crm: str
    record_id: str
    property: str
    value: str
    said_by: str


@dataclass(frozen=True)
class Task:
    """A merge proposal for the owner of two records of one kind."""

    place: str
    crm: str
    kind: str
    folded: str
    survivor: str
    why: str

    @property
    def about(self) -> list[tuple[str, str]]:
        return [(self.kind, self.folded), (self.kind, self.survivor)]


def apply(
    settings: Settings, writers: Writers, plan: Path, undo: Path, say: Callable[[str], None], now: datetime
) -> Outcome:
    """Do what the plan says, writing the undo file as it goes. Raises PlanError before anything is sent.

    `now`: UTC; dates the mark, and tasks are due a week after it.
    """
    lines, outcome = read_plan(plan), Outcome()
    fills = list(_checked_fills(lines[FIELDS], settings, writers, outcome))
    tasks = list(_checked_tasks(lines[TASKS], writers, outcome))
    fills = [fit for crm in writers for fit in _fitting([f for f in fills if f.crm == crm], settings, writers, outcome)]
    with UndoFile(undo) as journal:
        for crm, writer in writers.items():
            run = _Run(crm, writer, settings.writeback.mark(crm), journal, outcome, now)
            run.do([fill for fill in fills if fill.crm == crm], [task for task in tasks if task.crm == crm])
    say(outcome.text())
    return outcome


def _checked_fills(
    lines: list[tuple[str, dict[str, str]]], settings: Settings, writers: Writers, outcome: Outcome
) -> Iterator[Fill]:
    seen: set[tuple[str, str, str]] = set()
    for place, line in lines:
        crm, kind, record_id = _parts(line["Record"])
        target = settings.writeback.properties(crm).get(line["Field"])
        if reason := _not_a_record(crm, record_id, writers) or ("" if kind == "company" else "no company"):
            outcome.count("refused", f"{place}: Record is {line['Record']!r}: {reason}")
        elif not target:
            outcome.count("refused", f"{place}: no property is configured for the field {line['Field']!r}")
        elif not line["New value"]:
            outcome.count("refused", f"{place}: New value is empty; write no into Do to leave the field alone")
        elif line["Field"] in ("employees", "revenue") and not _number(line["New value"]) >= 0:
            outcome.count(
                "refused", f"{place}: {line['Field']} must be a number such as 1200, not {line['New value']!r}"
            )
        elif (crm, record_id, line["Field"]) in seen:
            outcome.count("refused", f"{place}: the field is in the plan twice; the first line counts")
        else:
            seen.add((crm, record_id, line["Field"]))
            yield Fill(place, crm, record_id, target, line["New value"], line["From"])


def _checked_tasks(lines: list[tuple[str, dict[str, str]]], writers: Writers, outcome: Outcome) -> Iterator[Task]:
    for place, line in lines:
        (crm, kind, folded), (other_crm, other_kind, survivor) = _parts(line["Record"]), _parts(line["Other record"])
        reason = _not_a_record(crm, folded, writers) or _not_a_record(other_crm, survivor, writers)
        if reason or crm != other_crm or kind != other_kind or kind not in KINDS or folded == survivor:
            more = f": {reason}" if reason else ""
            outcome.count(
                "refused", f"{place}: expected two records of one kind, such as hubspot:contact:<number>{more}"
            )
        else:
            why = line.get("Why they may be one") or "proposed by salesops-warehouse"
            yield Task(place, crm, KINDS[kind], folded, survivor, why)


def _parts(key: str) -> tuple[str, str, str]:
    """CRM, kind and id of a record's key."""
    source, kind, record_id = (key.split(":", 2) + ["", ""])[:3]
    return source, kind, record_id


def _not_a_record(crm: str, record_id: str, writers: Writers) -> str:
    """Why this cannot be a record to write to; "" where it can."""
    if crm not in writers:
        return f"expected one of {', '.join(writers)}, the CRMs that are enabled, before the first colon"
    return "" if writers[crm].id_form.fullmatch(record_id) else f"expected {crm}:company:<id of {writers[crm].label}>"


def _number(text: str) -> float:
    """What the text is worth; NaN, which equals nothing, where it is no number."""
    try:
        return float(text) if math.isfinite(float(text)) else math.nan
    except ValueError:
        return math.nan


def _is_same(left: str, right: str) -> bool:
    """The same text, or the same number however it is spelt."""
    return left == right or _number(left) == _number(right)


def _fitting(fills: list[Fill], settings: Settings, writers: Writers, outcome: Outcome) -> Iterator[Fill]:
    """The fills of one CRM, each value as its field takes it. Raises PlanError where a field is missing."""
    if not fills:
        return
    crm = fills[0].crm
    writer, mark = writers[crm], settings.writeback.mark(crm)
    writable = writer.writable("companies")
    if lacking := sorted(({fill.property for fill in fills} | {mark}) - writable.keys()):
        raise PlanError(
            f"{writer.label}'s companies have no property {', '.join(lacking)} that can be written. Create it there "
            f"({writer.how_to_add}) or change [writeback.{crm}]; nothing was sent"
        )
    for fill in fills:
        choices = writable[fill.property]
        if choices is None:
            yield fill
        elif found := choices.get(fill.value.lower()):
            yield Fill(fill.place, crm, fill.record_id, fill.property, found, fill.said_by)
        else:
            some = ", ".join(sorted(set(choices.values()))[:5])
            outcome.count("refused", f"{fill.place}: {fill.property} takes a choice such as {some}, not {fill.value!r}")


class _Run:
    """What is sent to one CRM."""

    def __init__(self, crm: str, writer: CrmWriter, mark: str, journal: UndoFile, outcome: Outcome, now: datetime):
        self.crm, self.writer, self.mark = crm, writer, mark
        self.journal, self.outcome, self.now = journal, outcome, now

    def do(self, fills: list[Fill], tasks: list[Task]) -> None:
        """Fill, then make tasks; where the vendor's day is used up the rest waits and is counted."""
        waiting = len(fills) + len(tasks)
        try:
            for some in self._looked_at(fills):
                waiting -= len(some)
            for task in tasks:
                self._create(task)
                waiting -= 1
        except BudgetError as error:
            self.outcome.counts["not sent"] += waiting
            self.outcome.problems.append(f"{self.writer.label}: {error}; apply the same plan again tomorrow")

    def _looked_at(self, fills: list[Fill]) -> Iterator[list[Fill]]:
        """Fill record by record; yields the lines of each that is done with."""
        by_record: dict[str, list[Fill]] = {}
        for fill in fills:
            by_record.setdefault(fill.record_id, []).append(fill)
        ids, names = list(by_record), {fill.property for fill in fills} | {self.mark}
        for first in range(0, len(ids), READ_AT_ONCE):
            part = ids[first : first + READ_AT_ONCE]
            today = self.writer.current("companies", part, names)
            for record_id in part:
                self._fill(by_record[record_id], today.get(record_id))
                yield by_record[record_id]

    def _fill(self, fills: list[Fill], today: Mapping[str, str] | None) -> None:
        record_id, place = fills[0].record_id, fills[0].place
        if today is None:
            gone = f"{place}: the company {record_id} is not in {self.writer.label} any more"
            self.outcome.count("no longer in the CRM", gone)
            return
        empty = []
        for fill in fills:
            if today[fill.property] == "":
                empty.append(fill)
            elif _is_same(today[fill.property], fill.value):
                self.outcome.count("already there")
            else:
                self.outcome.count("filled by a person meanwhile, kept")
        if not empty:
            return
        notes = [f"{fill.property}: {fill.said_by}, {self.now:%Y-%m-%d}" for fill in empty]
        values = {fill.property: fill.value for fill in empty}
        marked = "\n".join(([today[self.mark]] if today[self.mark] else []) + notes)
        key = {"crm": self.crm, "object": "companies", "id": record_id, "mark": self.mark}
        entry = key | {"notes": notes, "values": values}
        self.journal.add("intended", entry)
        try:
            self.writer.fill("companies", record_id, values | {self.mark: marked})
        except (CredentialsError, BudgetError):
            raise
        except SourceError as error:
            for fill in empty:
                self.outcome.count(_state_of(error), f"{fill.place}: {error}")
            return
        self.journal.add("done", entry)
        self.outcome.counts["filled"] += len(empty)

    def _create(self, task: Task) -> None:
        subject = f"Merge duplicate {task.kind}: {task.folded} into {task.survivor}"
        try:
            owners = self.writer.owners(task.kind, [task.folded, task.survivor])
            if len(owners) < 2:
                gone = f"{task.place}: one of the two records is not in {self.writer.label} any more"
                self.outcome.count("no longer in the CRM", gone)
                return
            if self.writer.task_named(subject, task.about):
                self.outcome.count("already there")
                return
            owner = owners[task.survivor] or owners[task.folded]
            entry = {"crm": self.crm, "object": "tasks", "subject": subject, "about": task.about}
            self.journal.add("intended", entry)
            text = f"Why: {task.why}. Check both before you merge."
            task_id = self.writer.create_task(subject, text, self.now + DUE, owner, task.about)
            self.journal.add("done", entry | {"id": task_id})
            self.outcome.count("tasks created")
        except (CredentialsError, BudgetError):
            raise
        except SourceError as error:
            self.outcome.count(_state_of(error), f"{task.place}: {error}")


def _state_of(error: SourceError) -> str:
    return "not known" if isinstance(error, TransientSourceError) else "refused by the CRM"


def undo(writers: Writers, journal: Path, say: Callable[[str], None]) -> Outcome:
    """Take back what an undo file says was written: only where it is still as we left it. Raises PlanError."""
    outcome, entries = Outcome(), newest_entries(journal)
    if others := sorted({str(entry.get("crm")) for entry in entries} - writers.keys()):
        raise PlanError(f"{journal}: it is of {', '.join(others)} too, which is not enabled; nothing was taken back")
    for entry in entries:
        writer = writers[entry["crm"]]
        try:
            if entry["object"] == "tasks":
                _undo_task(entry, writer, outcome)
            else:
                _undo_fill(entry, writer, outcome)
        except CredentialsError:
            raise
        except SourceError as error:
            outcome.count("not taken back", f"{entry.get('id') or entry.get('subject')}: {error}")
            if isinstance(error, BudgetError):
                break  # the same file can be taken back again tomorrow
    say(outcome.text())
    return outcome


def _undo_fill(entry: dict[str, Any], writer: CrmWriter, outcome: Outcome) -> None:
    values, mark = entry["values"], entry["mark"]
    today = writer.current("companies", [entry["id"]], [*values, mark]).get(entry["id"])
    if today is None:
        outcome.count("no longer in the CRM")
        return
    ours = {name for name, value in values.items() if _is_same(today[name], value)}
    if changed := len(values) - len(ours):
        outcome.counts["changed since, kept"] += changed
    if not ours:
        return
    gone = {note for note in entry["notes"] if any(note.startswith(f"{name}: ") for name in ours)}
    marked = "\n".join(line for line in today[mark].splitlines() if line not in gone)
    writer.fill("companies", entry["id"], dict.fromkeys(sorted(ours), "") | {mark: marked})
    outcome.counts["emptied again"] += len(ours)


def _undo_task(entry: dict[str, Any], writer: CrmWriter, outcome: Outcome) -> None:
    about = [(kind, record_id) for kind, record_id in entry.get("about", [])]
    task_id = entry.get("id") or writer.task_named(entry["subject"], about)
    is_untouched = writer.is_untouched(task_id) if task_id else None
    if task_id is None or is_untouched is None:
        outcome.count("no longer in the CRM")
    elif not is_untouched:
        outcome.count("changed since, kept")
    else:
        writer.remove_task(task_id)
        outcome.count("tasks removed")


def opened_writers(settings: Settings, environ: Mapping[str, str]) -> dict[str, CrmWriter]:
    """The CRMs to write to. Raises ConfigError unless the company has opted in."""
    from ingestion.hubspot_writer import HubSpotWriter
    from ingestion.pipedrive_writer import PipedriveWriter
    from ingestion.salesforce_writer import SalesforceWriter
    from salesops import config

    if settings.is_practice:
        raise ConfigError("the practice company's CRM runs during the night only: configure a source to write back to")
    if not settings.writeback.enabled:
        raise ConfigError("writing to the CRM is off: set `enabled = true` under [writeback] in salesops.toml")
    sources, opened = settings.sources, dict[str, CrmWriter]()
    if sources.hubspot.enabled:
        opened["hubspot"] = HubSpotWriter(config.hubspot_token(environ), sources.hubspot.base_url)
    if sources.salesforce.enabled:
        org, login = sources.salesforce, config.salesforce_login(sources.salesforce, environ)
        opened["salesforce"] = SalesforceWriter(
            login, org.base_url, api_version=org.api_version, daily_share=org.daily_share
        )
    if sources.pipedrive.enabled:
        opened["pipedrive"] = PipedriveWriter(
            config.pipedrive_token(environ),
            sources.pipedrive.base_url,
            tokens_per_night=sources.pipedrive.tokens_per_night,
        )
    if not opened:
        raise ConfigError("no CRM that can be written to is enabled under [sources]")
    return opened
