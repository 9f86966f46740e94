"""Finding the jobs that fell through: their worker died, or the queue lost their message."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from apps.jobs.endings import abandon
from apps.jobs.models import Job
from apps.jobs.queue import enqueue

AT_ONCE = 100


def sweep() -> None:
    """Housekeeping on every machine, every few seconds; row locks keep two sweeps from doing the same thing twice."""
    # One transaction a job: ending one runs its handler's code, and neither its faults nor its length may keep the rows
    # of the others locked or take their endings back. Both lists are empty unless a machine or the queue has failed.
    now = timezone.now()
    for job_id in list(Job.across_tenants.abandoned(now).values_list("pk", flat=True)[:AT_ONCE]):
        with transaction.atomic():
            if job := Job.across_tenants.locked().abandoned(now).filter(pk=job_id).first():
                abandon(job)
    for job_id in list(Job.across_tenants.forgotten(now).values_list("pk", flat=True)[:AT_ONCE]):
        with transaction.atomic():
            if job := Job.across_tenants.locked().forgotten(now).filter(pk=job_id).first():
                enqueue(job)
