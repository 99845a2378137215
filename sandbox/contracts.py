"""Contracts of the practice company: signed after a win, renewed, cut, cancelled, left to end; some older than the CRM.

`World.contracts` is the contract sheet as the person who keeps it has it; `sheets` writes it down. A changed yearly
value is a new line, an earlier end is the old line corrected, a contract whose deal was reopened is struck out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

from sandbox.store import Record

if TYPE_CHECKING:
    from sandbox.world import World

LEAVES, LEAVES_PILOT, LEAVES_OVERSOLD = 0.09, 0.22, 0.6  # chance at the end of a term
CANCELS, CANCELS_OVERSOLD = 0.02, 0.55  # chance to give notice before
PILOT_MONTHS = 6
BEFORE_THE_CRM = 0.22  # share of the imported companies that were customers already


@dataclass
class Contract:
    """One line of the sheet, both days in. `end` None: runs until somebody ends it."""

    id: str
    company_id: str
    deal_id: str | None
    start: date
    end: date | None
    yearly: Decimal
    currency: str
    is_pilot: bool = False


def months_later(day: date, months: int) -> date:
    """The same day of a later month, or that month's last."""
    month = day.year * 12 + day.month - 1 + months
    first = date(month // 12, month % 12 + 1, 1)
    following = date((month + 1) // 12, (month + 1) % 12 + 1, 1)
    return min(first + timedelta(days=day.day - 1), following - timedelta(days=1))


def _write(
    world: World,
    company_id: str,
    deal_id: str | None,
    start: date,
    months: int | None,
    yearly: Decimal,
    currency: str = "SEK",
) -> Contract:
    world.contract_number += 1
    end = None if months is None else months_later(start, months) - timedelta(days=1)
    line = Contract(f"AV-{world.contract_number}", company_id, deal_id, start, end, yearly, currency)
    line.is_pilot = months == PILOT_MONTHS
    world.contracts[line.id] = line
    world.customers.setdefault(company_id, []).append(line)
    return line


def inherit(world: World, rng: Random, at: int) -> None:
    """Day one: contracts that were signed before there was a CRM, by nobody knows whom."""
    today = world.calendar.local_date(at)
    for company_id in list(world.company_keys):
        if rng.random() < BEFORE_THE_CRM:
            months = rng.choice((12, 12, 24, 36, None))
            age = rng.randint(30, 30 * (months or 48) - 60)
            start = (today - timedelta(days=age)).replace(day=1)
            yearly = Decimal(rng.randint(4, 20) * 10_000)
            _plan_end(world, rng, _write(world, company_id, None, start, months, yearly), at)


def sign(world: World, rng: Random, at: int, deal_id: str) -> None:
    """Some days after the win: the licence runs from a day soon after, for the term, at the deal's yearly value."""
    deal = world.alive("deals", deal_id)
    company = _company_of(world, deal) if deal is not None else None
    if deal is None or company is None or deal.properties["hs_is_closed_won"] != "true" or _of_deal(world, deal):
        return
    today = world.calendar.local_date(at)
    start = today if rng.random() < 0.4 else months_later(today.replace(day=1), 1)
    term = int(deal.properties["contract_term_months"] or 12)
    amount = Decimal(deal.properties["amount"] or 84_000)
    yearly = (amount * 12 / max(12, term)).quantize(Decimal("0.01"))
    months = None if term == 12 and rng.random() < 0.08 else term
    line = _write(world, company.id, deal.id, start, months, yearly)
    _plan_end(world, rng, line, at)
    if rng.random() < (CANCELS_OVERSOLD if _is_oversold(world, line) else CANCELS):
        world.schedule(world.later(rng, at, 90, 270), give_notice, line.id)


def _company_of(world: World, deal: Record) -> Record | None:
    for company_id in world.store.linked("deals", deal.id, "companies")[:1]:
        return world.alive("companies", company_id)
    return None


def _of_deal(world: World, deal: Record) -> list[Contract]:
    company_ids = world.store.linked("deals", deal.id, "companies")
    return [line for key in company_ids for line in world.customers.get(key, []) if line.deal_id == deal.id]


def strike(world: World, deal: Record) -> None:
    """The deal was reopened: its contract was never one."""
    for line in _of_deal(world, deal):
        del world.contracts[line.id]
        world.customers[line.company_id].remove(line)


def is_customer(world: World, company_id: str, day: date) -> bool:
    """Whether the company has a contract that runs on that day."""
    lines = world.customers.get(company_id, [])
    return any(line.start <= day and (line.end is None or day <= line.end) for line in lines)


def follow_merge(world: World, first: Record, second: Record, merged: Record) -> None:
    """Two companies or deals became one: the sheet names the one that is left."""
    gone = (first.id, second.id)
    if merged.object_type == "companies":
        lines = [line for key in gone for line in world.customers.pop(key, [])]
        for line in lines:
            line.company_id = merged.id
        world.customers[merged.id] = lines
    else:
        for line in world.contracts.values():
            if line.deal_id in gone:
                line.deal_id = merged.id


def _plan_end(world: World, rng: Random, line: Contract, at: int) -> None:
    """When the customer makes up his mind: some weeks before the end, every year where there is none."""
    due = line.end - timedelta(days=rng.randint(15, 70)) if line.end else line.start + timedelta(days=365)
    due = max(due, world.calendar.local_date(at) + timedelta(days=rng.randint(3, 12)))
    world.schedule(world.work_time(rng, world.calendar.next_workday(due)), come_due, line.id)


def _is_oversold(world: World, line: Contract) -> bool:
    """True for customers whose first contract the overselling seller won."""
    first = min(world.customers[line.company_id], key=lambda other: (other.start, other.id))
    deal = world.store.resolve("deals", first.deal_id) if first.deal_id else None
    return deal is not None and deal.properties["hubspot_owner_id"] == world.causes.overselling_owner_id


def give_notice(world: World, rng: Random, at: int, line_id: str) -> None:
    """The customer wants out before the term ends: at the end of the month after next."""
    line = world.contracts.get(line_id)
    if line is not None:
        _leave(world, line, months_later(world.calendar.local_date(at).replace(day=1), 3) - timedelta(days=1))


def _leave(world: World, line: Contract, last: date) -> None:
    """Who leaves, leaves with all contracts."""
    for held in world.customers[line.company_id]:
        if held.start < last and (held.end is None or held.end > last):
            held.end = last


def come_due(world: World, rng: Random, at: int, line_id: str) -> None:
    """Stay, at a price, or leave. Most of those who stay sign in time, some late, a few come back much later."""
    line, today = world.contracts.get(line_id), world.calendar.local_date(at)
    if line is None or (line.end is not None and line.end < today):  # struck out, or notice was given meanwhile
        return
    is_oversold = _is_oversold(world, line)
    leaves = LEAVES_OVERSOLD if is_oversold else LEAVES_PILOT if line.is_pilot else LEAVES
    if rng.random() < leaves:
        _leave(world, line, line.end or months_later(today.replace(day=1), 3) - timedelta(days=1))
        return
    if line.end is None and rng.random() < 0.6:
        world.schedule(world.later(rng, at, 360, 370), come_due, line.id)
        return
    line.end = line.end or months_later(today.replace(day=1), 1) - timedelta(days=1)
    roll = rng.random()
    pause = 1 if roll < 0.88 else rng.randint(6, 50) if roll < 0.98 else rng.randint(75, 150)
    start = line.end + timedelta(days=pause)
    yearly = (line.yearly * _price(rng, is_oversold, line.is_pilot)).quantize(Decimal("0.01"))
    if pause == 1:
        renew(world, rng, at, line.id, start, yearly)
    else:
        then = world.work_time(rng, world.calendar.next_workday(start))
        world.schedule(max(then, at + 60_000), renew, line.id, start, yearly)


def _price(rng: Random, is_oversold: bool, is_pilot: bool) -> Decimal:
    """The new yearly value as a multiple of the old one: fewer seats, more seats, the yearly index, or the same."""
    less, more = (0.4, 0.05) if is_oversold else (0.08, 0.5 if is_pilot else 0.2)
    roll = rng.random()
    if roll < less:
        return Decimal(rng.choice(("0.6", "0.75", "0.8")))
    if roll < less + more:
        return Decimal(rng.choice(("1.1", "1.2", "1.35")))
    return Decimal(rng.choice(("1", "1.03", "1.03")))


def renew(world: World, rng: Random, at: int, line_id: str, start: date, yearly: Decimal) -> None:
    """A new line of the sheet; the deal behind it is named as often as not."""
    line = world.contracts.get(line_id)
    if line is None:
        return
    deal_id = line.deal_id if rng.random() < 0.5 else None
    renewed = _write(world, line.company_id, deal_id, start, rng.choice((12, 12, 12, 24, 36)), yearly, line.currency)
    _plan_end(world, rng, renewed, at)
