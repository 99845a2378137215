"""A drop folder of CSV and XLSX files, landed through mapping files.

Every night the whole folder is read again; what equals the newest landed version is not appended.
- Where files overlap, the one whose content came last wins (by name where they came in the same night).
- A corrected file (same name, other content) replaces its rows: those that it no longer has become tombstones, unless
  another file in the folder has them. A row that it still has but that is now refused keeps its last good version.
- The same content under another name changes nothing, and a correction under the new name replaces the old rows.
- A file that vanished keeps its rows: people tidy folders, and moving a file away is no statement about its deals.
  To delete rows, drop the file again without them.
- An unreadable file leaves its rows as they are; its object is reported as failed, the other files load.
- A file that no mapping wants is reported (`raw.quarantine`, object `files`); only lock and hidden files are not.
- A version is as old as its file (the modification stamp), so that what was saved before a night counts in it.
- Who was erased stays so, although the sheet still has them: a file's name and what is said of it are without them too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from ingestion import sheet_ledger as ledger
from ingestion import suppression
from ingestion.landing import Batch, ObjectResult, land, record_failure
from ingestion.objects import SPREADSHEETS, RawObject
from ingestion.sheet_files import BOOK_SUFFIXES, CSV_SUFFIXES, Sheet, SheetError, content_hash, read_bytes, read_sheet
from ingestion.sheet_mapping import Mapping, MappingError, load_mappings
from ingestion.sheet_rows import Record, Refusal, find_header, read_rows
from ingestion.sheet_template import write_activity_template
from ingestion.spool import Spool

OpenConnection = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]
Clean = Callable[[str], str]  # the text without whom the list of the erased has
__all__ = ["sync_spreadsheets", "write_activity_template"]


@dataclass
class SheetRead:
    """One sheet of one file, through one mapping."""

    file: str
    sheet: str | None
    mapping: Mapping
    content: str
    saved_at: datetime
    bytes: int = 0
    rows: list[Record | Refusal] = field(default_factory=list)


@dataclass
class ObjectRead:
    """Everything that the folder has for one object. `problems`: files that could not be read, with the reason."""

    entry: RawObject
    sheets: list[SheetRead] = field(default_factory=list)
    problems: list[Refusal] = field(default_factory=list)
    problem_files: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Already:
    """Refusals that quarantine has, which are without whom the list of the erased has."""

    noted: set[ledger.Where]
    clean: Clean


def sync_spreadsheets(
    open_connection: OpenConnection, folder: Path, mappings: list[Path], run_id: str, now: datetime
) -> Iterator[ObjectResult]:
    """Land the folder; one result per object, and one for `files` where a file was wanted by no mapping.

    A mapping file that cannot be used or a folder that is not there fails every object: nothing is guessed.
    """
    try:
        usable = load_mappings(mappings)
        names = _dropped(folder)
    except (MappingError, OSError) as error:
        yield from _fail_all(open_connection, str(error), run_id, now)
        return
    with open_connection() as connection:
        erased = suppression.of(connection)
    clean: Clean = erased.scrubbed if erased else str
    reads, unmatched = _read_folder(names, usable, clean)
    for read in reads:
        with TemporaryDirectory() as scratch, open_connection() as connection:
            yield _land(connection, read, Spool(Path(scratch) / read.entry.name), run_id, now, clean)
    if unmatched:
        with open_connection() as connection:
            yield ledger.report_unmatched(connection, unmatched, run_id, now)


def _fail_all(open_connection: OpenConnection, reason: str, run_id: str, now: datetime) -> Iterator[ObjectResult]:
    with open_connection() as connection:
        for entry in SPREADSHEETS:
            record_failure(connection, entry.source, entry.name, "failed", reason, run_id, now)
    for entry in SPREADSHEETS:
        yield ObjectResult(source=entry.source, object=entry.name, state="failed", reason=reason)


def _dropped(folder: Path) -> list[Path]:
    if not Path(folder).is_dir():
        raise NotADirectoryError(f"the drop folder {folder} does not exist; create it or correct the setting `folder`")
    return sorted(p for p in Path(folder).iterdir() if p.is_file() and not p.name.startswith((".", "~$")))


def _read_folder(
    paths: list[Path], mappings: list[Mapping], clean: Clean
) -> tuple[list[ObjectRead], list[ledger.Unmatched]]:
    reads = {entry.name: ObjectRead(entry) for entry in SPREADSHEETS}
    unmatched = []
    for path in paths:
        wanted: dict[str, list[Mapping]] = {}
        for mapping in mappings:
            if mapping.matches(path.name) >= 0:
                wanted.setdefault(mapping.object, []).append(mapping)
        if not wanted:
            unmatched.append(ledger.Unmatched(clean(path.name), _why_unmatched(path)))
        for name, candidates in wanted.items():
            _read_file(path, candidates, reads[name], clean)
    return list(reads.values()), unmatched


def _why_unmatched(path: Path) -> str:
    if path.suffix.lower() not in CSV_SUFFIXES + BOOK_SUFFIXES:
        return f"only {', '.join(CSV_SUFFIXES + BOOK_SUFFIXES)} are read; save it as one of them or move it away"
    return "no mapping has a glob for this file name; add one under `files`, or move the file away"


def _read_file(path: Path, candidates: list[Mapping], read: ObjectRead, clean: Clean) -> None:
    """One file for one object: each sheet that the mappings ask for is read once, by the mapping that fits best."""
    started, name = time.perf_counter(), clean(path.name)
    try:
        body = read_bytes(path)
        for wanted in dict.fromkeys(mapping.sheet for mapping in candidates):
            sheet = read_sheet(body, path.suffix, wanted)
            mapping = _best(sheet, [m for m in candidates if m.sheet == wanted], path.name)
            rows = list(read_rows(sheet, mapping))
            content, saved_at = content_hash(body), datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
            title = clean(sheet.name) if sheet.name else None
            read.sheets.append(SheetRead(name, title, mapping, content, saved_at, len(body), rows))
    except (SheetError, OSError) as error:
        read.problem_files.append(name)
        read.problems.append(Refusal(0, None, name, clean(str(error))))
    read.seconds += time.perf_counter() - started


def _best(sheet: Sheet, candidates: list[Mapping], name: str) -> Mapping:
    """The mapping that finds most columns; of equals the one with the closest glob. Raises SheetError on a tie."""
    fitting: list[tuple[tuple[int, int], Mapping]] = []
    problem = SheetError("no mapping fits")
    for mapping in sorted(candidates, key=lambda mapping: mapping.matches(name)):
        try:
            fitting.append(((len(find_header(sheet, mapping).places), mapping.matches(name)), mapping))
        except SheetError as error:
            problem = error  # the closest glob's word is the last
    if not fitting:
        raise problem
    best = max(score for score, _ in fitting)
    tied = [mapping for score, mapping in fitting if score == best]
    if len(tied) > 1:
        names = " and ".join(mapping.name for mapping in tied)
        raise SheetError(f"mappings {names} fit equally well; make the glob of one of them closer")
    return tied[0]


def _land(
    connection: duckdb.DuckDBPyConnection, read: ObjectRead, spool: Spool, run_id: str, now: datetime, clean: Clean
) -> ObjectResult:
    known = ledger.note_files(
        connection,
        [ledger.SheetFile(s.file, s.sheet, s.mapping.version, s.content, len(s.rows)) for s in read.sheets],
        now,
    )
    already = Already(ledger.known_refusals(connection, read.entry), clean)
    stamps = ledger.newest_stamps(connection, read.entry)
    _fill(spool, read, known.order, already, lambda record_id, saved: _stamp(saved, stamps.get(record_id), now))
    last_saved = max((sheet.saved_at for sheet in read.sheets), default=now)
    for record_id, payload in ledger.vanished_rows(connection, read.entry, known.lineage, _living(read)):
        stamp = _stamp(last_saved, stamps.get(record_id), now)
        spool.add_row(record_id, payload, hashed=_hashed(payload), version_at=stamp, is_deleted=True)
    failure = "; ".join(f"{p.value}: {p.reason}" for p in read.problems) or None
    batch = Batch(entry=read.entry, spool=spool, run_id=run_id, now=now, seconds=read.seconds)
    batch.bytes = sum(sheet.bytes for sheet in read.sheets)
    batch.reason = failure
    if failure:
        batch.state = "failed"
    elif not read.sheets and ledger.is_empty(connection, read.entry):
        batch.state = "empty"
    result = land(connection, batch)
    spool.remove()
    if failure:
        record_failure(connection, read.entry.source, read.entry.name, "failed", failure, run_id, now)
    return result


def _stamp(saved_at: datetime, newest: datetime | None, now: datetime) -> datetime:
    """When the version began: when its file was saved, unless that contradicts the record's own order or the clock."""
    return saved_at if saved_at <= now and (newest is None or saved_at > newest) else now


