"""Whether the portal still knows its people (M31), from what the simulation did to each record and its mailbox."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

from sandbox.activities import REACHED
from sandbox.store import Record, instant_of, iso
from sandbox.world import World

SILENT_AFTER = 180 * 86_400_000
TYPED = ("CRM_UI", "FORM", "INTEGRATION")


def _answered(record: Record) -> bool:
    values = record.properties
    if record.object_type == "calls":
        return values.get("hs_call_disposition") == REACHED
    if record.object_type == "emails":
        return values.get("hs_email_direction") == "INCOMING_EMAIL"
    return record.object_type == "meetings" and values.get("hs_meeting_outcome") == "COMPLETED"


def contacts(world: World) -> list[dict[str, Any]]:
    """Living records never merged nor copied: `contact_id`, `status`, `verified_at` and `failed_at` (ISO or None)."""
    touches: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for name in ("calls", "emails", "meetings"):
        for record in world.store.records[name].values():
            at = instant_of(record.properties["hs_timestamp"])
            if record.archived_at is not None or at is None or at > world.now:
                continue
            bounced = record.properties.get("hs_email_status") == "BOUNCED"
            if bounced or _answered(record):
                for contact_id in world.store.linked(name, record.id, "contacts"):
                    touches[contact_id].append((at, "bounced" if bounced else "two_way"))
    copied = {known[side] for known in world.duplicates for side in ("original", "copy")}
    merged = {id for (object_type, _), id in world.store.aliases.items() if object_type == "contacts"}
    return [
        _life(world, contact, touches[contact.id])
        for contact in world.store.records["contacts"].values()
        if contact.archived_at is None and contact.id not in copied | merged
    ]


def _life(world: World, contact: Record, touches: list[tuple[int, str]]) -> dict[str, Any]:
    reason = contact.properties.get("hs_email_hard_bounce_reason_enum")
    good = [(at, kind) for at, kind in touches if kind == "two_way"]
    bad = [at for at, kind in touches if kind == "bounced" and reason != "MAILBOX_FULL"]
    if contact.source in TYPED:
        good.append((contact.created_at, "created"))
    titles = contact.history.get("jobtitle", [])
    good += [(new.at, "retitled") for old, new in pairwise(titles) if old.value and new.value]
    if reason and reason != "MAILBOX_FULL":
        bad += [change.at for change in contact.history["hs_email_hard_bounce_reason_enum"] if change.value]
    verified, kind = max(good, default=(None, ""))
    failed = max(bad, default=None)
    if failed is not None and (verified is None or failed > verified):
        status = "bounced"
    elif verified is None or world.now - verified > SILENT_AFTER:
        status = "silent"
    else:
        status = "moved" if kind == "retitled" else "verified"
    instants = {
        name: None if at is None else iso(at) for name, at in (("verified_at", verified), ("failed_at", failed))
    }
    return {"contact_id": contact.id, "status": status, **instants}
