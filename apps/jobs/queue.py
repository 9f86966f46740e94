"""The queue knows one task, `run_job(job_id)`, and it only means: look at this row."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from django_q.tasks import async_task

from apps.jobs.models import Job

FIRST_REMINDER = timedelta(seconds=60)


def enqueue(job: Job) -> None:
    """Send the message for a queued job, in the same transaction as the job's own change: both are there or neither.

    The queue may lose a message (a cluster dies with it in memory), so the sweep sends another at `remind_at`; the wait
    doubles each time, so that a long line is not flooded. A message too many finds the job taken and ends.
    """
    now = timezone.now()
    job.remind_at = now + max(FIRST_REMINDER, now - job.queued_at)
    job.save(update_fields=["remind_at"])
    async_task("apps.jobs.worker.run_job", str(job.pk), task_name=f"{job.kind} {job.pk}", save=False)
