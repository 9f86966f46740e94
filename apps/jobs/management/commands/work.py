"""`manage.py work`: queue workers that end as they should, and the housekeeping."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections
from django_q.cluster import Cluster
from django_q.conf import Conf

from apps.jobs import housekeeping, shutdown, workers
from apps.jobs.sandbox.levels import standing
from apps.jobs.sandbox.usage import tree
from apps.jobs.supervise import GRACE_S
from apps.jobs.watchdog import Watchdog

logger = logging.getLogger(__name__)

# A cluster that dies again and again, so many times within a minute, is not restarted any more.
DEATHS_A_MINUTE = 5
# How long processes that have nothing to do may take to end.
STOP_S = 3.0
PR_SET_PDEATHSIG = 1


class WorkerCluster(Cluster):  # type: ignore[misc]
    """django-q2's cluster, whose stop is done by the main loop instead of inside the signal handler.

    A handler that waits for the workers would wait for ever where it interrupted a transaction that they wait for.
    """

    should_stop = False

    def sig_handler(self, signum: int, frame: FrameType | None) -> None:
        self.should_stop = True


class Command(BaseCommand):
    help = "Run queue workers and the housekeeping until SIGTERM or SIGINT; running jobs are handed back to the queue."

    def handle(self, *args: Any, **options: Any) -> None:
        _tie_forks_to_parents()
        # The sandbox is tried once, before the workers are forked, who inherit what was found.
        watchdog = Watchdog(workers.join(processes=Conf.WORKERS, sandbox=standing().level.value).pk)
        ends: list[float] = []
        try:
            while self._run_cluster(watchdog):
                ends = [end for end in ends if time.monotonic() - end < 60] + [time.monotonic()]
                if len(ends) >= DEATHS_A_MINUTE:
                    raise CommandError(f"The queue's processes ended by themselves {len(ends)} times in a minute.")
        finally:
            workers.leave()

    def _run_cluster(self, watchdog: Watchdog) -> bool:
        """Run a cluster until it is told to stop (False), or has died or is stuck and was cleared away (True)."""
        connections.close_all()
        cluster = WorkerCluster()
        cluster.start()
        while not cluster.should_stop:
            if not cluster.sentinel.is_alive():
                logger.critical("The queue's sentinel ended by itself, with status %s.", cluster.sentinel.exitcode)
                break
            if watchdog.is_stuck():
                logger.critical("No process of this worker runs what it is sent. All of them are restarted.")
                break
            housekeeping.run_due()
            time.sleep(0.5)
        shutdown.announce()
        if cluster.should_stop:
            _stop(cluster)
            return False
        _clear_away(cluster.sentinel.pid)
        shutdown.withdraw()
        watchdog.note_restart()
        return not cluster.should_stop


def _stop(cluster: WorkerCluster) -> None:
    """Let the cluster end by itself; where it is stuck, or some process does not hear, it is cleared away."""
    cluster.stop_event.set()
    deadline = time.monotonic() + STOP_S
    while cluster.sentinel.is_alive():
        if time.monotonic() > deadline and not _is_at_work():
            logger.critical("The queue's processes did not end when they were told to.")
            _clear_away(cluster.sentinel.pid)
            return
        cluster.sentinel.join(0.2)


def _clear_away(sentinel: int) -> None:
    """End the processes of a cluster that can't be told to stop; what they run is handed back first if it can be."""
    family = {process.pid for process in tree(os.getpid())} - {os.getpid()}
    deadline = time.monotonic() + 2 * GRACE_S
    while time.monotonic() < deadline and _is_at_work():
        time.sleep(0.2)
    with suppress(ProcessLookupError):
        os.kill(sentinel, signal.SIGKILL)  # those below it get SIGTERM: see _tie_forks_to_parents
    deadline = time.monotonic() + STOP_S
    while left := [pid for pid in family if tree(pid)]:
        if time.monotonic() > deadline:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        multiprocessing.active_children()  # joins those that have ended
        time.sleep(0.1)


def _is_at_work() -> bool:
    """Whether a process of this worker still has a job to hand back. A database that does not answer takes none."""
    try:
        return workers.is_at_work()
    except DatabaseError:
        logger.warning("The database did not answer while the worker was ending.", exc_info=True)
        return False


def _tie_forks_to_parents() -> None:
    """Let SIGTERM reach every process of the cluster when its parent dies, however it dies: none is left over."""
    if sys.platform != "linux":
        return
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def remember() -> None:
        nonlocal parent
        parent = os.getpid()

    def tie() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(128 + signal.SIGTERM)

    os.register_at_fork(before=remember, after_in_child=tie)
