"""Which workers there are. A `manage.py work` has a row while it lives; the processes it forks know which."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django_q.models import OrmQ

from apps.jobs.models import Job, Worker

# A worker that says nothing for so long is gone: its machine may have lost power.
GONE_AFTER = timedelta(minutes=10)

_worker: Worker | None = None


def join(*, processes: int, sandbox: str) -> Worker:
    """Make this process's row, before it forks."""
    global _worker
    _worker = Worker.objects.create(
        host=socket.gethostname()[:100], pid=os.getpid(), processes=processes, sandbox=sandbox
    )
    return _worker


def leave() -> None:
    """Take the row away; nothing happens where there is none."""
    global _worker
    if _worker is not None:
        _forget([_worker.pk])
        _worker = None


def worker_id() -> UUID | None:
    """Of the `manage.py work` that this process is or was forked from; None anywhere else."""
    return _worker.pk if _worker else None


def own_queue() -> str | None:
    """The queue that only this worker's processes listen to, beside the one of all."""
    return queue_of(_worker.pk) if _worker else None


def queue_of(worker: UUID) -> str:
    return f"worker-{worker.hex}"


def beat() -> None:
    """Say that this worker is alive, should its row have been taken for dead as well."""
    if _worker is not None:
        _worker.heartbeat_at = timezone.now()
        if not Worker.objects.filter(pk=_worker.pk).update(heartbeat_at=_worker.heartbeat_at):
            _worker.save(force_insert=True)


def is_short_of_work() -> bool:
    """Whether this is a worker of which some process has no job."""
    return _worker is not None and busy(_worker.pk) < _worker.processes


def is_at_work() -> bool:
    """Whether any process of this worker has a job."""
    return _worker is not None and busy(_worker.pk) > 0


def busy(worker: UUID) -> int:
    """How many of a worker's processes are at a job."""
    return int(Job.across_tenants.filter(state=Job.State.RUNNING, worker=worker).count())


def forget_gone() -> None:
    """Take away the rows of workers that ended without a word, and the messages that were meant for them."""
    _forget(list(Worker.objects.filter(heartbeat_at__lt=timezone.now() - GONE_AFTER).values_list("pk", flat=True)))


@transaction.atomic
def _forget(gone: list[UUID]) -> None:
    if gone:
        OrmQ.objects.filter(key__in=[queue_of(worker) for worker in gone]).delete()
        Worker.objects.filter(pk__in=gone).delete()
