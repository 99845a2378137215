"""The real clock, as the rest of the code may see it. The only place where the wall clock is read."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

# goes on while the machine sleeps, where the system has such a clock
_TICKS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass(frozen=True)
class Clock:
    """Real time plus an offset: a practice company that was told to live ahead takes its clock along.

    The wall clock is read once. From then on seconds are counted, so that a clock that is set in the middle of a night
    moves no cursor and no instant of it.
    """

    offset: timedelta = timedelta(0)
    _began: datetime = field(default_factory=lambda: datetime.now(UTC))
    _ticks: float = field(default_factory=lambda: time.clock_gettime(_TICKS))

    def now(self) -> datetime:
        return self._began + timedelta(seconds=time.clock_gettime(_TICKS) - self._ticks) + self.offset

    @classmethod
    def at_least(cls, instant: datetime) -> Clock:
        """A clock that shows `instant` now, or real time where that is later."""
        return cls(max(instant - datetime.now(UTC), timedelta(0)))


def parse_instant(text: str) -> datetime:
    """An ISO instant with its zone, in UTC. A bare date or an instant without a zone is a ValueError."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no zone: write it like 2026-03-31T22:00:00Z")
    return instant.astimezone(UTC)
