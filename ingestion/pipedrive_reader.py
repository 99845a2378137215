"""How Pipedrive is paged: cursors, offsets, single records, the token budget, and what a changelog says.

Network only. Every page is checked whole; a walk whose cursor the vendor has forgotten is taken up again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from ingestion.session import (
    PAGE_ATTEMPTS,
    PermanentSourceError,
    SlowSourceError,
    SourceSession,
    TransientSourceError,
)
from ingestion.spool import Form

SOURCE = "pipedrive"
FORM = Form(
    rows="data", nested="custom_fields", is_nested_required=False, stamp="update_time", deleted="is_deleted",
    deleted_at="-",
)  # fmt: skip
PAGE, SMALLEST_PAGE = 500, 20
OFFSET_OVERLAP = 20  # rows of a v1 list slide back when one before them is removed
RESETS = 3
KEPT_BACK = 0.25  # of the company's daily tokens: other apps and the rest of the day need some
# Fields of a deal whose first value is the record's own where the changelog has nothing of them.
TRACKED = (
    "stage_id", "pipeline_id", "status", "value", "currency", "owner_id", "expected_close_date", "lost_reason",
)  # fmt: skip
Page = tuple[bytes, list[Any]]


class TokenBudget:
    """What is left of the day's tokens, by the vendor's word, and how many of them a night may use."""

    def __init__(self, per_night: int | None = None):
        self.per_night = per_night
        self.total: int | None = None
        self.left: int | None = None
        self._first: int | None = None

    def watch(self, headers: Mapping[str, str]) -> None:
        """Headers of an answer; not every answer has them."""
        left, total = (headers.get(f"x-daily-ratelimit-token-{name}", "") for name in ("remaining", "limit"))
        if str(left).isdigit():
            self.left = int(left)
            self._first = self.left if self._first is None else max(self._first, self.left)
        if str(total).isdigit():
            self.total = int(total)

    def allows_more(self) -> bool:
        """Whether what can wait may still be asked for."""
        if self.left is None or self._first is None:
            return True
        is_spent = self.per_night is not None and self._first - self.left >= self.per_night
        return not is_spent and self.left > KEPT_BACK * (self.total or 0)


class Walker:
    """Walks of one object. `gaps`: what was not seen, in words; `lost`: whether a listing had holes."""

    def __init__(self, session: SourceSession, budget: TokenBudget):
        self.session, self.budget = session, budget
        self.gaps: list[str] = []
        self.lost = False

    def ask(self, path: str, params: Mapping[str, str]) -> tuple[bytes, list[Any], dict[str, Any]]:
        """One answer: its bytes, its rows (no rows may come as null, one row as an object) and what is said of it."""
        page = self.session.get(path, params, require=None)
        if page.content.get("success") is not True:
            raise PermanentSourceError(f"GET {path}: {str(page.content.get('error') or 'no success')[:200]}")
        if "data" not in page.content:
            raise PermanentSourceError(f"GET {path}: an answer without `data`")
        rows = page.content["data"]
        rows = [] if rows is None else [rows] if isinstance(rows, dict) else rows
        if not isinstance(rows, list):
            raise PermanentSourceError(f"GET {path}: `data` is no list")
        return page.body, rows, page.content.get("additional_data") or {}

    def everything(self, path: str, params: Mapping[str, str]) -> Iterator[Page]:
        """Every record of a list, by id: what changes meanwhile is met in its newer state."""
        if not path.startswith("/api/v2/"):
            yield from self._offsets(path, dict(params))
        else:
            yield from self._cursors(path, dict(params) | {"sort_by": "id", "sort_direction": "asc"})

    def changes(self, path: str, params: Mapping[str, str], *, since: datetime, until: datetime) -> Iterator[Page]:
        """What changed since, oldest change first, up to an instant fixed for all pages; what moves past it waits."""
        window = {"updated_since": _text(since)}
        if not path.startswith("/api/v2/"):
            yield from self._offsets(path, dict(params) | window)
        else:
            window["updated_until"] = _text(until, ahead=1)  # the vendor's bound is exclusive, its stamps whole seconds
            yield from self._cursors(path, dict(params) | window | {"sort_by": "update_time", "sort_direction": "asc"})

    def whole(self, path: str) -> Iterator[Any]:
        """The rows of a small list, however it is paged."""
        is_paged = path.startswith("/api/v2/")
        pages = self._cursors(path, {}) if is_paged else iter([self.ask(path, {})[:2]])
        for _, rows in pages:
            yield from rows

    def one(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """The record at `path`; None when there is none."""
        rows = self.maybe(path, params)
        return rows[0] if rows else None

    def maybe(self, path: str, params: Mapping[str, str] | None = None) -> list[Any] | None:
        """Every row at `path`; None when what it hangs on is not there any more."""
        try:
            if path.endswith("/participants"):
                return [row for _, rows in self._offsets(path, {}) for row in rows]
            if path.endswith("/changelog"):
                return [row for _, rows in self._cursors(path, {}) for row in rows]
            return self.ask(path, params or {})[1]
        except PermanentSourceError as error:
            if error.status in (404, 410):
                return None
            raise

    def _cursors(self, path: str, params: dict[str, str]) -> Iterator[Page]:
        limit, cursor, resets, last = PAGE, None, 0, None
        seen: set[str] = set()
        while True:
            asked = params | {"limit": str(limit)} | ({} if cursor is None else {"cursor": cursor})
            try:
                body, rows, more = self._filled(path, asked)
            except SlowSourceError:
                if limit <= SMALLEST_PAGE:
                    raise
                limit //= 2
                continue
            except PermanentSourceError as error:
                if cursor is None or error.status not in (400, 410) or "cursor" not in str(error).lower():
                    raise
                resets += 1
                if resets > RESETS:
                    raise TransientSourceError(f"GET {path}: the vendor forgot the cursor {resets} times") from None
                cursor, seen = None, set()  # what was read already is read again, and dropped as a repeat
                if params.get("sort_by") == "update_time" and last:
                    params = params | {"updated_since": last}
                continue
            cursor = more.get("next_cursor") or None
            if cursor in seen:
                raise PermanentSourceError(f"GET {path}: a cursor was sent twice, the listing would not end")
            yield body, rows
            if cursor is None:
                return
            if not rows:
                self._hole(path)
            seen.add(cursor)
            last = _last_stamp(rows) if rows else last

    def _filled(self, path: str, params: Mapping[str, str]) -> tuple[bytes, list[Any], dict[str, Any]]:
        """The page, asked for again while it is empty and says that more follows."""
        for attempt in range(1, PAGE_ATTEMPTS):
            body, rows, more = self.ask(path, params)
            if rows or not more.get("next_cursor"):
                return body, rows, more
            self.session.pause(attempt)
        return self.ask(path, params)

    def _offsets(self, path: str, params: dict[str, str]) -> Iterator[Page]:
        start, limit = 0, PAGE
        while True:
            try:
                body, rows, more = self.ask(path, params | {"start": str(start), "limit": str(limit)})
            except SlowSourceError:
                if limit <= SMALLEST_PAGE * 2:
                    raise
                limit //= 2
                continue
            yield body, rows
            paging = more.get("pagination") or {}
            if not paging.get("more_items_in_collection"):
                return
            if not rows:
                self._hole(path)
            following = paging.get("next_start")
            if not isinstance(following, int) or following <= start + OFFSET_OVERLAP:
                raise PermanentSourceError(f"GET {path}: a next page that does not lie ahead")
            start = following - OFFSET_OVERLAP

    def _hole(self, path: str) -> None:
        self.lost = True
        self.gaps.append(f"GET {path}: an empty page with more behind it, {PAGE_ATTEMPTS} times")


def changelog_entries(deal: Mapping[str, Any], rows: list[Any]) -> dict[str, list[dict[str, Any]]]:
    """Field -> its values, newest first, in the form that landing takes histories in.

    The vendor lists changes only. The value that a field was created with is the first change's old one, or, of a
    tracked field that never changed, the record's own.
    """
    by_field: dict[str, list[dict[str, Any]]] = {}
    first: dict[str, tuple[str, Any]] = {}
    for row in rows:
        name, at = str(row["field_key"]), str(row["time"])
        by_field.setdefault(name, []).append(_entry(row.get("new_value"), at, row.get("change_source"), row))
        if name not in first or at <= first[name][0]:
            first[name] = (at, row.get("old_value"))
    for name in TRACKED:
        if name not in first and not (name == "owner_id" and "user_id" in first):
            by_field[name], first[name] = [], ("", _own(deal, name))
    for name, entries in by_field.items():
        entries.sort(key=lambda entry: str(entry["timestamp"]), reverse=True)
        if name != "add_time":
            entries.append(_entry(first[name][1], str(deal.get("add_time")), "initial", {}))
    return by_field


def _own(deal: Mapping[str, Any], name: str) -> Any:
    """A tracked field's present value. What a deleted deal was before it was deleted shows by its closing times."""
    value = deal.get(name)
    if name == "status" and value == "deleted":
        return "won" if deal.get("won_time") else "lost" if deal.get("lost_time") else "open"
    return value


