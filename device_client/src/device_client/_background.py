"""A thread that does one thing again and again, and waits longer when it fails."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable

from device_client._exceptions import DeviceClientError, ServerRefusedError
from device_client._lock import BusyError

logger = logging.getLogger("device_client")

FIRST_RETRY_SECONDS = 2.0
LONGEST_RETRY_SECONDS = 900.0
# Another process of the application is at it; what it does helps this one, too.
BUSY_SECONDS = 5.0
JITTER = 0.2


class BackgroundTask:
    """Calls `work` now, when woken, and every `interval` seconds; after a failure sooner, then ever later.

    Retries start at 2 seconds and double up to 15 minutes, with jitter, so that a fleet that lost its server does not
    come back at once. `Retry-After` is obeyed.
    """

    def __init__(self, name: str, work: Callable[[], object], *, interval: float) -> None:
        self._name = name
        self._work = work
        self._interval = interval
        self._wake = threading.Event()
        self._stopped = False
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Run as soon as possible, unless the last run failed: then the wait goes on."""
        if self._failures == 0:
            self._wake.set()

    def stop(self, timeout: float) -> None:
        """Ask the thread to end and wait for it, at most `timeout` seconds. It is a daemon: it can't hold an exit."""
        self._stopped = True
        self._wake.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopped:
            self._wake.clear()
            delay = self._once()
            self._wake.wait(delay)

    def _once(self) -> float:
        try:
            self._work()
        except BusyError:
            return _jittered(BUSY_SECONDS)
        except DeviceClientError as error:
            if self._stopped:
                return 0.0
            self._failures += 1
            delay = self._retry_delay(error)
            logger.warning("%s failed, next try in %.0f s: %s", self._name, delay, error)
            return delay
        except Exception:
            self._failures += 1
            delay = self._retry_delay(None)
            logger.exception("%s failed, next try in %.0f s", self._name, delay)
            return delay
        self._failures = 0
        return _jittered(self._interval)

    def _retry_delay(self, error: DeviceClientError | None) -> float:
        if isinstance(error, ServerRefusedError) and error.retry_after is not None:
            return error.retry_after + random.uniform(0, 1)  # noqa: S311 (spreads load, guards nothing)
        return _jittered(min(FIRST_RETRY_SECONDS * 2 ** (self._failures - 1), LONGEST_RETRY_SECONDS))


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
