"""Going on with a job that was stopped or has failed: from where it was, or from the beginning."""

from __future__ import annotations

from django.db import transaction

from apps.errors import Refused
from apps.jobs import saved_work
from apps.jobs.handlers import keeps_work
from apps.jobs.models import Job
from apps.jobs.queue import enqueue
from apps.jobs.states import move
from apps.projects import audit
from apps.projects.access import Access


def can_be_restarted(job: Job) -> bool:
    """Whether the job ended badly, and is of a kind that can be run again."""
    return job.state in {Job.State.FAILED, Job.State.CANCELLED} and keeps_work(job)


def can_be_resumed(job: Job) -> bool:
    """Whether there is something to go on from as well."""
    return can_be_restarted(job) and bool(job.saved_work)


@transaction.atomic
def resume_job(*, access: Access, job: Job) -> Job:
    """Queue the job again; its next attempt goes on from what it had saved.

    Raises Refused("job_not_restartable") or Refused("nothing_saved").
    """
    job = _locked(access, job)
    if not job.saved_work:
        raise Refused("nothing_saved", "This job has saved nothing to go on from. Start it again instead.", status=409)
    return _queue(access, job, "job.resumed", "Resumed: it goes on from what it had saved.")


@transaction.atomic
def retry_job(*, access: Access, job: Job) -> Job:
    """Queue the job again from the beginning; what it had saved is deleted. Raises Refused("job_not_restartable")."""
    job = _locked(access, job)
    saved_work.forget(job)
    return _queue(access, job, "job.retried", "Started again from the beginning.")


def _locked(access: Access, job: Job) -> Job:
    found: Job = access.query(Job).locked().get(pk=job.pk)
    if not can_be_restarted(found):
        raise Refused(
            "job_not_restartable",
            f"Only training jobs that failed or were cancelled can be started again. Received: "
            f"{found.get_kind_display().lower()}, {found.get_state_display().lower()}.",
            status=409,
        )
    return found


def _queue(access: Access, job: Job, action: str, message: str) -> Job:
    job.attempts = 0
    job.cancel_requested_at = job.finished_at = None
    job.error_code, job.error_message, job.error_details = "", "", []
    job.progress, job.progress_message = 0, ""
    audit.record(access, action, job)
    move(job, Job.State.QUEUED, message=message)
    enqueue(job)
    return job
