"""Calls, e-mails, meetings, notes and tasks of the practice company's sellers."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from sandbox import habits
from sandbox.names import NEXT_STEPS
from sandbox.store import Record, Value, iso

if TYPE_CHECKING:
    from sandbox.world import Owner, World

REACHED = "f240bbac-87c9-4f6e-bf70-924b57d47db7"  # the vendor's own ids for "connected" and "no answer"
NO_ANSWER = "73a0d17f-1163-4015-bdd5-ec830791da20"


def _log(
    world: World,
    object_type: str,
    at: int,
    owner: Owner,
    values: dict[str, Value],
    contact: Record | None,
    deal: Record | None,
    source: str = "CRM_UI",
    happened: int | None = None,
) -> Record:
    """Write one activity and link it to the person, the person's company and the deal."""
    values = {"hs_timestamp": iso(happened or at), "hubspot_owner_id": owner.id, **values}
    record = world.store.create(object_type, at, values, source, owner.user_id if source == "CRM_UI" else None)
    if contact is not None:
        world.store.link(record, contact, at)
        for company_id in world.store.linked("contacts", contact.id, "companies")[:1]:
            company = world.store.records["companies"].get(company_id)
            if company is not None:
                world.store.link(record, company, at)
    if deal is not None:
        world.store.link(record, deal, at)
    return record


def call(
    world: World, rng: Random, at: int, owner: Owner, contact: Record | None, deal: Record | None, inbound: bool = False
) -> None:
    """A logged call; an attempt that nobody answers is one too."""
    reached = inbound or rng.random() < 0.7
    number = contact.properties["phone"] if contact else None
    values: dict[str, Value] = {
        "hs_call_title": "Incoming call" if inbound else f"Call: {rng.choice(NEXT_STEPS) or 'check in'}",
        "hs_call_body": "Talked through the plan." if reached else "",
        "hs_call_direction": "INBOUND" if inbound else "OUTBOUND",
        "hs_call_disposition": REACHED if reached else NO_ANSWER,
        "hs_call_duration": str(rng.randint(60, 2_400) * 1_000) if reached else "0",
        "hs_call_status": "COMPLETED" if reached else "NO_ANSWER",
        "hs_call_from_number": number if inbound else "+46 8 500 100 10",
        "hs_call_to_number": "+46 8 500 100 10" if inbound else number,
    }
    _log(world, "calls", at, owner, values, contact, deal)


def email(
    world: World,
    rng: Random,
    at: int,
    owner: Owner,
    contact: Record | None,
    deal: Record | None,
    incoming: bool = False,
) -> None:
    """A personal e-mail, one way or the other."""
    address = (contact.properties["email"] if contact else None) or "unknown@mail.example"
    bounce = habits.bounce_of(contact, at) if contact and contact.properties["email"] and not incoming else None
    values: dict[str, Value] = {
        "hs_email_subject": f"{'Re: ' if incoming else ''}{rng.choice(NEXT_STEPS) or 'Flow Planner'}",
        "hs_email_text": "Thanks for the talk.",
        "hs_email_direction": "EMAIL"
        if not incoming
        else "FORWARDED_EMAIL"
        if rng.random() < 0.06
        else "INCOMING_EMAIL",
        "hs_email_status": "BOUNCED" if bounce else "SENT",
        "hs_email_from_email": address if incoming else owner.email,
        "hs_email_to_email": owner.email if incoming else address,
        "hs_email_headers": None,
        "hs_email_thread_id": str(rng.randint(10**12, 10**13)),
        "hs_sequence_id": None,
    }
    _log(world, "emails", at, owner, values, contact, deal, "INTEGRATION" if incoming else "CRM_UI")
    if contact and bounce:
        world.store.change(contact, at + 2_000, {"hs_email_hard_bounce_reason_enum": bounce}, "EMAIL")


def sequence_email(world: World, rng: Random, at: int, owner: Owner, contact: Record) -> None:
    """Sent by a machine in a seller's name: not an answer to a lead."""
    values: dict[str, Value] = {
        "hs_email_subject": "Welcome to Flow",
        "hs_email_text": "A few guides to start with.",
        "hs_email_direction": "EMAIL",
        "hs_email_status": "SENT",
        "hs_email_from_email": owner.email,
        "hs_email_to_email": contact.properties["email"],
        "hs_email_thread_id": str(rng.randint(10**12, 10**13)),
        "hs_sequence_id": str(rng.choice((301, 302, 305))),
    }
    _log(world, "emails", at, owner, values, contact, None, "SEQUENCES")