def _entry(value: Any, at: str, source: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    return {"value": _plain(value), "timestamp": at, "sourceType": source, "updatedByUserId": row.get("actor_user_id")}


def _plain(value: Any) -> str:
    """A value as the changelog spells it: whole numbers without a point, nothing as ''."""
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return str(int(value))
    if isinstance(value, dict | list):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return "" if value is None else str(value)


def participants_page(deals: list[dict[str, Any]]) -> bytes:
    """Deals and the persons that take part in them, in the form that landing takes links in."""
    return orjson.dumps({
        "results": [
            {"from": {"id": deal["id"]}, "to": [{"toObjectId": str(person)} for person in _persons(deal["rows"])]}
            for deal in deals
        ]
    })  # fmt: skip


def _persons(rows: list[Any]) -> list[Any]:
    """Ids of persons; v1 sends an object where v2 sends a number."""
    found = (row.get("person_id") if isinstance(row, dict) else None for row in rows)
    ids = (held.get("value") if isinstance(held, dict) else held for held in found)
    return [held for held in ids if held is not None]


def _last_stamp(rows: list[Any]) -> str | None:
    last = rows[-1].get("update_time") if isinstance(rows[-1], dict) else None
    return str(last) if last else None


def _text(instant: datetime, ahead: int = 0) -> str:
    """RFC 3339 to the second, as the vendor takes it."""
    seconds = int(instant.timestamp()) + ahead
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}Z"