def _living(read: ObjectRead) -> set[str]:
    """Ids that some file in the folder has, refused rows included: a typing error is no deletion."""
    return {row.record_id for sheet in read.sheets for row in sheet.rows if row.record_id is not None}


def _fill(
    spool: Spool,
    read: ObjectRead,
    order: dict[tuple[str, str | None], datetime],
    already: Already,
    stamp: Callable[[str, datetime], datetime],
) -> None:
    """Winning rows and new refusals into the spool; every other row counts as read and unchanged."""
    winners: dict[str, tuple[SheetRead, Record]] = {}
    for sheet in sorted(read.sheets, key=lambda s: (order[s.file, s.sheet], s.file, s.sheet or "")):
        own: dict[str, Record] = {}
        for row in sheet.rows:
            if isinstance(row, Record) and (twin := own.get(row.record_id)) is not None and twin.fields != row.fields:
                row = _contradiction(row, twin, sheet.mapping)
            if isinstance(row, Refusal):
                _refuse(spool, sheet, row, already)
            elif row.record_id in own:
                spool.rows_read += 1
            else:
                own[row.record_id] = row
        spool.rows_read += sum(record_id in winners for record_id in own)
        winners |= {record_id: (sheet, row) for record_id, row in own.items()}
    for record_id, (sheet, row) in winners.items():
        payload = _payload(sheet, row)
        spool.add_row(record_id, payload, hashed=_hashed(payload), version_at=stamp(record_id, sheet.saved_at))
    for problem in read.problems:
        where = {"file": problem.value, "sheet": None, "row_number": None, "column_name": None, "value": None}
        _note(spool, where | {"reason": problem.reason}, already)


