"""What became of the practice company's customers (M26, M27) and of its targets (M22), from its own lines.

A customer is a company of the CRM, merges followed. Values are yearly, in the company's currency; days are local dates.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from sandbox import budget, sheets
from sandbox.contracts import Contract, months_later
from sandbox.world import World

PAUSE_DAYS = 60  # without a contract: not yet lost

Row = dict[str, Any]


def standing(lines: list[Contract], day: date, today: date) -> tuple[Decimal, bool]:
    """What a customer pays on a day, a pause of up to 60 days bridged; whether that is by grace of a late renewal."""
    running = [line for line in lines if line.start <= day and (line.end is None or day <= line.end)]
    if running:
        return sum((line.yearly for line in running), Decimal(0)), False
    ends = [line.end for line in lines if line.end is not None and line.end < day]
    if not ends:
        return Decimal(0), False
    last = max(ends)
    held = sum((line.yearly for line in lines if line.end == last), Decimal(0))
    following = min((line.start for line in lines if line.start > day), default=None)
    if following is not None:
        return (held, False) if (following - last).days - 1 <= PAUSE_DAYS else (Decimal(0), False)
    is_undecided = (today - last).days - 1 <= PAUSE_DAYS
    return (held, True) if is_undecided else (Decimal(0), False)


def first_of(lines: list[Contract]) -> Contract:
    """The contract that acquired the customer."""
    return min(lines, key=lambda line: (line.start, line.id))


def _acquirers(world: World, deals: dict[str, Row], lines: list[Contract]) -> dict[str, str]:
    """The member of each dimension that a customer belongs to: what won the first contract."""
    deal = deals.get(first_of(lines).deal_id or "", {})
    owner = world.owner(deal.get("owner_id"))
    return {
        "company": "all",
        "owner": deal.get("owner_id") or "unknown",
        "team": owner.team if owner else "unknown",
        "source": deal.get("source") or "unknown",
    }


def _retention(world: World, members: dict[str, dict[str, str]]) -> Iterator[Row]:
    """M26 for every finished month: this month's end against the end of the month a year before."""
    today = world.lived_until
    firsts = [line.start for line in world.contracts.values()]
    month = min(firsts, default=today).replace(day=1)
    while months_later(month, 1) <= today:
        last, before = months_later(month, 1) - timedelta(days=1), months_later(month, -11) - timedelta(days=1)
        cells: dict[tuple[str, str], list[tuple[Decimal, Decimal, Decimal]]] = defaultdict(list)
        for key, lines in world.customers.items():
            opening, _ = standing(lines, before, today)
            closing, is_late = standing(lines, last, today)
            if opening or closing:
                for dimension, member in members[key].items():
                    cells[dimension, member].append((opening, closing, closing if is_late else Decimal(0)))
        for (dimension, member), held in cells.items():
            yield {"month": month.isoformat(), "dimension": dimension, "member": member} | _movements(held)
        month = months_later(month, 1)


def _movements(held: list[tuple[Decimal, Decimal, Decimal]]) -> Row:
    base = [(opening, closing) for opening, closing, _ in held if opening]
    opening_arr = sum((opening for opening, _ in base), Decimal(0))
    kept = sum((min(pair) for pair in base), Decimal(0))
    same = sum((closing for _, closing in base), Decimal(0))
    return {
        "opening_arr": str(opening_arr),
        "expansion": str(sum((max(b - a, Decimal(0)) for a, b in base), Decimal(0))),
        "contraction": str(sum((a - b for a, b in base if 0 < b < a), Decimal(0))),
        "churn": str(sum((a for a, b in base if not b), Decimal(0))),
        "new_arr": str(sum((closing for opening, closing, _ in held if not opening), Decimal(0))),
        "closing_arr": str(sum((closing for _, closing, _ in held), Decimal(0))),
        "late_arr": str(sum((late for _, _, late in held), Decimal(0))),
        "customer_count": len(base),
        "churned_count": sum(not b for _, b in base),
        "new_count": sum(not opening for opening, _, _ in held),
        "grr": float(kept / opening_arr) if opening_arr else None,
        "nrr": float(same / opening_arr) if opening_arr else None,
    }


def _acquisition(world: World, members: dict[str, dict[str, str]]) -> Iterator[Row]:
    """M27: customers at the end of their first twelve months, by what won them."""
    today = world.lived_until
    cells: dict[tuple[str, str], list[tuple[bool, Decimal, Decimal]]] = defaultdict(list)
    for key, lines in world.customers.items():
        if not lines or first_of(lines).start > today:
            continue
        start = first_of(lines).start
        anniversary = months_later(start, 12)
        opening, closing = standing(lines, start, today)[0], standing(lines, anniversary, today)[0]
        for dimension, member in members[key].items():
            cells[dimension, member].append((anniversary <= today, opening, closing))
    for (dimension, member), held in sorted(cells.items()):
        matured = [(opening, closing) for is_matured, opening, closing in held if is_matured]
        yield {
            "dimension": dimension,
            "member": member,
            "customer_count": len(held),
            "matured_count": len(matured),
            "churned_count": sum(not closing for _, closing in matured),
            "opening_arr": str(sum((a for a, _ in matured), Decimal(0))),
            "closing_arr": str(sum((b for _, b in matured), Decimal(0))),
            "kept_arr": str(sum((min(pair) for pair in matured), Decimal(0))),
        }


