"""How fast leads were answered (M16), from the records that the simulation wrote, in business minutes.

An answer is an outbound call, a personal e-mail or a meeting by a seller, to the lead's person or to a company of
the lead; the first at or after the lead's creation stops the clock, one before it means "already in contact".
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from sandbox.catalogue import ACTIVITIES
from sandbox.store import Record, instant_of, iso
from sandbox.world import World

SLA_MINUTES = 60


def _is_touch(record: Record) -> bool:
    """An outbound human touch by kpis.md M16."""
    values = record.properties
    if record.archived_at is not None:
        return False
    if record.object_type == "calls":
        return values.get("hs_call_direction") == "OUTBOUND"
    if record.object_type == "emails":
        return values.get("hs_email_direction") == "EMAIL" and not values.get("hs_sequence_id")
    return record.object_type == "meetings" and record.user is not None


def _touches(world: World) -> dict[tuple[str, str], list[int]]:
    """Event times of the touches of each person and each company, up to now."""
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for name in ACTIVITIES:
        for record in world.store.records[name].values():
            at = instant_of(record.properties["hs_timestamp"])
            if at is None or at > world.now or not _is_touch(record):
                continue
            for target in ("contacts", "companies"):
                for key in world.store.linked(name, record.id, target):
                    found[(target, key)].append(at)
    return found


def _state(world: World, lead: Record, touches: list[int]) -> dict[str, Any]:
    before = [at for at in touches if at < lead.created_at]
    answers = [at for at in touches if at >= lead.created_at]
    first = min(answers, default=None)
    minutes = world.calendar.business_minutes(lead.created_at, first if first is not None else world.now)
    if before:
        state = "already_in_contact"
    elif first is not None:
        state = "met" if minutes <= SLA_MINUTES else "breached"
    else:
        state = "breached" if minutes > SLA_MINUTES else "not_due"
    return {
        "state": state,
        "created_at": iso(lead.created_at),
        "routed_at": _routed_at(lead),
        "first_response_at": None if first is None else iso(first),
        "business_minutes": round(minutes, 3) if first is not None and not before else None,
    }


def _routed_at(lead: Record) -> str | None:
    """The first time that the lead had an owner."""
    owned = [change.at for change in lead.revisions("hubspot_owner_id") if change.value]
    return iso(owned[0]) if owned else None


def of(world: World) -> dict[str, Any]:
    """`lead_response` (person or company), the same counting persons only, and every lead."""
    touches = _touches(world)
    leads: dict[str, Any] = {}
    person_only: Counter[str] = Counter()
    for lead in world.store.records["leads"].values():
        if lead.archived_at is not None:
            continue
        linked = {name: world.store.linked("leads", lead.id, name) for name in ("contacts", "companies")}
        person = [at for key in linked["contacts"] for at in touches[("contacts", key)]]
        account = [at for key in linked["companies"] for at in touches[("companies", key)]]
        person_only[_state(world, lead, person)["state"]] += 1
        leads[lead.id] = _state(world, lead, person + account)
    states = Counter(row["state"] for row in leads.values())
    names = ("met", "breached", "not_due", "already_in_contact")
    return {
        "lead_response": {"lead_count": len(leads)} | {name: states[name] for name in names},
        "lead_response_person_only": {"lead_count": len(leads)} | {name: person_only[name] for name in names},
        "leads": leads,
    }
