"""The three clocks of freshness, one row on each side of every boundary."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from salesops.config import Company, Freshness, FreshnessRule
from salesops.freshness import ObjectAge, bank_hours_between, business_hours_between, judge

NOW = datetime(2026, 3, 31, 1, 15, tzinfo=UTC)
RULE = FreshnessRule(
    warn_hours=26, error_hours=50, event_warn_business_hours=27, event_error_business_hours=45, on_error="block"
)


def age(**changes) -> ObjectAge:
    values = {
        "source": "hubspot",
        "name": "deals",
        "state": "ok",
        "reason": None,
        "last_success_at": NOW,
        "newest_event_at": NOW - timedelta(hours=12),
        "latest_stamp_at": NOW - timedelta(hours=12),
        "rows": 10,
    }
    return ObjectAge(**values | changes)


@pytest.mark.parametrize(
    ("hours", "level"), [(0, "passed"), (26, "passed"), (26.1, "warned"), (50, "warned"), (50.1, "failed")]
)
def test_the_age_of_the_extraction(hours, level):
    assert judge(age(last_success_at=NOW - timedelta(hours=hours)), RULE, NOW, NOW, 0.0).level == level


@pytest.mark.parametrize(("hours", "level"), [(27, "passed"), (27.5, "warned"), (45, "warned"), (45.5, "failed")])
def test_the_age_of_the_newest_event(hours, level):
    assert judge(age(), RULE, NOW, NOW, hours).level == level


def test_the_worst_clock_decides():
    judged = judge(age(last_success_at=NOW - timedelta(hours=30)), RULE, NOW, NOW, 50.0)
    assert judged.level == "failed" and "newest event" in judged.reason


@pytest.mark.parametrize(("hours", "level"), [(23, "passed"), (25, "failed")])
def test_a_stamp_in_the_future_fails(hours, level):
    """It would keep the source fresh for ever."""
    assert judge(age(latest_stamp_at=NOW + timedelta(hours=hours)), RULE, NOW, NOW, 0.0).level == level


def test_an_object_that_was_never_read_does_not_pass():
    assert judge(age(last_success_at=None, state="failed", reason="down"), RULE, NOW, NOW, None).level == "warned"


def test_a_failure_tonight_does_not_pass_while_yesterday_is_young():
    judged = judge(age(state="failed", reason="503", last_success_at=NOW - timedelta(hours=24)), RULE, NOW, NOW, 1.0)
    assert judged.level == "warned" and "503" in judged.reason


def test_a_missing_permission_warns_with_its_scope():
    judged = judge(age(state="not_permitted", reason="lacks the scope x.read"), RULE, NOW, NOW, 1.0)
    assert judged.level == "warned" and "x.read" in judged.reason


def test_an_empty_object_has_no_newest_event_to_be_late():
    assert judge(age(rows=0, newest_event_at=None, latest_stamp_at=None), RULE, NOW, NOW, None).level == "passed"


COMPANY = Company()  # Stockholm, 08:00-17:00


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=COMPANY.zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-03-23T08:00", "2026-03-23T17:00", 9),
        ("2026-03-23T16:00", "2026-03-24T09:00", 2),
        ("2026-03-20T17:00", "2026-03-23T08:00", 0),  # a weekend
        ("2026-03-27T16:00", "2026-03-30T09:00", 2),  # over the hour that daylight saving skips
        ("2026-04-02T16:00", "2026-04-07T09:00", 2),  # Easter: two holidays
        ("2026-03-24T09:00", "2026-03-23T09:00", 0),  # the wrong way round
    ],
)
def test_business_hours_leave_out_nights_weekends_and_holidays(start, end, hours):
    holidays = {date(2026, 4, 3), date(2026, 4, 6)}
    assert business_hours_between(at(start), at(end), COMPANY, holidays) == hours


EASTER = {date(2026, 4, 3): "Good Friday", date(2026, 4, 6): "Easter Monday"}


@pytest.mark.parametrize(
    ("newest", "night", "hours", "level"),
    [
        ("2026-03-24", "2026-03-25 03:15", 11.25, "passed"),
        ("2026-03-20", "2026-03-23 03:15", 11.25, "passed"),
        ("2026-04-02", "2026-04-07 15:59", 23.98, "passed"),
        ("2026-04-02", "2026-04-08 03:15", 35.25, "passed"),
        ("2026-04-02", "2026-04-09 03:15", 59.25, "warned"),
        ("2026-03-26", "2026-04-02 16:00", 120, "warned"),
        ("2026-03-26", "2026-04-06 03:15", 120, "warned"),
        ("2026-03-26", "2026-04-07 03:15", 131.25, "failed"),
    ],
    ids=[
        "yesterday's", "Friday's on Monday", "Thursday's on Easter Tuesday", "one day is missing", "two are",
        "five bank days", "Easter adds none", "the next bank day",
    ],
)  # fmt: skip
def test_rates_age_in_bank_days_through_weekends_easter_and_summer_time(newest, night, hours, level):
    published = at(f"{newest} 16:00")
    age_hours = bank_hours_between(published, at(night), EASTER)
    assert age_hours == pytest.approx(hours, abs=0.01)
    rule = Freshness().rule("exchange_rates", "reference_rates")
    last = {"last_success_at": at(night), "newest_event_at": published, "latest_stamp_at": published}
    judged = judge(age(source="exchange_rates", **last), rule, at(night), at(night), age_hours)
    assert judged.level == level and ("hours of bank days" in judged.reason) == (level != "passed")


def test_rates_that_nobody_needs_are_not_late():
    idle = age(source="exchange_rates", state="skipped", reason="not asked: no amount ..", last_success_at=None, rows=0)
    judged = judge(idle, Freshness().rule("exchange_rates", "reference_rates"), NOW, NOW, None)
    assert (judged.level, judged.reason) == ("passed", "not asked: no amount ..")
