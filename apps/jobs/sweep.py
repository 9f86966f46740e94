"""Finding the jobs that fell through: their worker died, or the queue lost their message."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ

from apps.jobs import places, turns, workers
from apps.jobs.endings import abandon
from apps.jobs.models import Job
from apps.jobs.queue import enqueue, send

AT_ONCE = 100
# A message is taken by a free worker within a second.
USUAL_WAIT = timedelta(seconds=3)


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


def ask_for_work() -> None:
    """Where this worker has a free process, jobs wait and no message says so: send one.

    A worker that has become busy in the meantime may hold messages in its memory, or have lost them.
    """
    if not workers.is_short_of_work():
        return
    now = timezone.now()
    waiting = Job.across_tenants.ready(now - USUAL_WAIT).filter(runs_on=places.here())
    job = waiting.order_by("id").first()
    if job is None or OrmQ.objects.filter(key=Conf.CLUSTER_NAME, lock__lt=now).exists():
        return
    if turns.has_next(now):
        send(job)
