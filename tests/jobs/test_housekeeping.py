from __future__ import annotations

import pytest

from apps.jobs import housekeeping

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(housekeeping, "_chores", {})
    monkeypatch.setattr("apps.jobs.housekeeping.time.monotonic", lambda: now[0])
    return now


def test_a_chore_is_done_at_once_and_then_when_its_time_has_come(clock):
    done: list[float] = []
    housekeeping.register("count", 5, lambda: done.append(clock[0]))
    for second in range(12):
        clock[0] = 1000.0 + second
        housekeeping.run_due()
    assert done == [1000.0, 1005.0, 1010.0]


def test_a_chore_that_fails_keeps_no_other_from_being_done(clock, caplog):
    done: list[str] = []

    def broken() -> None:
        raise ValueError("dust")

    housekeeping.register("broken", 5, broken)
    housekeeping.register("fine", 5, lambda: done.append("fine"))
    housekeeping.run_due()
    assert done == ["fine"]
    assert "Housekeeping failed: broken" in caplog.text


def test_the_jobs_own_chores_are_registered():
    assert {"sweep jobs", "remove left job folders"} <= set(housekeeping._chores)
