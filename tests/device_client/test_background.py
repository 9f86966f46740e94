from __future__ import annotations

import threading

import pytest

from device_client import RateLimitedError, ServerUnreachableError
from device_client._background import BackgroundTask
from device_client._lock import BusyError


def delays(*outcomes: Exception | None) -> list[float]:
    """How long a task waits after runs that end like this."""
    remaining = list(outcomes)

    def work() -> None:
        outcome = remaining.pop(0)
        if outcome is not None:
            raise outcome

    task = BackgroundTask("test", work, interval=1000.0)
    return [task._once() for _ in outcomes]


def test_a_run_that_worked_waits_for_the_interval():
    (delay,) = delays(None)
    assert 800 <= delay <= 1200


def test_failures_wait_longer_and_longer_up_to_a_quarter_of_an_hour_and_a_success_starts_over():
    down = ServerUnreachableError("down")
    waited = delays(*[down] * 12, None, down)
    for number, delay in enumerate(waited[:12]):
        wanted = min(2.0 * 2**number, 900.0)
        assert 0.8 * wanted <= delay <= 1.2 * wanted
    assert waited[13] <= 2.4


def test_retry_after_is_obeyed():
    (delay,) = delays(RateLimitedError("slow down", status=429, code="x", retry_after=120.0))
    assert 120 <= delay <= 121


def test_another_process_that_is_at_it_is_no_failure(caplog):
    (delay,) = delays(BusyError("held"))
    assert 4 <= delay <= 6
    assert caplog.text == ""


def test_a_bug_does_not_end_the_thread(caplog):
    waited = delays(ZeroDivisionError("a bug"), None)
    assert waited[0] <= 2.4
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("failing", [False, True])
def test_waking_runs_it_at_once_but_not_while_it_backs_off(failing):
    runs = threading.Semaphore(0)

    def work() -> None:
        runs.release()
        if failing:
            raise ServerUnreachableError("down")

    task = BackgroundTask("test", work, interval=1000.0)
    task.start()
    assert runs.acquire(timeout=5)
    if failing:
        while task._failures == 0:
            pass
    task.wake()
    assert runs.acquire(timeout=0.5) is not failing
    task.stop(5)
    assert not task._thread.is_alive()
