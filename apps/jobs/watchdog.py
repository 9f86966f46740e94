"""Finds a cluster that only looks healthy: all its processes are there, but none takes a message any more.

A process of django-q2 that is killed while it waits for work can keep the lock of the queue between the processes. So
each worker sends itself a message, the canary, that has to be run by one of its own processes; where one of them has
nothing to do and the canary stays silent, the cluster is stuck.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings
from django.db.models import F
from django.utils import timezone
from django_q.tasks import async_task

from apps.jobs import workers
from apps.jobs.database import renew_connection
from apps.jobs.models import Worker

logger = logging.getLogger(__name__)

LOOK_S = 2.0


def sing(worker_id: str) -> None:
    """The canary: run by a process of the worker."""
    Worker.objects.filter(pk=worker_id).update(canary_sang_at=timezone.now())


@dataclass
class Watchdog:
    """Looks after the cluster of one worker."""

    worker_id: UUID
    sent_at: float | None = field(default=None, init=False)
    looked_at: float = field(default=0.0, init=False)
    silent_since: float | None = field(default=None, init=False)

    def is_stuck(self) -> bool:
        """To be called again and again; looks every two seconds, sends a canary every JOB_CANARY_S.

        True when the canary is silent for JOB_CANARY_S, while a process was free to run it all the time.
        """
        now = time.monotonic()
        if now - self.looked_at < LOOK_S:
            return False
        self.looked_at = now
        renew_connection()
        try:
            return self._look(now)
        except Exception:
            # A database that does not answer is no reason to restart anything.
            logger.exception("The watchdog could not look.")
            self.silent_since = None
            return False

    def _look(self, now: float) -> bool:
        worker = Worker.objects.filter(pk=self.worker_id).first()
        if worker is None:
            return False
        is_owed = worker.canary_sent_at is not None and (
            worker.canary_sang_at is None or worker.canary_sang_at < worker.canary_sent_at
        )
        if not is_owed:
            self.silent_since = None
            if self.sent_at is None or now - self.sent_at >= settings.JOB_CANARY_S:
                self._send()
                self.sent_at = now
            return False
        if workers.busy(self.worker_id) >= worker.processes:
            self.silent_since = None  # nobody was free to run it
            return False
        self.silent_since = now if self.silent_since is None else self.silent_since
        return now - self.silent_since >= float(settings.JOB_CANARY_S)

    def _send(self) -> None:
        Worker.objects.filter(pk=self.worker_id).update(canary_sent_at=timezone.now())
        queue = workers.queue_of(self.worker_id)
        async_task("apps.jobs.watchdog.sing", str(self.worker_id), task_name="canary", save=False, cluster=queue)

    def note_restart(self) -> None:
        """Begin anew with the cluster that comes after the one that was stuck."""
        self.sent_at = self.silent_since = None
        Worker.objects.filter(pk=self.worker_id).update(restarts=F("restarts") + 1, canary_sent_at=None)
