"""The practice company: a Nordic B2B software firm that lives day by day, the same way for the same seed and start.

Each local day draws from its own generator, seeded by (seed, day), and leaves its plans on one queue of timed
actions; so living one more day never alters an earlier one. What people do is in `people` and `deals`; the records
and the log of what happened are in `store`.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from sandbox import people
from sandbox.budget import Target
from sandbox.calendar import WorkCalendar
from sandbox.contracts import Contract
from sandbox.rates import ReferenceRates
from sandbox.registers import Registered
from sandbox.store import Record, Store, instant_of, iso, milliseconds

LIVED_DAYS = 730
QUIET_AFTER_DAYS = 600  # no more inherited duplicates from here on: later nights must not be refused for them


@dataclass(frozen=True)
class Size:
    """How much there is at the end of the first two years."""

    sellers: int
    companies: int
    contacts: int
    deals: int
    activities: int


SIZES = {
    "tiny": Size(4, 30, 60, 50, 220),
    "small": Size(6, 110, 250, 150, 1_100),
    "default": Size(14, 900, 2_500, 1_200, 9_000),
    "large": Size(60, 9_000, 25_000, 12_000, 90_000),
}


@dataclass
class Owner:
    """A seller. `id` is what records carry; `user_id` is who made a change."""

    id: str
    user_id: int
    email: str
    first_name: str
    last_name: str
    team_id: str
    team: str
    created_at: int
    updated_at: int
    skill: float
    archived_at: int | None = None


@dataclass(frozen=True)
class Causes:
    """What is wrong on purpose, for the analyses to find."""

    overselling_owner_id: str  # wins more than the others, and the customers leave
    leak_pipeline_id: str
    leak_stage_id: str
    leak_source: str
    leak_since: date
    decaying_source: str
    decay_since: date
    slow_team: str  # to answer leads
    cleanup_day: date  # old open deals are closed as lost in one go


@dataclass
class World:
    """One lived company. Make it with `live` or `load`."""

    seed: int
    size_name: str
    start: date
    end: date
    zone: str = "Europe/Stockholm"
    store: Store = field(default_factory=Store)
    owners: list[Owner] = field(default_factory=list)
    duplicates: list[dict[str, str]] = field(default_factory=list)
    employees: dict[str, list[str]] = field(default_factory=dict)
    company_keys: list[str] = field(default_factory=list)
    registered: dict[str, Registered] = field(default_factory=dict)  # company -> what its country's register has
    company_names: set[str] = field(default_factory=set)
    contracts: dict[str, Contract] = field(default_factory=dict)  # the lines of the contract sheet
    contract_number: int = 1_000
    customers: dict[str, list[Contract]] = field(default_factory=dict)  # the same lines by company
    targets: list[Target] = field(default_factory=list)  # the lines of the targets sheet
    queue: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = field(default_factory=list)
    queued: int = 0
    touches: int = 0  # writes by tests since the last lived day: each moves `now` by a second
    silent: set[str] = field(default_factory=set)  # days (ISO) on which nothing happened: what was due came after them
    read: dict[str, str] = field(
        default_factory=dict
    )  # day -> instant (ISO): until then the day was read before it was lived
    outside_clock: int = 0  # milliseconds; writes from outside are not stamped before it

    def __post_init__(self) -> None:
        self.calendar = WorkCalendar(self.zone)
        self.rates = ReferenceRates(self.seed)  # what the central bank prints, and what the truth converts with
        self.size = SIZES[self.size_name]
        self.lived_until = self.start

    @property
    def causes(self) -> Causes:
        leak = self.start + timedelta(days=540)
        return Causes(
            overselling_owner_id=self.owners[3].id,
            leak_pipeline_id="default",
            leak_stage_id="presentationscheduled",
            leak_source="PAID_SEARCH",
            leak_since=leak - timedelta(days=leak.weekday()),
            decaying_source="PAID_SOCIAL",
            decay_since=self.start + timedelta(days=300),
            slow_team="Enterprise",
            cleanup_day=self.calendar.next_workday(self.start + timedelta(days=640)),
        )

    @property
    def now(self) -> int:
        """The portal's clock: the end of the last lived day, later by a second for each write since."""
        return self.calendar.midnight(self.lived_until) + self.touches * 1_000

    def stamp(self) -> int:
        """The instant of a write from outside: always later than the one before."""
        self.touches += 1
        return max(self.now, self.outside_clock)

    def schedule(self, at: int, action: Callable[..., None], *arguments: Any) -> None:
        """Plan an action; it runs when its instant is lived."""
        self.queued += 1
        heapq.heappush(self.queue, (at, self.queued, action, arguments))

    def live(self) -> World:
        """Live every day before `end`."""
        while self.lived_until < self.end:
            self._live_day()
        return self

    def tick(self, days: int = 1) -> World:
        """Live some more days."""
        self.end += timedelta(days=days)
        return self.live()

    def was_read(self, until: datetime) -> None:
        """A reader has asked for what changed up to `until`: the day's events, still unlived, come after it."""
        following = self.end + timedelta(days=1)
        if self.calendar.midnight(self.end) < milliseconds(until) < self.calendar.midnight(following):
            self.read[self.end.isoformat()] = until.isoformat()

    def be_silent(self, days: int) -> World:
        """Live days on which nobody touches the CRM."""
        self.silent |= {(self.end + timedelta(days=n)).isoformat() for n in range(days)}
        return self.tick(days)

    def _live_day(self) -> None:
        day = self.lived_until
        rng = Random(f"{self.seed}:{day.isoformat()}")
        if day == self.start:
            people.found_company(self, rng, day)
        is_silent = day.isoformat() in self.silent
        if not is_silent:
            people.plan_day(self, rng, day)
        morning, midnight = self.calendar.midnight(day), self.calendar.midnight(day + timedelta(days=1))
        read = instant_of(self.read[day.isoformat()]) if day.isoformat() in self.read else morning
        while self.queue and self.queue[0][0] < midnight:
            at, _, action, arguments = heapq.heappop(self.queue)
            if is_silent:
                self.schedule(at + 86_400_000, action, *arguments)
            elif at < read:
                self.schedule(read + (at - morning) * (midnight - read) // (midnight - morning), action, *arguments)
            else:
                action(self, rng, at, *arguments)
        self.lived_until = day + timedelta(days=1)
        self.touches = 0

    def count(self, rng: Random, total: float) -> int:
        """How many of `total` in two years fall on one workday; the fraction is drawn."""
        expected = total / (LIVED_DAYS * 5 / 7)
        return int(expected) + (rng.random() < expected % 1)

    def work_time(self, rng: Random, day: date) -> int:
        """An instant in the business hours of a day, rarely in the evening."""
        if rng.random() < 0.03:
            return self.calendar.instant(day, rng.uniform(17 * 60, 21 * 60))
        return self.calendar.instant(day, rng.uniform(8 * 60 + 2, 17 * 60 - 2))

    def later(self, rng: Random, at: int, least: int, most: int) -> int:
        """A working instant some days after `at`."""
        day = self.calendar.local_date(at) + timedelta(days=rng.randint(least, most))
        return max(at + 60_000, self.work_time(rng, self.calendar.next_workday(day)))

    def sellers(self) -> list[Owner]:
        """Those employed now."""
        return [owner for owner in self.owners if owner.archived_at is None]

    def owner(self, owner_id: str | None) -> Owner | None:
        """An owner by the id that records carry."""
        return next((owner for owner in self.owners if owner.id == owner_id), None)

    def alive(self, object_type: str, record_id: str) -> Record | None:
        """The record, followed through merges; None when archived or erased."""
        record = self.store.resolve(object_type, record_id)
        return record if record is not None and record.archived_at is None else None

    def save(self, directory: Path) -> None:
        """Write what is needed to live it again."""
        directory.mkdir(parents=True, exist_ok=True)
        state = {
            "seed": self.seed,
            "size": self.size_name,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "timezone": self.zone,
            "silent": sorted(self.silent),
            "read": self.read,
            "now": iso(self.now),
        }
        partial = directory / "world.json.partial"
        partial.write_text(json.dumps(state, indent=1))
        partial.replace(directory / "world.json")


def live(seed: int = 7, size: str = "default", end: date = date(2026, 11, 1)) -> World:
    """A new company whose last lived day is the one before `end`."""
    return World(seed, size, end - timedelta(days=LIVED_DAYS), end).live()


def load(directory: Path) -> World:
    """Live again the company that `World.save` wrote down."""
    state = json.loads((directory / "world.json").read_text())
    start, end = date.fromisoformat(state["start"]), date.fromisoformat(state["end"])
    world = World(state["seed"], state["size"], start, end, state["timezone"])
    world.silent = set(state.get("silent", ()))
    world.read = dict(state.get("read", {}))
    return world.live()
