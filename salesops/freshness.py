"""How old a source object is, on its own clocks, and whether that is too old. Pure: the caller fetches.

Three clocks: the last successful extraction (real hours), the newest event (business hours up to the as-of instant;
an empty Sunday is not an outage), and the last publication (which the summary and the doctor show).
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from ingestion.exchange_rates import published_at
from salesops.config import Company, FreshnessRule

CLOCK_SKEW = timedelta(hours=24)
LATE = timedelta(hours=30)  # since it was made: what each night makes should have been made again


@dataclass(frozen=True)
class ObjectAge:
    """What raw knows of one object. Instants are aware UTC; `state` is tonight's, as raw.sync_state has it."""

    source: str
    name: str
    state: str
    reason: str | None
    last_success_at: datetime | None
    newest_event_at: datetime | None
    latest_stamp_at: datetime | None
    rows: int

    @property
    def event_unit(self) -> str:
        return "hours of bank days" if self.source == "exchange_rates" else "business hours"


@dataclass(frozen=True)
class Judgement:
    level: Literal["passed", "warned", "failed"]
    reason: str


def judge(age: ObjectAge, rule: FreshnessRule, now: datetime, as_of: datetime, event_hours: float | None) -> Judgement:
    """The worst of what the clocks say. A stamp in the future fails: it would stay green for ever."""
    if age.latest_stamp_at is not None and age.latest_stamp_at > now + CLOCK_SKEW:
        return Judgement("failed", f"holds an event at {age.latest_stamp_at:%Y-%m-%d %H:%M}, later than now + 24 h")
    if age.state == "not_permitted":
        return Judgement("warned", age.reason or "not permitted")
    if age.state == "skipped":
        return Judgement("passed", age.reason or "not asked")
    if age.last_success_at is None:
        return Judgement("warned", f"never read: {age.reason or age.state}")
    findings = [
        _over("last successful extraction", (now - age.last_success_at) / timedelta(hours=1), "h ago",
              rule.warn_hours, rule.error_hours),
    ]  # fmt: skip
    if age.rows and event_hours is not None:
        findings.append(
            _over("newest event", event_hours, f"{age.event_unit} before the as-of instant",
                  rule.event_warn_business_hours, rule.event_error_business_hours)
        )  # fmt: skip
    for level in ("failed", "warned"):
        for finding in findings:
            if finding.level == level:
                return finding
    if age.state == "failed":
        return Judgement("warned", f"failed tonight: {age.reason}")
    return findings[0]


def business_hours_between(start: datetime, end: datetime, company: Company, holidays: Container[date]) -> float:
    """Hours of the company's working time in [start, end]; 0 when end is not after start."""
    zone, hours = company.zone, company.business_hours
    return _overlap(
        start,
        end,
        holidays,
        lambda day: (datetime.combine(day, hours.start, zone), datetime.combine(day, hours.end, zone)),
    )


def bank_hours_between(start: datetime, end: datetime, holidays: Container[date]) -> float:
    """Hours of [start, end] that belong to a bank day: each begins when the day before it is published."""
    return _overlap(
        start,
        end,
        holidays,
        lambda day: (published_at((day - timedelta(days=1)).isoformat()), published_at(day.isoformat())),
    )


def _overlap(
    start: datetime, end: datetime, holidays: Container[date], window: Callable[[date], tuple[datetime, datetime]]
) -> float:
    """Hours of [start, end] inside the windows of working days."""
    hours, day = timedelta(0), start.date() - timedelta(days=1)
    while day <= end.date() + timedelta(days=1):
        if day.weekday() < 5 and day not in holidays:
            opens, closes = (edge.astimezone(UTC) for edge in window(day))
            hours += max(min(closes, end) - max(opens, start), timedelta(0))
        day += timedelta(days=1)
    return hours / timedelta(hours=1)


def _over(what: str, age: float, unit: str, warn: float | None, error: float | None) -> Judgement:
    if error is not None and age > error:
        return Judgement("failed", f"{what} {age:.0f} {unit}, allowed {error:g}")
    if warn is not None and age > warn:
        return Judgement("warned", f"{what} {age:.0f} {unit}, expected within {warn:g}")
    return Judgement("passed", f"{what} {age:.0f} {unit}")
