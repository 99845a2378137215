"""Salesforce's writes, so far as a live practice org needs them: accounts changed, tasks made and removed.

What the vendor refuses is refused with its code: a field that nobody may write, a value of another type, a record that
is gone, an owner who has left. Nothing is kept on disk: a restart lives the company again without these writes.
"""

from __future__ import annotations

from typing import Any

from sandbox.properties import names
from sandbox.servers.answers import Answer
from sandbox.servers.salesforce_fields import org_id
from sandbox.servers.salesforce_org import Org
from sandbox.store import Record, Value

PROPERTIES = {  # what an account's field is in the practice company's own records
    "Name": "name", "Website": "domain", "Industry": "industry", "NumberOfEmployees": "numberofemployees",
    "AnnualRevenue": "annualrevenue", "BillingCity": "city", "BillingCountry": "country", "Segment__c": "segment",
    "Organisation_Number__c": "organisation_number", "Enriched_From__c": "salesops_enrichment",
}  # fmt: skip
NUMBERS = ("int", "double", "currency", "percent")
KINDS = {"Account": "companies", "Contact": "contacts", "Task": "tasks"}


class OrgError(Exception):
    """An error in the vendor's shape: a list of one."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.answer = Answer(status, [{"message": message, "errorCode": code, **more}])


class OrgWriter:
    """Changes the live world, stamped by its clock."""

    def __init__(self, org: Org) -> None:
        self.org, self.world = org, org.world

    def change(self, described: dict[str, Any], key: str, body: dict[str, Any]) -> Answer:
        """PATCH /sobjects/{X}/{id}"""
        if described["name"] != "Account":
            raise OrgError(405, "METHOD_NOT_ALLOWED", "HTTP Method 'PATCH' not allowed here")
        record, values = self._record("Account", key), _checked(described, body)
        if lost := sorted(values.keys() - PROPERTIES.keys()):
            raise OrgError(400, "INVALID_FIELD", f"the practice org cannot keep {lost[0]}")
        changed: dict[str, Value] = {PROPERTIES[name]: value for name, value in values.items()}
        self.world.store.change(record, self.world.stamp(), changed, "INTEGRATION")
        return Answer(204)

    def create(self, described: dict[str, Any], body: dict[str, Any]) -> Answer:
        """POST /sobjects/Task"""
        if described["name"] != "Task":
            raise OrgError(405, "METHOD_NOT_ALLOWED", "HTTP Method 'POST' not allowed here")
        values = _checked(described, body)
        linked = [self._record(kind, values[name] or "") for name, kind in _ENDS if values.get(name)]
        owner = self._owner(values.get("OwnerId"))
        held: dict[str, Value] = dict.fromkeys(names("tasks"))
        held |= {
            "hs_task_subject": values.get("Subject"), "hs_task_body": values.get("Description"),
            "hs_task_status": "NOT_STARTED", "hs_task_type": "TODO", "hubspot_owner_id": owner,
            "hs_timestamp": f"{values.get('ActivityDate') or '2026-01-01'}T12:00:00.000Z",
        }  # fmt: skip
        record = self.world.store.create("tasks", self.world.stamp(), held, "INTEGRATION")
        for other in linked:
            self.world.store.link(record, other, self.world.stamp())
        return Answer(201, {"id": self.org.id_of(record), "success": True, "errors": []})

    def remove(self, described: dict[str, Any], key: str) -> Answer:
        """DELETE /sobjects/Task/{id}: to the recycle bin."""
        if described["name"] != "Task":
            raise OrgError(405, "METHOD_NOT_ALLOWED", "HTTP Method 'DELETE' not allowed here")
        self.world.store.archive(self._record("Task", key), self.world.stamp())
        return Answer(204)

    def _record(self, sobject: str, key: str) -> Record:
        store = self.world.store
        kept = [lost[0] for (kind, _), lost in store.absorbed.items() if kind == KINDS[sobject]]
        for record in (*store.records[KINDS[sobject]].values(), *kept):
            if key in (self.org.id_of(record), self.org.id_of(record)[:15]):
                if record.archived_at is not None or record in kept:
                    raise OrgError(404, "ENTITY_IS_DELETED", "entity is deleted", fields=[])
                return record
        raise OrgError(404, "NOT_FOUND", "The requested resource does not exist")

    def _owner(self, key: Value) -> Value:
        for owner in self.world.owners:
            if org_id("User", int(owner.id)) == key:
                if owner.archived_at is not None:
                    message = f"operation performed with inactive user [{key}] as owner of task"
                    raise OrgError(400, "INACTIVE_OWNER_OR_USER", message, fields=[])
                return owner.id
        return None


_ENDS = (("WhoId", "Contact"), ("WhatId", "Account"))


def _checked(described: dict[str, Any], body: dict[str, Any]) -> dict[str, Value]:
    """Field -> value as text, as the practice company keeps it; None empties it."""
    fields = {field["name"]: field for field in described["fields"]}
    values: dict[str, Value] = {}
    for name, value in body.items():
        field = fields.get(name)
        if field is None:
            raise OrgError(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {described['name']}")
        if not field["updateable"]:
            message = f"Unable to create/update fields: {name}. Please check the security settings of this field"
            raise OrgError(400, "INVALID_FIELD_FOR_INSERT_UPDATE", message, fields=[name])
        if value is not None and (field["type"] in NUMBERS) != (type(value) in (int, float)):
            kind = "VALUE_NUMBER" if type(value) in (int, float) else "VALUE_STRING"
            raise OrgError(400, "JSON_PARSER_ERROR", f"Cannot deserialize instance of {field['type']} from {kind}")
        choices = [entry["value"] for entry in field["picklistValues"]]
        if field["restrictedPicklist"] and value is not None and value not in choices:
            message = f"{name}: bad value for restricted picklist field: {value}"
            raise OrgError(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, fields=[name])
        values[name] = None if value in (None, "") else str(value)
    return values
