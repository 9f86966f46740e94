"""The queue knows one task, `run_job(job_id)`, and it only means: there is a job to do, look at the rows.

Which job a worker takes then is decided by `apps.jobs.turns`, so the queue's own order does not matter.
"""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from django_q.tasks import async_task

from apps.jobs.models import Job

FIRST_REMINDER = timedelta(seconds=60)
AT_ONCE = timedelta()


def enqueue(job: Job, *, after: timedelta = AT_ONCE) -> None:
    """Send the message for a queued job, in the same transaction as the job's own change: both are there or neither.

    With `after`, the job may begin only then, and the sweep sends the message. The queue may lose one (a cluster dies
    with it in memory), so the sweep sends another at `remind_at`; the wait doubles each time, so that a long line is
    not flooded. A message too many finds nothing to do and ends.
    """
    now = timezone.now()
    if after:
        job.ready_at = job.remind_at = now + after
        job.save(update_fields=["ready_at", "remind_at"])
        return
    job.remind_at = now + max(FIRST_REMINDER, now - job.queued_at)
    job.save(update_fields=["remind_at"])
    send(job)


def send(job: Job) -> None:
    """The message alone. A job for the Ray cluster needs none: its dispatcher looks at the rows."""
    if job.runs_on != Job.Place.WORKERS:
        return
    async_task("apps.jobs.worker.run_job", str(job.pk), task_name=f"{job.kind} {job.pk}", save=False)
