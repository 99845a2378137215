"""HubSpot's writes, so far as tests and practice on a live portal need them. Each is stamped by the portal's clock."""

from __future__ import annotations

from typing import Any

from sandbox.catalogue import ASSOCIATION_TYPES, MERGEABLE
from sandbox.properties import names
from sandbox.servers.answers import Answer, bad_request, not_found
from sandbox.servers.hubspot_read import Reader
from sandbox.store import Record, Value


class Writer:
    """Changes the live world. Nothing is kept on disk: a restart lives the company again without these writes."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.world = reader.world

    def _record(self, object_type: str, record_id: str, archived: bool = False) -> Record:
        record = self.world.store.records[object_type].get(record_id)
        if record is None or bool(record.archived_at) != archived:
            raise not_found()
        return record

    @staticmethod
    def _values(object_type: str, body: dict[str, Any]) -> dict[str, Value]:
        values = body.get("properties") or {}
        for name in values:
            if name not in names(object_type):
                raise bad_request(f'Property values were not valid: property "{name}" does not exist')
        return {name: None if value is None else str(value) for name, value in values.items()}

    def _answer(self, record: Record, status: int = 200) -> Answer:
        return Answer(status, self.reader.render(record, tuple(record.properties)))

    def create(self, object_type: str, body: dict[str, Any]) -> Answer:
        """POST /crm/v3/objects/{type}; `associations` as in v3."""
        blank: dict[str, Value] = dict.fromkeys(names(object_type))
        values = blank | self._values(object_type, body)
        record = self.world.store.create(object_type, self.world.stamp(), values, "INTEGRATION")
        for entry in body.get("associations") or []:
            self._associate_any(record, str(entry["to"]["id"]), entry.get("types") or [])
        return self._answer(record, 201)

    def _associate_any(self, record: Record, to_id: str, types: list[dict[str, Any]]) -> None:
        for entry in types:
            for pair, numbers in ASSOCIATION_TYPES.items():
                if pair[0] == record.object_type and entry["associationTypeId"] in numbers:
                    self.associate(record.object_type, record.id, pair[1], to_id, types)
                    return

    def update(self, object_type: str, record_id: str, body: dict[str, Any]) -> Answer:
        """PATCH /crm/v3/objects/{type}/{id}"""
        record = self._record(object_type, record_id)
        self.world.store.change(record, self.world.stamp(), self._values(object_type, body), "INTEGRATION")
        return self._answer(record)

    def archive(self, object_type: str, record_id: str) -> Answer:
        """DELETE /crm/v3/objects/{type}/{id}: to the recycle bin; 204 for a record that is not there, too."""
        record = self.world.store.records[object_type].get(record_id)
        if record is not None and record.archived_at is None:
            self.world.store.archive(record, self.world.stamp())
        return Answer(204)

    def restore(self, object_type: str, record_id: str) -> Answer:
        """POST /crm/v3/objects/{type}/{id}/restore: the vendor has only a button for this."""
        record = self._record(object_type, record_id, archived=True)
        self.world.store.restore(record, self.world.stamp())
        return self._answer(record)

    def merge(self, object_type: str, body: dict[str, Any]) -> Answer:
        """POST /crm/v3/objects/{type}/merge: a third id."""
        if object_type not in MERGEABLE:
            raise bad_request(f"{object_type} can not be merged")
        primary = self._record(object_type, str(body.get("primaryObjectId")))
        other = self._record(object_type, str(body.get("objectIdToMerge")))
        if primary is other:
            raise bad_request("a record can not be merged with itself")
        return self._answer(self.world.store.merge(primary, other, self.world.stamp()))

    def erase(self, object_type: str, body: dict[str, Any]) -> Answer:
        """POST /crm/v3/objects/contacts/gdpr-delete"""
        record = self.reader.find(object_type, str(body.get("objectId")), str(body.get("idProperty") or ""))
        if record is not None:
            self.world.store.erase(record, self.world.stamp())
        return Answer(204)

    def associate(
        self, object_type: str, record_id: str, target: str, to_id: str, types: list[dict[str, Any]]
    ) -> Answer:
        """PUT /crm/v4/objects/{type}/{id}/associations/{to}/{toId}"""
        left, right = self._record(object_type, record_id), self._record(target, to_id)
        primary_type = ASSOCIATION_TYPES[(object_type, target)][1]
        asked = [int(entry["associationTypeId"]) for entry in types]
        labels = [int(row["associationTypeId"]) for row in types if row.get("associationCategory") == "USER_DEFINED"]
        at = self.world.stamp()
        for label in labels or [None]:
            self.world.store.link(left, right, at, primary_type is not None and primary_type in asked, label)
        body = {"fromObjectTypeId": object_type, "fromObjectId": int(record_id), "toObjectId": int(to_id), "labels": []}
        return Answer(201, body)

    def dissociate(self, object_type: str, record_id: str, target: str, to_id: str) -> Answer:
        """DELETE /crm/v4/objects/{type}/{id}/associations/{to}/{toId}; neither record's modified date moves."""
        self.world.stamp()
        self.world.store.unlink(self._record(object_type, record_id), self._record(target, to_id))
        return Answer(204)
