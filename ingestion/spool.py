"""Answers on disk, as received, one page a line, between the network and the single writer.

What Python learns of a page while checking that it is whole is kept beside the bytes: which keys occur (DuckDB is
told them instead of sniffing), and which records cannot be landed. Nothing here decides what is new.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import orjson

RECORDS, HISTORIES, ROWS, TABLE = "records", "histories", "rows", "table"


@dataclass(frozen=True)
class Form:
    """How a vendor's pages spell records. `nested`: the part that holds the fields; where a record may lack it
    (`is_nested_required` False), the record's own keys are fields too and one without a value is not kept."""

    rows: str = "results"
    id: str = "id"
    nested: str = "properties"
    is_nested_required: bool = True
    stamp: str = "updatedAt"
    deleted: str = "archived"
    deleted_at: str = "archivedAt"


HUBSPOT_FORM = Form()


@dataclass
class Table:
    """Rows of flat fields, the same whether they came as JSON pages or as CSV. `columns`: field -> the vendor's type.

    `parent`: what the vendor calls the column that is `Parent` here, of rows of history.
    """

    name: str
    columns: dict[str, str]
    parent: str = ""
    rows: int = 0
    csv_header: bytes = b""


class Spool:
    """One object's answers of one run. The directory is emptied first: what a killed run left there never counts."""

    def __init__(self, directory: Path, watched: tuple[str, ...] = (), form: Form = HUBSPOT_FORM):
        self.directory = Path(directory)
        self.form = form
        self.watched = watched  # properties of which landing wants to know whether any record has one filled
        self.has_watched = False
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        self._files: dict[str, BinaryIO] = {}
        self.rows_read = 0
        self.refused: list[dict[str, Any]] = []
        self.top_keys: set[str] = set()
        self.shapes: set[tuple[str, ...]] = set()
        self.link_targets: set[str] = set()
        self.tables: dict[str, Table] = {}
        self.is_complete = False  # True: every record that is not here is gone

    def add_page(self, body: bytes, results: list[Any]) -> None:
        """A page of records in the spool's form; `results` is what `body` was checked to hold as its rows."""
        self.rows_read += len(results)
        form, nested = self.form, self.form.nested
        good = [r for r in results if type(r) is dict and r.get(form.id)]
        if form.is_nested_required:
            good = [r for r in good if type(r.get(nested)) is dict]
        if len(good) != len(results):
            kept = {id(r) for r in good}
            self.refused += [_refusal(r, form) for r in results if id(r) not in kept]
            body = orjson.dumps({form.rows: good})
        elif b'"%s":[' % form.rows.encode() not in body:  # blanks between tokens would be kept, and differ by endpoint
            body = orjson.dumps({form.rows: good})
        self.top_keys.update(*good)
        self.shapes.update([tuple(r[nested]) for r in good if r.get(nested)])
        if not self.has_watched:
            self.has_watched = any(r[nested].get(name) for name in self.watched for r in good)
        self._write(RECORDS, body)

    def add_rows_of(self, table: Table, body: bytes, count: int) -> None:
        """A page of flat records, under the form's key for them."""
        self._count(table, count)
        self._write(table.name, body)

    def add_csv_of(self, table: Table, body: bytes, count: int) -> None:
        """A page of CSV with its titles; those of later pages are dropped. ValueError where they differ."""
        header, _, rows = body.partition(b"\n")
        if table.csv_header and header != table.csv_header:
            raise ValueError(f"{table.name}: a later page has other columns")
        self._count(table, count)
        name = f"{table.name}.csv"
        if name not in self._files:
            self._files[name] = (self.directory / name).open("wb", buffering=1 << 20)
        self._files[name].write(rows if table.csv_header else body)
        table.csv_header = header

    def _count(self, table: Table, count: int) -> None:
        table.rows += count
        self.rows_read += count if table.name == TABLE else 0
        self.tables[table.name] = table

    def add_histories(self, body: bytes) -> None:
        """A page of records of which only `id` and `propertiesWithHistory` count."""
        self._write(HISTORIES, body)

    def add_links(self, target: str, asked: Iterable[str], body: bytes) -> None:
        """One v4 associations answer and the ids it was asked for: no answer for an asked id means no links."""
        self.link_targets.add(target)
        self._write(f"links_{target}", body)
        self._write(f"asked_{target}", orjson.dumps({"ids": list(asked)}))

    def add_row(
        self,
        record_id: str,
        payload: dict[str, Any],
        *,
        hashed: dict[str, Any] | None = None,
        version_at: datetime | str | None = None,
        is_deleted: bool = False,
    ) -> None:
        """One record in its final form. `hashed` is the part that makes a new version (default: all of it)."""
        self.rows_read += 1
        row = {
            "record_id": record_id,
            "version_at": version_at,
            "is_deleted": is_deleted,
            "payload": _canonical(payload),
            "hashed": _canonical(payload if hashed is None else hashed),
        }
        self._write(ROWS, orjson.dumps(row))

    def refuse(self, reason: str, **where: Any) -> None:
        """One row that cannot be landed. `where`: file, sheet, row_number, record_id, column_name, value."""
        self.rows_read += 1
        self.refused.append({"reason": reason} | where)

    def path(self, name: str) -> Path | None:
        """The file, flushed and ready to be read, or None when nothing was put in it."""
        handle = self._files.get(name)
        if handle is None:
            return None
        handle.flush()
        return Path(handle.name)

    def remove(self) -> None:
        for handle in self._files.values():
            handle.close()
        self._files = {}
        shutil.rmtree(self.directory, ignore_errors=True)

    def _write(self, name: str, body: bytes) -> None:
        if name not in self._files:
            self._files[name] = (self.directory / f"{name}.jsonl").open("wb", buffering=1 << 20)
        if b"\n" in body or b"\r" in body:  # only ever blanks between tokens: JSON escapes them inside text
            body = body.replace(b"\r", b" ").replace(b"\n", b" ")
        self._files[name].write(body + b"\n")


def _canonical(value: dict[str, Any]) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _refusal(record: Any, form: Form) -> dict[str, Any]:
    if not isinstance(record, dict):
        return {"reason": "not a record", "value": orjson.dumps(record).decode()[:500]}
    if not record.get(form.id):
        return {"reason": "no id", "column_name": form.id, "value": ",".join(sorted(record))[:500]}
    return {"reason": f"no {form.nested}", "column_name": form.nested, "record_id": str(record[form.id])}
