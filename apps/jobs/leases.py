"""Who works on a job. A lease is renewed while the work goes on; its fencing token makes late writes fail."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self
from uuid import UUID

from django.conf import settings
from django.db import Error as NoDatabase
from django.db import connections, transaction
from django.utils import timezone

from apps.jobs import turns, workers
from apps.jobs.endings import end_cancelled, end_failed
from apps.jobs.events import NewEvent, append
from apps.jobs.models import Job
from apps.jobs.states import move

logger = logging.getLogger(__name__)


class LeaseLost(Exception):  # noqa: N818  (reads as what happened)
    """Another worker has the job now, or it is over: whatever this one still writes must not count."""


@dataclass(frozen=True)
class Lease:
    """The right of one attempt to write to its job, until it expires or is taken over."""

    job_id: UUID
    token: int


@dataclass(frozen=True)
class Progress:
    """How far the child says it is: `share` is 0 … 1, None of `seconds_left` means there is no estimate yet."""

    share: float
    message: str
    seconds_left: int | None


def take() -> tuple[Job, Lease] | None:
    """Take the job whose turn it is for this process; None: nothing may begin.

    The attempt is counted here, before any work, so that a job which kills its worker is not tried for ever.
    """
    while True:
        with transaction.atomic():
            job = turns.next_job(timezone.now())
            if job is None:
                return None
            if job.cancel_requested_at is not None:
                end_cancelled(job)
            elif job.attempts >= job.max_attempts:
                end_failed(job, "attempts_exhausted", f"All {job.attempts} attempts at this job were used up.", [])
            else:
                return _begin(job)


def _begin(job: Job) -> tuple[Job, Lease]:
    job.attempts += 1
    job.fencing_token += 1
    job.lease_owner = f"{socket.gethostname()}:{os.getpid()}"[:100]
    job.worker_id = workers.worker_id()
    job.lease_expires_at = _expiry()
    job.progress, job.progress_message = 0, ""
    message = f"Attempt {job.attempts} of {job.max_attempts} has started."
    move(job, Job.State.RUNNING, attempt=job.attempts, message=message)
    return job, Lease(job.pk, job.fencing_token)


def held(lease: Lease) -> Job:
    """Lock and return the job's row. Raises LeaseLost. Only inside a transaction."""
    job: Job | None = Job.across_tenants.locked().filter(pk=lease.job_id, **_ours(lease)).first()
    if job is None:
        raise LeaseLost(f"Job {lease.job_id} is no longer ours (fencing token {lease.token}).")
    return job


def keep(lease: Lease, events: Sequence[NewEvent] = (), progress: Progress | None = None) -> bool:
    """Renew the lease and write what happened. Returns whether somebody asked to cancel. Raises LeaseLost."""
    with transaction.atomic():
        job = held(lease)
        job.lease_expires_at = _expiry()
        changed = ["lease_expires_at"]
        if progress is not None:
            job.progress, job.progress_message = progress.share, progress.message
            job.seconds_left = progress.seconds_left
            changed += ["progress", "progress_message", "seconds_left"]
        append(job, events, changed=changed)
    return job.cancel_requested_at is not None


def look(lease: Lease) -> bool:
    """Return whether somebody asked to cancel, without a write. Raises LeaseLost."""
    row = Job.across_tenants.filter(pk=lease.job_id, **_ours(lease)).values_list("cancel_requested_at").first()
    if row is None:
        raise LeaseLost(f"Job {lease.job_id} is no longer ours (fencing token {lease.token}).")
    return row[0] is not None


def _ours(lease: Lease) -> dict[str, object]:
    return {"state": Job.State.RUNNING, "fencing_token": lease.token}


def _expiry() -> datetime:
    return timezone.now() + timedelta(seconds=settings.JOB_LEASE_S)


class Heartbeat:
    """Renews the lease from a thread while a handler moves files, which may take longer than a lease lasts.

    The supervisor of a child needs no thread, it renews by itself. The thread has its own database connection.
    """

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat-{lease.job_id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._over.wait(settings.JOB_LEASE_S / 3):
                try:
                    keep(self._lease)
                except LeaseLost:
                    return  # the next write of the attempt itself finds out
                except NoDatabase:
                    logger.warning("The lease of job %s could not be renewed.", self._lease.job_id, exc_info=True)
                    connections.close_all()
        finally:
            connections.close_all()
