"""When a schedule is due: every hour, every day or once a week, by the clocks of one time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django.db import models

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
# Names in the database of time zones that are no places: the machine's own, and "no zone".
NO_PLACES = {"localtime", "Factory"}


class Every(models.TextChoices):
    HOUR = "hour", "Every hour"
    DAY = "day", "Every day"
    WEEK = "week", "Every week"


class Weekday(models.TextChoices):
    MONDAY = "monday", "Monday"
    TUESDAY = "tuesday", "Tuesday"
    WEDNESDAY = "wednesday", "Wednesday"
    THURSDAY = "thursday", "Thursday"
    FRIDAY = "friday", "Friday"
    SATURDAY = "saturday", "Saturday"
    SUNDAY = "sunday", "Sunday"


@dataclass(frozen=True)
class Rhythm:
    """`at` is the time on the clocks of `zone`, of which only the minutes count for Every.HOUR; `weekday` is for
    Every.WEEK alone, else it is empty."""

    every: str
    at: time
    zone: str
    weekday: str = ""

    def __str__(self) -> str:
        if self.every == Every.HOUR:
            minutes = "1 minute" if self.at.minute == 1 else f"{self.at.minute} minutes"
            return f"Every hour, {minutes} past" if self.at.minute else "Every hour, on the hour"
        days = f"{Weekday(self.weekday).label}s" if self.every == Every.WEEK else "Every day"
        return f"{days} at {self.at:%H:%M}"

    def next_after(self, moment: datetime) -> datetime:
        """The first due moment after `moment`, in UTC.

        A time that the clocks leave out on that day is due at the first moment after the gap, one that they show twice
        only at the first of both; hourly ones are due once in each hour that passes. Raises ZoneInfoNotFoundError.
        """
        zone = ZoneInfo(self.zone)
        if self.every == Every.HOUR:
            return self._next_hour(moment, zone)
        today = moment.astimezone(zone).date()
        # From yesterday on: where the clocks leave out midnight, yesterday's time may still be to come.
        days = (today + timedelta(days=count) for count in range(-1, 10))
        due = (_moment(day, self.at, zone) for day in days if self._is_on(day))
        return next(one for one in due if one > moment)

    def _is_on(self, day: date) -> bool:
        return self.every == Every.DAY or list(Weekday)[day.weekday()] == self.weekday

    def _next_hour(self, moment: datetime, zone: ZoneInfo) -> datetime:
        due = moment.astimezone(UTC).replace(second=0, microsecond=0) + MINUTE
        while due.astimezone(zone).minute != self.at.minute:
            due += MINUTE
        return due


@lru_cache(maxsize=1)
def zones() -> list[str]:
    """The names of all time zones that this machine knows, such as Europe/Berlin."""
    return sorted(available_timezones() - NO_PLACES)


def clocks_of(zone: str) -> tzinfo:
    """UTC in place of a zone that this machine does not know, or no longer."""
    try:
        return ZoneInfo(zone)
    except ZoneInfoNotFoundError:
        return UTC


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """When the clocks of `zone` show `at` for the first time on `day`, in UTC; if they skip it, the end of the gap."""
    local = datetime.combine(day, at, zone)
    moment = local.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return moment
    # In a gap (PEP 495), fold=1 reads the time by the offset after it, which gives a moment before the gap's end.
    early = local.replace(fold=1).astimezone(UTC)
    before = early.astimezone(zone).utcoffset()
    while moment - early > SECOND:
        middle = early + (moment - early) // 2
        early, moment = (middle, moment) if middle.astimezone(zone).utcoffset() == before else (early, middle)
    return moment.replace(microsecond=0)
