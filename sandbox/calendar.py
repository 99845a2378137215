"""The practice company's working time: zone, business hours, Swedish holidays. Instants are epoch milliseconds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import holidays

from sandbox.store import milliseconds

DAY = 86_400_000
MINUTE = 60_000


class WorkCalendar:
    """Mon-Fri, 08-17 local, less the public and the de-facto holidays of Sweden."""

    def __init__(self, zone: str = "Europe/Stockholm", opens: int = 8, closes: int = 17) -> None:
        self.zone = ZoneInfo(zone)
        self.opens, self.closes = opens, closes
        self._noon: dict[date, int] = {}

    @cached_property
    def holidays(self) -> holidays.HolidayBase:
        return holidays.country_holidays("SE", categories=("public", "de_facto"), include_sundays=False)

    def is_workday(self, day: date) -> bool:
        """Neither weekend nor holiday."""
        return day.weekday() < 5 and day not in self.holidays

    def local_date(self, at: int) -> date:
        """The company's date at an instant."""
        return datetime.fromtimestamp(at / 1000, self.zone).date()

    def instant(self, day: date, minute: float) -> int:
        """`minute` local minutes after midnight, counted from noon so that clock changes do not shift it."""
        noon = self._noon.get(day)
        if noon is None:
            noon = self._noon[day] = milliseconds(datetime(day.year, day.month, day.day, 12, tzinfo=self.zone))
        return noon + round((minute - 720) * MINUTE)

    def midnight(self, day: date) -> int:
        """The instant a local day starts."""
        return milliseconds(datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC))

    def next_workday(self, day: date) -> date:
        """The day itself, or the first workday after it."""
        while not self.is_workday(day):
            day += timedelta(days=1)
        return day

    def business_minutes(self, start: int, stop: int) -> float:
        """Overlap of [start, stop] with the working windows."""
        total = 0
        day, last = self.local_date(start), self.local_date(stop)
        while day <= last:
            if self.is_workday(day):
                opens, closes = self.instant(day, self.opens * 60), self.instant(day, self.closes * 60)
                total += max(0, min(stop, closes) - max(start, opens))
            day += timedelta(days=1)
        return total / MINUTE

    def add_business_minutes(self, start: int, minutes: float) -> int:
        """The instant at which `minutes` of working time have passed since `start`."""
        left = round(minutes * MINUTE)
        day = self.local_date(start)
        while True:
            if self.is_workday(day):
                opens = max(start, self.instant(day, self.opens * 60))
                closes = self.instant(day, self.closes * 60)
                if closes - opens > left:
                    return opens + left
                left -= max(0, closes - opens)
            day += timedelta(days=1)

    def utc_offset(self, at: int) -> int:
        """Milliseconds that local time is ahead of UTC."""
        offset = datetime.fromtimestamp(at / 1000, self.zone).utcoffset()
        return round(offset.total_seconds() * 1000) if offset else 0
