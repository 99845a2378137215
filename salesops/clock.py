"""The real clock, as the rest of the code may see it. The only place where the wall clock is read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True)
class Clock:
    """Real time plus an offset: a practice company that was told to live ahead takes its clock along."""

    offset: timedelta = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

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
