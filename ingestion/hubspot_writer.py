"""Writes to a HubSpot portal: values into records, and tasks. Only `salesops writeback --apply` and `--undo` use it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ingestion.hubspot import TOKEN_NAME, VENDOR_URL, search_rate, vendor_rate
from ingestion.session import PermanentSourceError, SourceSession
from ingestion.writing import Choices, batches

READ_AT_ONCE = 100
TASK_LINKS = {"contacts": 204, "companies": 192}  # the vendor's own association type from a task


class HubSpotWriter:
    """A portal and the credentials to change it."""

    label = "HubSpot"
    id_form = re.compile("[0-9]+")
    how_to_add = "Settings, Properties, Company properties; multi-line text for the mark"

    def __init__(self, token: str, base_url: str = VENDOR_URL, **session_options: Any):
        rate = vendor_rate(base_url)
        options: dict[str, Any] = {
            "token_name": TOKEN_NAME,
            "rate_per_second": rate,
            "search_per_second": search_rate(rate),
            "search_paths": ("/crm/v3/objects/tasks/search",),
        } | session_options
        self._session = SourceSession(base_url, token, **options)
        self._once = SourceSession(base_url, token, **(options | {"attempts": 1}))

    def __repr__(self) -> str:
        return f"HubSpotWriter({self._session.base_url!r})"

    def close(self) -> None:
        self._session.close()
        self._once.close()

    def writable(self, kind: str) -> dict[str, Choices | None]:
        """Names of the properties that may be written; choices of those that take no others."""
        page = self._session.get(f"/crm/v3/properties/{kind}")
        return {
            str(entry["name"]): _choices(entry)
            for entry in page.content["results"]
            if not entry.get("calculated") and not (entry.get("modificationMetadata") or {}).get("readOnlyValue")
        }

    def current(self, kind: str, record_ids: Iterable[str], fields: Iterable[str]) -> dict[str, dict[str, str]]:
        """record id -> property -> its value today, "" where it has none. A record that is gone is not there."""
        names = sorted(set(fields))
        found: dict[str, dict[str, str]] = {}
        for ids in batches(record_ids, READ_AT_ONCE):
            body = {"inputs": [{"id": record_id} for record_id in ids], "properties": names}
            for record in self._session.post(f"/crm/v3/objects/{kind}/batch/read", body).content["results"]:
                values = record.get("properties") or {}
                found[str(record["id"])] = {name: str(values.get(name) or "") for name in names}
        return found

    def fill(self, kind: str, record_id: str, values: Mapping[str, str]) -> None:
        """Set properties of one record; "" empties one. Doing it again changes nothing."""
        self._session.write("PATCH", f"/crm/v3/objects/{kind}/{record_id}", {"properties": dict(values)})

    def owners(self, kind: str, record_ids: Iterable[str]) -> dict[str, str]:
        held = self.current(kind, record_ids, ["hubspot_owner_id"])
        return {record_id: values["hubspot_owner_id"] for record_id, values in held.items()}

    def task_named(self, subject: str, about: Iterable[tuple[str, str]]) -> str | None:
        """Id of the task with this subject, oldest first; the vendor's index lags some seconds behind."""
        filters = [{"propertyName": "hs_task_subject", "operator": "EQ", "value": subject}]
        body = {"filterGroups": [{"filters": filters}], "properties": ["hs_task_subject"], "limit": 10}
        results = self._session.post("/crm/v3/objects/tasks/search", body).content["results"]
        return min((str(record["id"]) for record in results), key=int, default=None)

    def create_task(
        self, subject: str, text: str, due: datetime, owner_id: str, about: Iterable[tuple[str, str]]
    ) -> str:
        """A new task of a seller about records (object, id); its id. Sent once: a failure may have made it."""
        values = {
            "hs_task_subject": subject,
            "hs_task_body": text,
            "hs_task_status": "NOT_STARTED",
            "hs_task_type": "TODO",
            "hs_timestamp": due.isoformat().replace("+00:00", "Z"),
        }
        links = [
            {
                "to": {"id": record_id},
                "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": TASK_LINKS[object_name]}],
            }
            for object_name, record_id in about
        ]
        body = {"properties": values | ({"hubspot_owner_id": owner_id} if owner_id else {}), "associations": links}
        answer = self._once.write("POST", "/crm/v3/objects/tasks", body)
        if "id" not in answer:
            raise PermanentSourceError("POST /crm/v3/objects/tasks: the answer names no record")
        return str(answer["id"])

    def is_untouched(self, task_id: str) -> bool | None:
        today = self.current("tasks", [task_id], ["hs_task_status"]).get(task_id)
        return None if today is None else today["hs_task_status"] == "NOT_STARTED"

    def remove_task(self, task_id: str) -> None:
        """To the recycle bin, where the vendor keeps it 90 days."""
        self._session.write("DELETE", f"/crm/v3/objects/tasks/{task_id}")


def _choices(entry: Mapping[str, Any]) -> Choices | None:
    """Values by what people call them; an own value goes before another's label. None: free text."""
    options = entry.get("options") or []
    if entry.get("type") != "enumeration" or not options or entry.get("externalOptions"):
        return None
    by_label = {str(option.get("label")).lower(): str(option["value"]) for option in options}
    return by_label | {str(option["value"]).lower(): str(option["value"]) for option in options}
