"""Writes to a Salesforce org: values into accounts, and tasks. Only `salesops writeback --apply` and `--undo` use it.

A session that expires is renewed and the request sent again; the share of the org's daily requests is the reader's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ingestion.salesforce import API_VERSION
from ingestion.salesforce_client import Login, OrgClient
from ingestion.session import PermanentSourceError
from ingestion.writing import Choices, batches, number_of, plain

SOBJECTS = {"companies": "Account", "contacts": "Contact"}
READ_AT_ONCE = 100
NUMBERS = ("int", "double", "currency", "percent", "long")
NOT_STARTED = "Not Started"


class SalesforceWriter:
    """An org and the credentials to change it."""

    label = "Salesforce"
    id_form = re.compile("[0-9A-Za-z]{15}([0-9A-Za-z]{3})?")
    how_to_add = (
        "Setup, Object Manager, Account, Fields & Relationships; long text area for the mark; let the app edit it"
    )

    def __init__(
        self, login: Login, base_url: str, *, api_version: str = API_VERSION, daily_share: float = 0.8, **options: Any
    ):
        self._client = OrgClient(base_url, login, api_version, daily_share, **options)
        self._once = OrgClient(base_url, login, api_version, daily_share, **(options | {"attempts": 1}))
        self._once.budget = self._client.budget
        self._types: dict[str, dict[str, str]] = {}

    def __repr__(self) -> str:
        return f"SalesforceWriter({self._client.base_url!r})"

    def close(self) -> None:
        self._client.close()
        self._once.close()

    def writable(self, kind: str) -> dict[str, Choices | None]:
        """Names of the fields that this user may edit; choices where a picklist takes no others."""
        return {
            str(field["name"]): _choices(field) if field.get("restrictedPicklist") else None
            for field in self._described(kind)
            if field.get("updateable")
        }

    def _described(self, kind: str) -> list[dict[str, Any]]:
        sobject = SOBJECTS[kind]
        described = self._client.describe([sobject])[sobject]
        if described is None:
            raise PermanentSourceError(f"{sobject} is not in this org, or this user may not see it")
        self._types[kind] = {str(field["name"]): str(field["type"]) for field in described["fields"]}
        return list(described["fields"])

    def current(self, kind: str, record_ids: Iterable[str], fields: Iterable[str]) -> dict[str, dict[str, str]]:
        """record id -> field -> its value today, "" where it has none. A record that is gone is not there."""
        names = sorted(set(fields))
        rows = self._rows(SOBJECTS[kind], names, record_ids)
        return {str(row["Id"]): {name: plain(row.get(name)) for name in names} for row in rows}

    def _rows(self, sobject: str, names: list[str], record_ids: Iterable[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for ids in batches(record_ids, READ_AT_ONCE):
            quoted = ", ".join(f"'{record_id}'" for record_id in ids if self.id_form.fullmatch(record_id))
            soql = f"SELECT {', '.join(dict.fromkeys(['Id', *names]))} FROM {sobject} WHERE Id IN ({quoted})"
            for page in self._client.query(soql, deleted=False):
                found += page.content["records"]
        return found

    def fill(self, kind: str, record_id: str, values: Mapping[str, str]) -> None:
        """Set fields of one record; "" empties one. Doing it again changes nothing."""
        if kind not in self._types:
            self._described(kind)
        body = {name: _typed(name, value, self._types[kind].get(name, "")) for name, value in values.items()}
        self._client.write("PATCH", f"/sobjects/{SOBJECTS[kind]}/{record_id}", body)

    def owners(self, kind: str, record_ids: Iterable[str]) -> dict[str, str]:
        """record id -> its owner, "" where that user is not active: a task of theirs would be refused."""
        held = {
            str(row["Id"]): plain(row.get("OwnerId")) for row in self._rows(SOBJECTS[kind], ["OwnerId"], record_ids)
        }
        active = {
            str(row["Id"]) for row in self._rows("User", ["IsActive"], filter(None, held.values())) if row["IsActive"]
        }
        return {record_id: owner if owner in active else "" for record_id, owner in held.items()}

    def task_named(self, subject: str, about: Iterable[tuple[str, str]]) -> str | None:
        """Id of the oldest task with this subject: it names the records."""
        text = subject.replace("\\", "\\\\").replace("'", "\\'")
        soql = f"SELECT Id FROM Task WHERE Subject = '{text}' ORDER BY CreatedDate, Id LIMIT 1"
        for page in self._client.query(soql, deleted=False):
            for row in page.content["records"]:
                return str(row["Id"])
        return None

    def create_task(
        self, subject: str, text: str, due: datetime, owner_id: str, about: Iterable[tuple[str, str]]
    ) -> str:
        """A new task on the last of the records, as it can hang on one. Sent once: a failure may have made it."""
        (kind, record_id) = list(about)[-1]
        body = {
            "Subject": subject, "Description": text, "Status": NOT_STARTED, "Priority": "Normal",
            "ActivityDate": f"{due:%Y-%m-%d}", "WhoId" if kind == "contacts" else "WhatId": record_id,
        }  # fmt: skip
        answer = self._once.write("POST", "/sobjects/Task", body | ({"OwnerId": owner_id} if owner_id else {}))
        if not answer.get("id"):
            raise PermanentSourceError("POST /sobjects/Task: the answer names no record")
        return str(answer["id"])

    def is_untouched(self, task_id: str) -> bool | None:
        rows = self._rows("Task", ["Status"], [task_id])
        return rows[0]["Status"] == NOT_STARTED if rows else None

    def remove_task(self, task_id: str) -> None:
        """To the recycle bin, where the vendor keeps it 15 days."""
        self._client.write("DELETE", f"/sobjects/Task/{task_id}")


def _choices(field: Mapping[str, Any]) -> Choices:
    """Values by what people call them; an own value goes before another's label."""
    active = [entry for entry in field.get("picklistValues") or [] if entry.get("active", True)]
    by_label = {str(entry.get("label")).lower(): str(entry["value"]) for entry in active}
    return by_label | {str(entry["value"]).lower(): str(entry["value"]) for entry in active}


def _typed(name: str, value: str, kind: str) -> Any:
    """A value in the JSON that a field of this type takes; null empties it."""
    if value == "":
        return None
    if kind in NUMBERS:
        return number_of(name, value)
    return value == "true" if kind == "boolean" else value
