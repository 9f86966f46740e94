"""When schedules are due: moments that a person can check on a calendar."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from apps.jobs.schedules.rhythm import Every, Rhythm, zones

BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def due(rhythm: Rhythm, after: str, count: int) -> list[str]:
    """The next `count` due moments, in UTC."""
    moment, found = utc(after), []
    for _ in range(count):
        moment = rhythm.next_after(moment)
        assert moment.utcoffset() == UTC.utcoffset(None)
        found.append(f"{moment:%Y-%m-%d %H:%M}" + (f":{moment:%S}" if moment.second else ""))
    return found


def daily(at: str, zone: str = BERLIN) -> Rhythm:
    return Rhythm(Every.DAY, time.fromisoformat(at), zone)


def weekly(day: str, at: str, zone: str = BERLIN) -> Rhythm:
    return Rhythm(Every.WEEK, time.fromisoformat(at), zone, day)


def test_every_monday_stays_at_six_when_the_clocks_change():
    # 2026-10-25 is the Sunday on which summer time ends.
    assert due(weekly("monday", "06:00"), "2026-10-17 00:00", 3) == [
        "2026-10-19 04:00",
        "2026-10-26 05:00",
        "2026-11-02 05:00",
    ]


def test_the_moment_itself_is_not_after_itself():
    assert due(weekly("monday", "06:00"), "2026-10-19 03:59:59", 1) == ["2026-10-19 04:00"]
    assert due(weekly("monday", "06:00"), "2026-10-19 04:00:00", 1) == ["2026-10-26 05:00"]


def test_the_weekday_is_that_of_the_zone():
    # Monday 06:00 in Auckland is still Sunday in UTC.
    assert due(weekly("monday", "06:00", "Pacific/Auckland"), "2026-06-01 00:00", 1) == ["2026-06-07 18:00"]


@pytest.mark.parametrize(
    ("rhythm", "after", "expected"),
    [
        # 02:30 does not exist on 29 March 2026: the clocks go from 02:00 to 03:00, at 01:00 UTC.
        (daily("02:30"), "2026-03-28 00:00", ["2026-03-28 01:30", "2026-03-29 01:00", "2026-03-30 00:30"]),
        (daily("02:00"), "2026-03-28 12:00", ["2026-03-29 01:00", "2026-03-30 00:00"]),
        (daily("03:00"), "2026-03-28 12:00", ["2026-03-29 01:00", "2026-03-30 01:00"]),
        # 02:30 exists twice on 25 October 2026: the first of both, and once.
        (daily("02:30"), "2026-10-24 12:00", ["2026-10-25 00:30", "2026-10-26 01:30"]),
        # Between both of them, the day's is over.
        (daily("02:30"), "2026-10-25 00:45", ["2026-10-26 01:30"]),
        # Midnight does not exist on 6 September 2026 in Santiago: 00:00 becomes 01:00.
        (daily("00:00", "America/Santiago"), "2026-09-05 12:00", ["2026-09-06 04:00", "2026-09-07 03:00"]),
        # On Lord Howe Island the clocks change by half an hour.
        (daily("02:15", "Australia/Lord_Howe"), "2026-10-03 00:00", ["2026-10-03 15:30", "2026-10-04 15:15"]),
        # Samoa had no 30 December 2011.
        (weekly("friday", "10:00", "Pacific/Apia"), "2011-12-24 12:00", ["2011-12-30 10:00", "2012-01-05 20:00"]),
    ],
)
def test_times_that_the_clocks_skip_or_show_twice(rhythm, after, expected):
    assert due(rhythm, after, len(expected)) == expected


def test_a_daily_one_runs_once_on_each_day_of_a_year():
    found = due(daily("02:30"), "2025-12-31 12:00", 365)
    assert len({moment[:10] for moment in found}) == 365
    assert found[-1].startswith("2026-12-31")


def test_an_hourly_one_counts_the_minutes_of_its_zone():
    hourly = Rhythm(Every.HOUR, time(9, 15), "Asia/Kolkata")  # 5:30 ahead of UTC
    assert due(hourly, "2026-03-01 10:44", 2) == ["2026-03-01 10:45", "2026-03-01 11:45"]
    change = Rhythm(Every.HOUR, time(0, 30), BERLIN)
    expected = ["2026-10-24 23:30", "2026-10-25 00:30", "2026-10-25 01:30", "2026-10-25 02:30"]
    assert due(change, "2026-10-24 22:40", 4) == expected


@pytest.mark.parametrize(
    ("rhythm", "words"),
    [
        (weekly("monday", "06:05"), "Mondays at 06:05"),
        (daily("18:00"), "Every day at 18:00"),
        (Rhythm(Every.HOUR, time(9, 0), BERLIN), "Every hour, on the hour"),
        (Rhythm(Every.HOUR, time(9, 1), BERLIN), "Every hour, 1 minute past"),
        (Rhythm(Every.HOUR, time(9, 20), BERLIN), "Every hour, 20 minutes past"),
    ],
)
def test_in_words(rhythm, words):
    assert str(rhythm) == words


def test_only_places_are_offered():
    assert {"UTC", BERLIN, "America/New_York"} <= set(zones())
    assert not {"localtime", "Factory"} & set(zones())