def _targets(world: World) -> dict[tuple[str, str, date], int]:
    """(dimension, member, month) -> target in force: a leaver's stays with the team alone, and a team's own line is the
    whole team's, whoever has joined it with a target."""
    found: dict[tuple[str, str, date], int] = defaultdict(int)
    lines = budget.in_force(world).values()
    whole = {(line.team, line.month) for line in lines if line.owner_id is None}
    for line in lines:
        owner = world.owner(line.owner_id)
        if owner is not None:
            left = owner.archived_at and world.calendar.local_date(owner.archived_at)
            if not left or left >= line.month:
                found["owner", owner.id, line.month] += line.amount
        if owner is None or (line.team, line.month) not in whole:
            found["team", line.team, line.month] += line.amount
            found["company", "all", line.month] += line.amount
    return found


def quarter_of(day: date) -> date:
    """The first day of a calendar quarter."""
    return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)


def _by_period(targets: dict[tuple[str, str, date], int]) -> dict[tuple[str, str, str, date], int | None]:
    """(grain, dimension, member, start) -> target; a quarter has one when its three months do."""
    months: dict[tuple[str, str, date], list[int]] = defaultdict(list)
    for (dimension, member, month), amount in targets.items():
        months[dimension, member, quarter_of(month)].append(amount)
    found: dict[tuple[str, str, str, date], int | None] = {("month", *key): amount for key, amount in targets.items()}
    for key, amounts in months.items():
        found["quarter", *key] = sum(amounts) if len(amounts) == 3 else None
    return found


def _attainment(world: World, deals: Iterable[Row]) -> Iterator[Row]:
    """M22: what was won in each period against its target, and where the running ones stand among the past."""
    today = world.lived_until
    wins: dict[tuple[str, str], list[tuple[date, Decimal]]] = defaultdict(list)
    for deal in deals:
        if deal["outcome"] == "won" and deal["booking_date"] and deal["amount_base"]:
            owner = world.owner(deal["owner_id"])
            win = (date.fromisoformat(deal["booking_date"]), Decimal(deal["amount_base"]))
            for key in (("company", "all"), ("owner", deal["owner_id"]), ("team", owner.team if owner else "unknown")):
                wins[key].append(win)
    targets = {key: amount for key, amount in _by_period(_targets(world)).items() if key[3] <= today}
    past: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    rows: list[tuple[tuple[str, str, str], Row, float | None]] = []
    for (grain, dimension, member, start), target in targets.items():
        end = months_later(start, 1 if grain == "month" else 3)
        stop = _same_place(world, start, end, today, grain)

        def won(last: date, start: date = start, held: list[tuple[date, Decimal]] = wins[dimension, member]) -> Decimal:
            return sum((amount for day, amount in held if start <= day <= last), Decimal(0))

        whole, paced = won(end - timedelta(days=1)), won(stop)
        row = {
            "period_grain": grain,
            "period_start": start.isoformat(),
            "dimension": dimension,
            "member": member,
            "target": target,
            "won_value": str(whole),
            "attainment_rate": float(whole) / target if target else None,
        }
        pace = float(paced) / target if target else None
        if end <= today and pace is not None:
            past[grain, dimension, member].append(pace)
        rows.append(((grain, dimension, member), row, pace if end > today else None))
    for key, row, pace in rows:
        yield row | {"pace_gap": pace - median(past[key]) if pace is not None and past[key] else None}


def _same_place(world: World, start: date, end: date, today: date, grain: str) -> date:
    """The last day of a period that is no more working days into it than today is into its own."""
    own = today.replace(day=1) if grain == "month" else quarter_of(today)
    place = _workdays(world, own, today)
    day = start
    while day + timedelta(days=1) < end and _workdays(world, start, day + timedelta(days=1)) <= place:
        day += timedelta(days=1)
    return min(day, today)


def _workdays(world: World, first: date, last: date) -> int:
    return sum(world.calendar.is_workday(first + timedelta(days=n)) for n in range((last - first).days + 1))


def of(world: World, deals: dict[str, Row]) -> dict[str, Any]:
    """The lines of both sheets, and what they say."""
    members = {key: _acquirers(world, deals, lines) for key, lines in world.customers.items() if lines}
    return {
        "contracts": {line.id: _line(line, deals) for line in world.contracts.values()},
        "retention": list(_retention(world, members)),
        "acquisition_quality": list(_acquisition(world, members)),
        "attainment": list(_attainment(world, deals.values())),
        "sheets": {
            "contracts": {"rows": len(world.contracts), "refused": len(sheets.UNUSABLE_CONTRACTS)},
            "targets": {"rows": len(world.targets), "refused": 1},
        },
    }


def _line(line: Contract, deals: dict[str, Row]) -> Row:
    return {
        "company_id": line.company_id,
        "deal_id": line.deal_id,
        "start_date": line.start.isoformat(),
        "end_date": line.end.isoformat() if line.end else None,
        "yearly": str(line.yearly),
        "currency": line.currency,
        "owner_id": deals.get(line.deal_id or "", {}).get("owner_id"),
    }