def meeting(
    world: World, rng: Random, at: int, owner: Owner, contact: Record | None, deal: Record | None, ahead_days: int = 0
) -> None:
    """A meeting that the seller logs when it has been held, or books ahead."""
    starts = world.later(rng, at, ahead_days, ahead_days) if ahead_days else at
    outcome = "SCHEDULED" if ahead_days else rng.choices(("COMPLETED", "NO_SHOW", "CANCELED"), (85, 10, 5))[0]
    values: dict[str, Value] = {
        "hs_meeting_title": rng.choice(("Demo", "Intro", "Workshop", "Contract review")),
        "hs_meeting_body": "",
        "hs_meeting_outcome": outcome,
        "hs_meeting_start_time": iso(starts),
        "hs_meeting_end_time": iso(starts + rng.choice((30, 45, 60)) * 60_000),
        "hs_activity_type": rng.choice(("Demo", "Discovery", None)),
    }
    record = _log(world, "meetings", at, owner, values, contact, deal, happened=starts)
    if ahead_days:
        world.schedule(starts + 3_700_000, close_meeting, record.id, owner.user_id)


def close_meeting(world: World, rng: Random, at: int, meeting_id: str, user: int) -> None:
    """The booked meeting has been held, or not."""
    record = world.alive("meetings", meeting_id)
    if record is not None:
        outcome = rng.choices(("COMPLETED", "NO_SHOW", "CANCELED"), (80, 12, 8))[0]
        world.store.change(record, at, {"hs_meeting_outcome": outcome}, user=user)


def note(world: World, rng: Random, at: int, owner: Owner, contact: Record | None, deal: Record | None) -> None:
    """Something written down."""
    body = rng.choice(("Budget confirmed for next year.", "Waiting for IT.", "<p>Decision maker is on leave.</p>"))
    _log(world, "notes", at, owner, {"hs_note_body": body, "hs_attachment_ids": None}, contact, deal)


def task(world: World, rng: Random, at: int, owner: Owner, contact: Record | None, deal: Record | None) -> None:
    """A to-do with a due date; often done, sometimes never."""
    due = world.later(rng, at, 1, 14)
    values: dict[str, Value] = {
        "hs_task_subject": rng.choice(NEXT_STEPS) or "Call back",
        "hs_task_body": "",
        "hs_task_status": "NOT_STARTED",
        "hs_task_priority": rng.choice(("LOW", "MEDIUM", "HIGH")),
        "hs_task_type": rng.choice(("TODO", "CALL", "EMAIL")),
        "hs_task_completion_date": None,
    }
    record = _log(world, "tasks", at, owner, values, contact, deal, happened=due)
    if rng.random() < 0.75:
        world.schedule(world.later(rng, due, 0, 6), close_task, record.id, owner.user_id)


def close_task(world: World, rng: Random, at: int, task_id: str, user: int) -> None:
    """Done."""
    record = world.alive("tasks", task_id)
    if record is not None:
        values: dict[str, Value] = {"hs_task_status": "COMPLETED", "hs_task_completion_date": iso(at)}
        world.store.change(record, at, values, user=user)


def touch(world: World, rng: Random, at: int, owner: Owner, contact: Record) -> None:
    """A human answer to a lead: a call or a personal e-mail."""
    if rng.random() < 0.6:
        call(world, rng, at, owner, contact, None)
    else:
        email(world, rng, at, owner, contact, None)


def around_deal(world: World, rng: Random, at: int, owner: Owner, deal: Record) -> None:
    """What a seller does for a deal between two of its steps."""
    contact_ids = world.store.linked("deals", deal.id, "contacts")
    contact = world.alive("contacts", rng.choice(contact_ids)) if contact_ids else None
    roll = rng.random()
    if roll < 0.3:
        call(world, rng, at, owner, contact, deal, inbound=rng.random() < 0.12)
    elif roll < 0.62:
        email(world, rng, at, owner, contact, deal, incoming=rng.random() < 0.35)
    elif roll < 0.8:
        linked = deal if habits.links_meeting(deal, at) else None
        meeting(world, rng, at, owner, contact, linked, ahead_days=rng.choice((0, 0, 3, 6)))
    elif roll < 0.9:
        note(world, rng, at, owner, contact, deal)
    else:
        task(world, rng, at, owner, contact, deal)


def unplanned(world: World, rng: Random, at: int) -> None:
    """Prospecting without a deal: calls, mails, notes to people in the seller's book."""
    owner = rng.choice(world.sellers())
    people = world.employees.get(rng.choice(world.company_keys)) or []
    contact = world.alive("contacts", rng.choice(people)) if people else None
    if contact is None:
        return
    roll = rng.random()
    if roll < 0.35:
        call(world, rng, at, owner, contact, None)
    elif roll < 0.65:
        email(world, rng, at, owner, contact, None, incoming=rng.random() < 0.2)
    elif roll < 0.75:
        sequence_email(world, rng, at, owner, contact)
    elif roll < 0.88:
        note(world, rng, at, owner, contact, None)
    else:
        task(world, rng, at, owner, contact, None)
