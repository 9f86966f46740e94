"""Watching over a child: what it says is written down, the lease is renewed, and it is stopped when it has to stop."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from django.conf import settings
from django.db import Error as NoDatabase

from apps.jobs import leases
from apps.jobs.child import Child
from apps.jobs.database import renew_connection
from apps.jobs.handlers import Folder
from apps.jobs.leases import Lease, LeaseLost
from apps.jobs.meaning import Outcome, Refusal, Stop, meaning_of
from apps.jobs.reports import LINE_LENGTH, Reports
from apps.jobs.sandbox import cgroup, overrun
from apps.jobs.sandbox.folder import hand_over
from apps.jobs.sandbox.levels import standing
from apps.jobs.sandbox.limits import Limits

logger = logging.getLogger(__name__)

BEAT_S = 0.5
# How long a child may take to save its state after SIGTERM. Less than what service managers grant the worker itself.
GRACE_S = 8.0
# Between two looks at what the child uses: memory can grow by gigabytes within a second. Far from its limit there is
# more time: what lies between takes longer to fill.
LOOK_S, CALM_LOOK_S = 0.1, 0.4
LAST_LINES = 20


def supervise(
    lease: Lease,
    arguments: Sequence[str],
    folder: Folder,
    *,
    limits: Limits,
    is_stopping: Callable[[], bool],
    on_beat: Callable[[], None] = lambda: None,
) -> Outcome:
    """Run `python -m ml <arguments>` to its end, and say what the end means.

    `is_stopping`: the worker has to end. `on_beat` is called twice a second and must return at once.
    """
    sandbox = standing()
    if sandbox.is_refusing:
        return Refusal("sandbox_unavailable", sandbox.why, [])
    hand_over(folder, sandbox.method.uid)
    with (
        cgroup.group(limits) if sandbox.is_confining else nullcontext() as group,
        Child(arguments, folder, method=sandbox.method, limits=limits, group=group) as child,
    ):
        watch = _Watch(lease, child, limits, overrun.Watch(child.pid, folder, limits, group), is_stopping)
        while not (child.has_ended and (child.is_silent or watch.has_waited_for_pipes())):
            if watch.turn():
                on_beat()
        status = child.exit_status()
        watch.last_words()
        watch.look_back(ended_well=status == 0)
    return meaning_of(
        status,
        stop=watch.stop,
        error=watch.reports.error,
        last_lines=watch.last_lines,
        overrun=watch.overrun,
        folder=folder,
        limits=limits,
        is_confined=sandbox.is_confining,
    )


class _Watch:
    """The state of one supervision: what has been said, what is due when, and why the child is being stopped."""

    def __init__(
        self, lease: Lease, child: Child, limits: Limits, usage: overrun.Watch, is_stopping: Callable[[], bool]
    ) -> None:
        now = time.monotonic()
        self.stop: Stop | None = None
        self.overrun: overrun.Overrun | None = None
        self.reports = Reports(now)
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._lease, self._child, self._usage, self._is_stopping = lease, child, usage, is_stopping
        self._time_limit_at = now + limits.time_s
        self._kill_at: float | None = None
        self._kept_at = self._looked_at = now
        self._next_beat = now + BEAT_S
        self._next_look = now + LOOK_S
        self._ended_at: float | None = None

    def turn(self) -> bool:
        """Listen until the next look or beat at most, then do what is due. Returns whether it was a beat."""
        output, errors = self._child.read(max(min(self._next_beat, self._next_look) - time.monotonic(), 0.01))
        now = time.monotonic()
        for line in output:
            self.reports.output(line, now)
        for line in errors:
            self.reports.stderr(line)
            self.last_lines.append(line[:LINE_LENGTH].decode(errors="replace"))
        if now >= self._next_look:
            self._look(now)
        if now < self._next_beat:
            return False
        self._next_beat = now + BEAT_S
        self._child.read_on()
        self._beat(now)
        return True

    def last_words(self) -> None:
        """Write what has not been written yet; a lost lease keeps its place as the reason of the stop."""
        if self.stop is not Stop.LEASE_LOST:
            self._write(time.monotonic(), last=True)

    def has_waited_for_pipes(self) -> bool:
        """Whether the child ended long enough ago: something that it started may hold its pipes open for ever."""
        self._ended_at = self._ended_at or time.monotonic()
        return time.monotonic() - self._ended_at > 2 * BEAT_S

    def look_back(self, *, ended_well: bool) -> None:
        """What the limits say of a child that has ended."""
        self.overrun = self.overrun or self._usage.at_end(ended_well=ended_well)
        if self.overrun is not None and ended_well:
            self.stop = self.stop or Stop.OVERRUN

    def _look(self, now: float) -> None:
        """Kill the child where it passed a limit: it can't be trusted to end by itself."""
        self._next_look = now + (CALM_LOOK_S if self._usage.is_far_from_limits else LOOK_S)
        if self.overrun is None and not self._child.has_ended and (found := self._usage.look(now)):
            self.overrun = found
            self.stop = self.stop or Stop.OVERRUN
            self._child.kill()

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