def _contradiction(row: Record, twin: Record, mapping: Mapping) -> Refusal:
    column = mapping.id_field or ", ".join(mapping.key)
    other = next(name for name in row.fields if row.fields[name] != twin.fields.get(name))
    reason = f"row {twin.row} has the same key and another {other}; keep one of them"
    return Refusal(row.row, column, row.fields.get(mapping.id_field or "") or row.record_id, reason, row.record_id)


def _refuse(spool: Spool, sheet: SheetRead, row: Refusal, already: Already) -> None:
    where = {"file": sheet.file, "sheet": sheet.sheet, "row_number": row.row, "column_name": row.column}
    _note(spool, where | {"value": row.value, "record_id": row.record_id, "reason": row.reason}, already)


def _note(spool: Spool, where: dict[str, Any], already: Already) -> None:
    """A refusal that an unchanged file gave before is not put in quarantine once more."""
    where = {name: already.clean(value) if isinstance(value, str) else value for name, value in where.items()}
    if tuple(where.get(name) for name in ledger.COORDINATES) in already.noted:
        spool.rows_read += 1
    else:
        spool.refuse(**where)


def _payload(sheet: SheetRead, row: Record) -> dict[str, Any]:
    return {
        "cells": row.cells,
        "fields": row.fields,
        "corrected": row.corrected,
        "file": sheet.file,
        "sheet": sheet.sheet,
        "row": row.row,
    }


def _hashed(payload: dict[str, Any]) -> dict[str, Any]:
    """What makes a new version: not where the row stands."""
    return {key: payload.get(key) for key in ("cells", "fields", "corrected")}
