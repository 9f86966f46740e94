"""Writing what happens in a job, numbered 1, 2, 3 … without a gap, and waking whoever watches."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.db import transaction

from apps.jobs import workers
from apps.jobs.models import Job, JobEvent

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class NewEvent:
    """An event that has no number yet."""

    kind: JobEvent.Kind
    data: dict[str, Any]


def append(job: Job, events: Sequence[NewEvent], *, changed: Sequence[str] = ()) -> None:
    """Give `events` the next numbers of `job`, and save the fields of the job that the caller has `changed`.

    No number is missing, because the caller has locked the job's row.
    """
    first = job.last_sequence + 1
    job.last_sequence += len(events)
    fields = [*changed, *(["last_sequence"] if events else [])]
    if fields:
        job.save(update_fields=fields)
    if events:
        JobEvent.across_tenants.bulk_create(
            JobEvent(project_id=job.project_id, job=job, sequence=first + index, kind=event.kind, data=event.data)
            for index, event in enumerate(events)
        )
        transaction.on_commit(lambda: wake(job.pk))


def group_of(job_id: UUID) -> str:
    """The channel layer's group of everybody who watches the job."""
    return f"job.{job_id.hex}"


def wake(job_id: UUID) -> None:
    """Tell the watchers that the table has something new. They look by themselves too: a loss costs half a second."""
    layer = get_channel_layer()
    # What is in memory reaches this process alone, and nobody watches in a worker.
    if layer is None or (isinstance(layer, InMemoryChannelLayer) and workers.worker_id()):
        return
    try:
        async_to_sync(layer.group_send)(group_of(job_id), {"type": "job.changed", "job": job_id.hex})
    except Exception:
        logger.warning("The watchers of job %s could not be woken.", job_id, exc_info=True)
