"""How old a source object is, on its own clocks, and whether that is too old. Pure: the caller fetches.

Three clocks: the last successful extraction (real hours), the newest event (business hours up to the as-of instant;
an empty Sunday is not an outage), and the last publication (which the summary and the doctor show).
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from salesops.config import Company, FreshnessRule

CLOCK_SKEW = timedelta(hours=24)


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
    if age.last_success_at is None:
        return Judgement("warned", f"never read: {age.reason or age.state}")
    findings = [
        _over("last successful extraction", (now - age.last_success_at) / timedelta(hours=1), "h ago",
              rule.warn_hours, rule.error_hours),
    ]  # fmt: skip
    if age.rows and event_hours is not None:
        findings.append(
            _over("newest event", event_hours, "business hours before the as-of instant",
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
    hours, zone = timedelta(0), company.zone
    day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    while day <= last:
        if day.weekday() < 5 and day not in holidays:
            opens = datetime.combine(day, company.business_hours.start, zone)
            closes = datetime.combine(day, company.business_hours.end, zone)
            hours += max(min(closes, end) - max(opens, start), timedelta(0))
        day += timedelta(days=1)
    return hours / timedelta(hours=1)


def _over(what: str, age: float, unit: str, warn: float | None, error: float | None) -> Judgement:
    if error is not None and age > error:
        return Judgement("failed", f"{what} {age:.0f} {unit}, allowed {error:g}")
    if warn is not None and age > warn:
        return Judgement("warned", f"{what} {age:.0f} {unit}, expected within {warn:g}")
    return Judgement("passed", f"{what} {age:.0f} {unit}")
