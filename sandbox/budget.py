"""The practice company's sales targets: planned each December, handed over by a leaver, raised once in mid-quarter.

Two teams plan by seller, the third for the whole team. `World.targets` is the targets sheet; `sheets` writes it down.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.world import Owner, World

PLANNED_AS_A_TEAM = "Partner and Expansion"
RAISED_TEAM, RAISED_BY = "New Business", 1.1
TEAM_FACTORS = {"New Business": 1.0, "Enterprise": 1.15, PLANNED_AS_A_TEAM: 0.95}
EXPECTED_PER_DEAL = 58_000  # what a deal brings in the end, lost ones included
MONTHS_TO_LEARN = 3  # a newcomer has no target of his own


@dataclass(frozen=True)
class Target:
    """One line of the sheet: of a seller (owner_id) or of a whole team, from `valid_from` on (None: from the start)."""

    owner_id: str | None
    team: str
    month: date
    amount: int
    valid_from: date | None = None


def months_of(year: int, first: int = 1) -> list[date]:
    """The first days of a year's months."""
    return [date(year, month, 1) for month in range(first, 13)]


def _quota(world: World, team: str, growth: float) -> float:
    return world.size.deals * EXPECTED_PER_DEAL / 24 / world.size.sellers * TEAM_FACTORS[team] * growth


def _round(amount: float) -> int:
    return max(10_000, round(amount / 10_000) * 10_000)


def plan(world: World, rng: Random, at: int, months: list[date]) -> None:
    """Targets for these months, for everybody employed now."""
    growth = 1.0 if months[0].year <= world.start.year + 1 else 1.08
    team_size = 0
    for owner in world.sellers():
        if owner.team == PLANNED_AS_A_TEAM:
            team_size += 1
            continue
        amount = _round(_quota(world, owner.team, growth) * rng.choice((0.9, 1.0, 1.0, 1.1)))
        world.targets += [Target(owner.id, owner.team, month, amount) for month in months]
    if team_size:
        amount = _round(_quota(world, PLANNED_AS_A_TEAM, growth) * team_size)
        world.targets += [Target(None, PLANNED_AS_A_TEAM, month, amount) for month in months]


def plan_first(world: World, rng: Random, at: int) -> None:
    """Day one: the rest of the year from next month on, and the next one when it is near."""
    today = world.calendar.local_date(at)
    if today.month < 12:
        plan(world, rng, at, months_of(today.year, today.month + 1))
    if today.month >= 10:
        plan(world, rng, at, months_of(today.year + 1))


def plan_day(world: World, day: date) -> None:
    """December: next year's targets. Some eighteen months in, on the 15th: one team's are raised for what is left."""
    planned = {target.month.year for target in world.targets}
    if day.month == 12 and day.day >= 10 and day.year + 1 not in planned and world.calendar.is_workday(day):
        world.schedule(world.calendar.instant(day, 15 * 60), plan, months_of(day.year + 1))
    around = world.start + timedelta(days=520)
    if day == around.replace(day=15):
        world.schedule(world.calendar.instant(day, 10 * 60), raise_team, day)


def in_force(world: World) -> dict[tuple[str | None, str, date], Target]:
    """The newest line for each seller or team and month."""
    return {(line.owner_id, line.team, line.month): line for line in world.targets}


def raise_team(world: World, rng: Random, at: int, day: date) -> None:
    """A second version of the targets of this quarter's months from this one on."""
    for line in in_force(world).values():
        is_due = (line.month.year, (line.month.month - 1) // 3) == (day.year, (day.month - 1) // 3)
        if line.team == RAISED_TEAM and is_due and line.month >= day.replace(day=1) and line.amount:
            raised = _round(line.amount * RAISED_BY + 5_000)
            world.targets.append(Target(line.owner_id, line.team, line.month, raised, day))


def hand_over(world: World, at: int, leaver: Owner, newcomer: Owner) -> None:
    """The successor takes the targets over after the first months; until then they stay with the team."""
    today = world.calendar.local_date(at)
    held = [line for line in in_force(world).values() if line.owner_id == leaver.id and line.month > today]
    for line in sorted(held, key=lambda line: line.month)[MONTHS_TO_LEARN:]:
        world.targets.append(Target(leaver.id, line.team, line.month, 0, today))
        world.targets.append(Target(newcomer.id, newcomer.team, line.month, line.amount))
