"""Pipedrive's writes, so far as a live practice account needs them: organizations changed, tasks made and removed.

What the vendor refuses is refused: a parameter it does not know, an option that is none, a record that is gone. Nothing
is kept on disk: a restart lives the company again without these writes.
"""

from __future__ import annotations

from typing import Any

from sandbox.properties import names
from sandbox.servers.pipedrive_fields import CUSTOM, Field
from sandbox.servers.pipedrive_read import Renderer, number
from sandbox.store import Record, Value

_BUILT_IN = {"name": "name", "website": "domain"}
_NUMBERS = (int, float)


class BadInput(Exception):
    """A body that the vendor does not take; the message says why."""


class AccountWriter:
    """Changes the live world, stamped by its clock."""

    def __init__(self, render: Renderer) -> None:
        self.render, self.world = render, render.world

    def change(self, record: Record, body: dict[str, Any]) -> None:
        """PATCH /api/v2/organizations/{id}"""
        fields = {field.key: field for field in CUSTOM["organizations"]}
        changed: dict[str, Value] = {}
        for name, value in body.items():
            if name in _BUILT_IN:
                changed[_BUILT_IN[name]] = None if value in (None, "") else str(value)
            elif name == "custom_fields":
                for key, held in value.items():
                    if key not in fields:
                        raise BadInput(f"parameter custom_fields.{key} is not allowed")
                    changed[fields[key].property] = _kept(fields[key], held)
            else:
                raise BadInput(f"parameter {name} is not allowed")
        self.world.store.change(record, self.world.stamp(), changed, "INTEGRATION")

    def create_activity(self, body: dict[str, Any], find: Any) -> Record:
        """POST /api/v2/activities; `find`: (list, id) -> record."""
        known = {"subject", "type", "note", "done", "due_date", "owner_id", "org_id", "participants"}
        if unknown := sorted(body.keys() - known):
            raise BadInput(f"parameter {unknown[0]} is not allowed")
        if body.get("type", "task") != "task":
            raise BadInput(f"type {body['type']} does not exist")
        ends = [("persons", entry["person_id"]) for entry in body.get("participants") or []]
        ends += [("organizations", body["org_id"])] if body.get("org_id") else []
        others = [find(name, key) for name, key in ends]
        if None in others:
            raise BadInput("a linked record was not found")
        owner = str(body["owner_id"]) if body.get("owner_id") else None
        if owner and not any(one.id == owner and one.archived_at is None for one in self.world.owners):
            raise BadInput("owner_id: user is not active")
        held: dict[str, Value] = dict.fromkeys(names("tasks"))
        held |= {
            "hs_task_subject": body.get("subject"), "hs_task_body": body.get("note"), "hubspot_owner_id": owner,
            "hs_task_status": "COMPLETED" if body.get("done") else "NOT_STARTED", "hs_task_type": "TODO",
            "hs_timestamp": f"{body.get('due_date') or '2026-01-01'}T12:00:00.000Z",
        }  # fmt: skip
        record = self.world.store.create("tasks", self.world.stamp(), held, "INTEGRATION")
        for other in others:
            self.world.store.link(record, other, self.world.stamp())
        return record

    def remove(self, record: Record) -> None:
        """DELETE /api/v2/activities/{id}"""
        self.world.store.archive(record, self.world.stamp())


def _kept(field: Field, value: Any) -> Value:
    """A value as the practice company keeps it; None empties it."""
    if value in (None, ""):
        return None
    if field.type == "enum":
        options = {field.option(option): option for option in field.options}
        if value not in options:
            raise BadInput(f"{field.key}: {value} is not one of its options")
        return options[value]
    if field.type == "monetary":
        if not isinstance(value, dict) or set(value) != {"value", "currency"}:
            raise BadInput(f"{field.key}: a monetary field takes value and currency")
        value = value["value"]
    if field.type in ("double", "monetary") and type(value) not in _NUMBERS:
        raise BadInput(f"{field.key}: expected a number")
    return str(number(str(value))) if type(value) in _NUMBERS else str(value)
