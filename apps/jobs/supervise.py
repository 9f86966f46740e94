"""Watching over a child: what it says is written down, the lease is renewed, and it is stopped when it has to stop."""

from __future__ import annotations

import enum
import json
import logging
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import Error as NoDatabase

from apps.errors import Detail
from apps.jobs import leases
from apps.jobs.child import Child
from apps.jobs.database import renew_connection
from apps.jobs.endings import Fault
from apps.jobs.handlers import Folder
from apps.jobs.leases import Lease, LeaseLost
from apps.jobs.reports import ReportedError, Reports

logger = logging.getLogger(__name__)

BEAT_S = 0.5
# How long a child may take to save its state after SIGTERM. Less than what service managers grant the worker itself.
GRACE_S = 8.0
MAX_RESULT_BYTES = 16 * 1024 * 1024


class Stop(enum.Enum):
    """Why a child is stopped before it ends by itself."""

    CANCELLED = "cancelled"
    TIME_LIMIT = "time limit"
    SHUTDOWN = "shutdown"
    LEASE_LOST = "lease lost"


@dataclass(frozen=True)
class Done:
    """The child ended well; `result` is its result.json."""

    result: dict[str, Any]


@dataclass(frozen=True)
class Refusal:
    """The user's input was refused, or a limit was reached: another attempt would end the same way."""

    code: str
    message: str
    details: list[Detail]


Outcome = Done | Refusal | Fault | Stop


def supervise(
    lease: Lease, arguments: Sequence[str], folder: Folder, *, time_limit_s: int, is_stopping: Callable[[], bool]
) -> Outcome:
    """Run `python -m ml <arguments>` to its end, and say what the end means. `is_stopping`: the worker has to end."""
    with Child(arguments, folder) as child:
        watch = _Watch(lease, child, time_limit_s, is_stopping)
        while not (child.has_ended and (child.is_silent or watch.has_waited_for_pipes())):
            watch.turn()
        status = child.exit_status()
        watch.last_words()
    return _meaning(status, watch, folder, time_limit_s)


class _Watch:
    """The state of one supervision: what has been said, what is due when, and why the child is being stopped."""

    def __init__(self, lease: Lease, child: Child, time_limit_s: int, is_stopping: Callable[[], bool]) -> None:
        now = time.monotonic()
        self.stop: Stop | None = None
        self.reports = Reports(now)
        self._lease, self._child, self._is_stopping = lease, child, is_stopping
        self._time_limit_at = now + time_limit_s
        self._kill_at: float | None = None
        self._kept_at = self._looked_at = now
        self._next_beat = now + BEAT_S
        self._ended_at: float | None = None

    def turn(self) -> None:
        """Listen until the next beat at most, then do what is due."""
        output, errors = self._child.read(max(self._next_beat - time.monotonic(), 0.01))
        now = time.monotonic()
        for line in output:
            self.reports.output(line, now)
        for line in errors:
            self.reports.stderr(line)
        if now >= self._next_beat:
            self._next_beat = now + BEAT_S
            self._child.read_on()
            self._beat(now)

    def last_words(self) -> None:
        """Write what has not been written yet; a lost lease keeps its place as the reason of the stop."""
        if self.stop is not Stop.LEASE_LOST:
            self._write(time.monotonic(), last=True)

    def has_waited_for_pipes(self) -> bool:
        """Whether the child ended long enough ago: something that it started may hold its pipes open for ever."""
        self._ended_at = self._ended_at or time.monotonic()
        return time.monotonic() - self._ended_at > 2 * BEAT_S

    def _beat(self, now: float) -> None:
        is_cancelled = self._write(now)
        if self.stop is None:
            if is_cancelled:
                self._begin_stop(Stop.CANCELLED, now)
            elif now >= self._time_limit_at:
                self._begin_stop(Stop.TIME_LIMIT, now)
            elif self._is_stopping():
                self._begin_stop(Stop.SHUTDOWN, now)
        if self._kill_at is not None and now >= self._kill_at:
            self._child.kill()

    def _begin_stop(self, reason: Stop, now: float) -> None:
        self.stop = reason
        self._kill_at = now + GRACE_S
        self._child.terminate()

    def _write(self, now: float, *, last: bool = False) -> bool:
        """Bring the news to the database, renew the lease if due. Returns whether somebody asked to cancel.

        A database that does not answer is asked again at the next beat, until the lease must have run out.
        """
        try:
            batch = self.reports.take(now, last=last)
            is_cancelled = False
            if batch or now - self._kept_at > settings.JOB_LEASE_S / 3:
                is_cancelled = leases.keep(self._lease, batch.events, batch.progress)
                self.reports.written()
                self._kept_at = self._looked_at = now
            elif now - self._looked_at >= 1:
                is_cancelled = leases.look(self._lease)
                self._looked_at = now
            return is_cancelled
        except LeaseLost as error:
            self._lose(str(error))
        except NoDatabase as error:
            logger.warning("Job %s: the database did not answer: %s", self._lease.job_id, error)
            renew_connection()
            if now - self._kept_at > settings.JOB_LEASE_S:
                self._lose("The lease ran out while the database did not answer.")
        return False

    def _lose(self, why: str) -> None:
        logger.warning("Job %s: %s Its child is killed.", self._lease.job_id, why)
        self.stop = Stop.LEASE_LOST
        self._child.kill()


def _meaning(status: int, watch: _Watch, folder: Folder, time_limit_s: int) -> Outcome:
    """What a child's exit status means, seeing why it was stopped and what it said itself."""
    error = watch.reports.error
    if watch.stop in {Stop.LEASE_LOST, Stop.CANCELLED}:
        return watch.stop
    if status == 0:
        return _read_result(folder)
    if status == 2 and error is not None:
        return Refusal(error.code, error.message, error.details)
    if watch.stop is Stop.TIME_LIMIT:
        limit = f"{time_limit_s} s" if time_limit_s < 120 else f"{time_limit_s // 60} min"
        return Refusal(
            "time_limit", f"The job ran longer than its limit of {limit}. Start it again with less to do.", []
        )
    if watch.stop is Stop.SHUTDOWN:
        return watch.stop
    return _fault(status, error)


def _fault(status: int, error: ReportedError | None) -> Fault:
    if status == -signal.SIGKILL:
        return Fault(
            "out_of_memory",
            "The job's process was killed by the system, most often because the machine ran out of memory. "
            "Start it again with smaller batches, images or models.",
        )
    if status in {-signal.SIGTERM, 128 + signal.SIGTERM}:
        return Fault("interrupted", "The job's process was ended from outside.")
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        return Fault("crashed", f"The job's process crashed ({name}). The log's last lines may say more.")
    if error is not None:
        return Fault(error.code, error.message)
    return Fault(
        "internal_error", f"The job's process failed with exit status {status}. The log's last lines may say more."
    )


def _read_result(folder: Folder) -> Outcome:
    """A child's result.json, which it writes last. Without a good one it has not done its work."""
    path = folder.out / "result.json"
    try:
        if path.is_symlink() or path.stat().st_size > MAX_RESULT_BYTES:
            return Fault("internal_error", f"The job's result is no plain file of at most {MAX_RESULT_BYTES} bytes.")
        result = json.loads(path.read_bytes(), parse_constant=lambda _: None)
    except (OSError, ValueError) as error:
        return Fault("internal_error", f"The job's process ended well, but its result can't be read: {error}")
    if not isinstance(result, dict):
        return Fault("internal_error", "The job's result is no JSON object.")
    return Done(result)
