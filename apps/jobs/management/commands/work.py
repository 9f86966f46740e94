"""`manage.py work`: queue workers that end as they should, and the housekeeping."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django_q.cluster import Cluster

from apps.jobs import housekeeping, shutdown
from apps.jobs.sandbox.levels import standing

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
        standing()  # tried once, before the workers are forked, who inherit what was found
        connections.close_all()
        cluster = WorkerCluster()
        cluster.start()
        while not cluster.should_stop and cluster.sentinel.is_alive():
            housekeeping.run_due()
            time.sleep(0.5)
        if not cluster.should_stop:
            raise CommandError(f"The queue's sentinel ended by itself, with status {cluster.sentinel.exitcode}.")
        shutdown.announce()
        cluster.stop()


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
