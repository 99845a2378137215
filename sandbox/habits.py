"""How carefully the practice company's sellers keep their deals: what they type besides, and what they forget.

Draws come from generators of their own, so that a seller's habits never alter what happens to a deal.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from sandbox.store import Record, Value, iso

if TYPE_CHECKING:
    from sandbox.world import Owner, World

TIDY_UP_EVERY_DAYS = 91  # somebody pushes the close date of whatever is overdue or due soon, in one go
LEAVERS = 0.12  # of the contacts: their mailbox is gone one day
AGREED_ON_THE_PHONE = 0.012  # of the deals: typed in when they are already won


def _draw(record: Record, at: int) -> Random:
    return Random(f"habits:{record.id}:{at}")


def next_step(world: World, at: int, deal: Record, owner: Owner) -> None:
    """When the next step is due: mostly typed, sometimes left as it was."""
    rng = _draw(deal, at)
    if rng.random() < 0.75:
        day = world.calendar.local_date(at) + timedelta(days=rng.randint(2, 30))
        world.store.change(deal, at, {"next_step_date": day.isoformat()}, user=owner.user_id)


def at_stage(world: World, at: int, deal: Record, stage_number: int, stages: int) -> dict[str, Value]:
    """More that is typed on entering a stage: before signing, when legal terms are due."""
    rng = _draw(deal, at)
    if stage_number < stages - 1 or rng.random() < 0.25:
        return {}
    return {"legal_terms_date": (world.calendar.local_date(at) + timedelta(days=rng.randint(5, 25))).isoformat()}


def at_signing(world: World, at: int, deal: Record) -> dict[str, Value]:
    """The day on the contract, now and then forgotten; some date the win ahead."""
    rng, day = _draw(deal, at), world.calendar.local_date(at)
    values: dict[str, Value] = {}
    if rng.random() >= 0.12:
        values["signed_date"] = (day - timedelta(days=rng.randint(0, 3))).isoformat()
    if rng.random() < 0.03:
        values["closedate"] = iso(world.calendar.instant(day + timedelta(days=rng.randint(1, 12)), 12 * 60))
    return values


def links_meeting(deal: Record, at: int) -> bool:
    """A meeting in the calendar that never finds its way to the deal."""
    return _draw(deal, at).random() >= 0.05


def typed_category(deal: Record, at: int) -> str:
    """Some commit on the first day."""
    return "COMMIT" if _draw(deal, at).random() < 0.02 else "PIPELINE"


def bounce_of(contact: Record, at: int) -> str | None:
    """Why a mail to this person comes back: gone since a day of their own; a full mailbox is another thing."""
    rng = Random(f"mailbox:{contact.id}")
    if rng.random() >= LEAVERS or at < contact.born + timedelta(days=rng.randint(30, 600)) // timedelta(milliseconds=1):
        return None
    return "MAILBOX_FULL" if rng.random() < 0.15 else "UNKNOWN_USER"


def mistyped_date(world: World, deal: Record, at: int) -> dict[str, Value]:
    """A close date of the year before."""
    if _draw(deal, at + 1).random() >= 0.008:
        return {}
    return {"closedate": iso(world.calendar.instant(world.calendar.local_date(at) - timedelta(days=300), 12 * 60))}


def was_agreed_on_the_phone(deal: Record, at: int) -> bool:
    """The deal was made before it was typed in."""
    return _draw(deal, at).random() < AGREED_ON_THE_PHONE


def tidy_up(world: World, rng: Random, at: int) -> None:
    """One user pushes many close dates by a week within a few minutes."""
    user = world.sellers()[0].user_id
    until = world.calendar.local_date(at) + timedelta(days=21)
    due = [
        deal
        for deal in world.store.records["deals"].values()
        if deal.archived_at is None
        and deal.properties["hs_is_closed"] == "false"
        and (deal.properties["closedate"] or "9999")[:10] <= until.isoformat()
    ]
    day = world.calendar.local_date(at) + timedelta(days=28)
    for position, deal in enumerate(due[:60]):
        closes = world.calendar.instant(day, 12 * 60)
        world.store.change(deal, at + position * 4_000, {"closedate": iso(closes)}, user=user)
