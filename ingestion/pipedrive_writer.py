"""Writes to a Pipedrive account: values into organizations, and tasks. Only `salesops writeback` uses it.

Fields are known by their names: the 40-character keys of custom ones differ from account to account. The day's tokens
are shared with every other app: writing stops at the share that the reader keeps to.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from ingestion.pipedrive import ID_BATCH, opened_session
from ingestion.pipedrive_reader import TokenBudget, Walker
from ingestion.session import BudgetError, PermanentSourceError
from ingestion.writing import Choices, batches, number_of, plain

PATHS = {"companies": "organizations", "contacts": "persons"}
ENDS = {"companies": "org_id", "contacts": "person_id"}
TYPES = ("varchar", "varchar_auto", "text", "phone", "double", "int", "monetary", "enum", "date")
BUILT_IN = ("website", "linkedin", "industry", "employee_count", "annual_revenue")  # that the vendor lets write


@dataclass(frozen=True)
class OwnField:
    """A field of an organization: its key, its type, and of an enum option id -> label."""

    key: str
    type: str
    is_custom: bool
    options: Mapping[int, str]

    def shown(self, row: Mapping[str, Any]) -> str:
        held = (row.get("custom_fields") or {}).get(self.key) if self.is_custom else row.get(self.key)
        if self.type == "enum":
            return self.options.get(held, plain(held)) if isinstance(held, int) else plain(held)
        return plain(held.get("value") if isinstance(held, dict) else held)

    def typed(self, name: str, value: str, currency: str) -> Any:
        """A value in the JSON that the field takes; null empties it."""
        if value == "":
            return None
        if self.type == "enum":
            return next((key for key, label in self.options.items() if label == value), value)
        if self.type == "monetary":
            return {"value": number_of(name, value), "currency": currency}
        return number_of(name, value) if self.type in ("double", "int") else value


class PipedriveWriter:
    """An account and the credentials to change it."""

    label = "Pipedrive"
    id_form = re.compile("[0-9]+")
    how_to_add = "Company settings, Data fields, Organization; large text for the mark; no other field of that name"

    def __init__(self, token: str, base_url: str, *, tokens_per_night: int | None = None, **options: Any):
        self.budget = TokenBudget(tokens_per_night)
        self._session = opened_session(token, base_url, self.budget, **options)
        self._once = opened_session(token, base_url, self.budget, **(options | {"attempts": 1}))
        self._walker = Walker(self._session, self.budget)

    def __repr__(self) -> str:
        return f"PipedriveWriter({self._session.base_url!r})"

    def close(self) -> None:
        self._session.close()
        self._once.close()

    @cached_property
    def _fields(self) -> dict[str, OwnField]:
        """Name -> field of an organization, of those that can be written and whose name no other has."""
        found: dict[str, OwnField] = {}
        twice: set[str] = set()
        for row in self._walker.whole("/api/v2/organizationFields"):
            name, key, is_custom = str(row["field_name"]), str(row["field_code"]), bool(row.get("is_custom_field"))
            if row.get("field_type") in TYPES and (is_custom or key in BUILT_IN):
                twice |= {name} & found.keys()
                options = {option["id"]: str(option["label"]) for option in row.get("options") or []}
                found[name] = OwnField(key, str(row["field_type"]), is_custom, options)
        return {name: field for name, field in found.items() if name not in twice}

    @cached_property
    def _currency(self) -> str:
        return str(self._walker.ask("/v1/users/me", {})[1][0].get("default_currency") or "EUR")

    @cached_property
    def _active_users(self) -> set[str]:
        return {str(row["id"]) for row in self._walker.ask("/v1/users", {})[1] if row.get("active_flag")}

    def writable(self, kind: str) -> dict[str, Choices | None]:
        """Names of the fields that may be written; choices of those with options."""
        return {
            name: {label.lower(): label for label in field.options.values()} if field.type == "enum" else None
            for name, field in self._fields.items()
        }

    def current(self, kind: str, record_ids: Iterable[str], fields: Iterable[str]) -> dict[str, dict[str, str]]:
        """record id -> field -> its value today, "" where it has none. A record that is gone is not there."""
        names = sorted(set(fields))
        return {
            record_id: {name: self._fields[name].shown(row) if name in self._fields else "" for name in names}
            for record_id, row in self._rows(kind, record_ids).items()
        }

    def _rows(self, kind: str, record_ids: Iterable[str]) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        for ids in batches(record_ids, ID_BATCH):
            for _, rows in self._walker.everything(f"/api/v2/{PATHS[kind]}", {"ids": ",".join(ids)}):
                found |= {str(row["id"]): row for row in rows if not row.get("is_deleted")}
        return found

    def fill(self, kind: str, record_id: str, values: Mapping[str, str]) -> None:
        """Set fields of one record; "" empties one. Doing it again changes nothing."""
        body: dict[str, Any] = {}
        for name, value in values.items():
            field = self._fields[name]
            currency = self._currency if field.type == "monetary" and value else ""
            (body.setdefault("custom_fields", {}) if field.is_custom else body)[field.key] = field.typed(
                name, value, currency
            )
        self._allowed()
        self._session.write("PATCH", f"/api/v2/{PATHS[kind]}/{record_id}", body)

    def _allowed(self) -> None:
        if not self.budget.allows_more():
            left = f"{self.budget.left} of the day's {self.budget.total} tokens are left"
            raise BudgetError(f"{left}, and other apps and the night's reading need them: nothing more is written")

    def owners(self, kind: str, record_ids: Iterable[str]) -> dict[str, str]:
        """record id -> its owner, "" where that user is not active any more."""
        held = {record_id: plain(row.get("owner_id")) for record_id, row in self._rows(kind, record_ids).items()}
        return {record_id: owner if owner in self._active_users else "" for record_id, owner in held.items()}

    def task_named(self, subject: str, about: Iterable[tuple[str, str]]) -> str | None:
        """Id of the oldest task with this subject: the vendor finds none by name, so those of the records are read."""
        found = [
            int(row["id"])
            for kind, record_id in about
            for _, rows in self._walker.everything("/api/v2/activities", {ENDS[kind]: record_id})
            for row in rows
            if row.get("subject") == subject and not row.get("is_deleted")
        ]
        return str(min(found)) if found else None

    def create_task(
        self, subject: str, text: str, due: datetime, owner_id: str, about: Iterable[tuple[str, str]]
    ) -> str:
        """A new task on the last of the records, with all persons as participants. Sent once: it may have been made."""
        about = list(about)
        body: dict[str, Any] = {"subject": subject, "type": "task", "note": html.escape(text), "done": False}
        body["due_date"] = f"{due:%Y-%m-%d}"
        if about[-1][0] == "contacts":
            people = [int(record_id) for _, record_id in about]
            body["participants"] = [{"person_id": one, "primary": one == people[-1]} for one in people]
        else:
            body["org_id"] = int(about[-1][1])
        self._allowed()
        path = "/api/v2/activities"
        answer = self._once.write("POST", path, body | ({"owner_id": int(owner_id)} if owner_id else {}))
        if not (answer.get("data") or {}).get("id"):
            raise PermanentSourceError(f"POST {path}: the answer names no record")
        return str(answer["data"]["id"])

    def is_untouched(self, task_id: str) -> bool | None:
        row = self._walker.one(f"/api/v2/activities/{task_id}")
        return None if row is None or row.get("is_deleted") else not row.get("done")

    def remove_task(self, task_id: str) -> None:
        """Marked as deleted; the vendor keeps it 30 days."""
        self._session.write("DELETE", f"/api/v2/activities/{task_id}")
