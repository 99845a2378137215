"""Writes to a HubSpot portal: values into records, and tasks. Only `salesops writeback --apply` and `--undo` use it.

Knows the protocol, not what to write: whether a property may be filled is decided by whoever calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ingestion.hubspot import TOKEN_NAME, VENDOR_URL, search_rate, vendor_rate
from ingestion.session import PermanentSourceError, SourceSession

READ_AT_ONCE = 100
TASK_LINKS = {"contacts": 204, "companies": 192}  # the vendor's own association type from a task


class HubSpotWriter:
    """A portal and the credentials to change it. Rates are the reader's: they count against the same account."""

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

    def writable(self, object_name: str) -> set[str]:
        """Names of the properties that may be written."""
        page = self._session.get(f"/crm/v3/properties/{object_name}")
        return {
            str(entry["name"])
            for entry in page.content["results"]
            if not entry.get("calculated") and not (entry.get("modificationMetadata") or {}).get("readOnlyValue")
        }

    def current(
        self, object_name: str, record_ids: Iterable[str], properties: Iterable[str]
    ) -> dict[str, dict[str, str]]:
        """record id -> property -> its value today, "" where it has none. A record that is gone is not there."""
        ids, names = list(dict.fromkeys(record_ids)), sorted(set(properties))
        found: dict[str, dict[str, str]] = {}
        for first in range(0, len(ids), READ_AT_ONCE):
            body = {"inputs": [{"id": id} for id in ids[first : first + READ_AT_ONCE]], "properties": names}
            for record in self._session.post(f"/crm/v3/objects/{object_name}/batch/read", body).content["results"]:
                values = record.get("properties") or {}
                found[str(record["id"])] = {name: str(values.get(name) or "") for name in names}
        return found

    def fill(self, object_name: str, record_id: str, values: Mapping[str, str]) -> None:
        """Set properties of one record; "" empties one. Doing it again changes nothing."""
        self._session.write("PATCH", f"/crm/v3/objects/{object_name}/{record_id}", {"properties": dict(values)})

    def task_named(self, subject: str) -> str | None:
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

    def remove_task(self, task_id: str) -> None:
        """To the recycle bin, where the vendor keeps it 90 days."""
        self._session.write("DELETE", f"/crm/v3/objects/tasks/{task_id}")
