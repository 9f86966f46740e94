"""What people, programs and other apps do with jobs: make one, make one that follows another, cancel."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.errors import Refused
from apps.jobs.endings import end_cancelled
from apps.jobs.events import NewEvent, append
from apps.jobs.models import Job, JobEvent
from apps.jobs.queue import enqueue
from apps.jobs.states import state_event
from apps.projects import audit
from apps.projects.access import Access
from apps.projects.models import ApiKey, Project

DEFAULT_TIME_LIMIT_S = 3600


def create_job(
    *,
    access: Access,
    kind: Job.Kind,
    title: str,
    payload: dict[str, Any],
    idempotency_key: str | None = None,
    time_limit_s: int = DEFAULT_TIME_LIMIT_S,
    priority: int = 0,
    runs_on: str = Job.Place.WORKERS,
) -> Job:
    """Make a queued job of the project; it reaches the queue when the caller's transaction commits.

    With an `idempotency_key` that the project has used before, returns that job and makes nothing: check
    `job.payload` where it matters. Raises Refused("idempotency_key_reused") where that job is of another kind, and
    Refused("time_limit_too_long").
    """
    return _create(
        access.project,
        access.user,
        access.api_key,
        kind,
        title,
        payload,
        idempotency_key,
        time_limit_s,
        priority,
        runs_on,
    )


def create_follow_up(
    *,
    after: Job,
    kind: Job.Kind,
    title: str,
    payload: dict[str, Any],
    idempotency_key: str | None = None,
    time_limit_s: int = DEFAULT_TIME_LIMIT_S,
    priority: int = 0,
) -> Job:
    """The same for a handler's `accept`: a job in the project and the name of the person or key of the job `after`."""
    return _create(
        after.project, after.created_by, after.api_key, kind, title, payload, idempotency_key, time_limit_s, priority
    )


def _create(
    project: Project,
    created_by: User | None,
    api_key: ApiKey | None,
    kind: Job.Kind,
    title: str,
    payload: dict[str, Any],
    idempotency_key: str | None,
    time_limit_s: int,
    priority: int,
    runs_on: str = Job.Place.WORKERS,
) -> Job:
    if not 1 <= time_limit_s <= settings.JOB_MAX_SECONDS:
        raise Refused(
            "time_limit_too_long",
            f"A job may run for 1 … {settings.JOB_MAX_SECONDS} seconds. Received: {time_limit_s}.",
        )
    with transaction.atomic():
        if idempotency_key is not None and (same := _same(project, idempotency_key, kind)):
            return same
        try:
            with transaction.atomic():
                job: Job = Job.across_tenants.create(
                    project=project,
                    kind=kind,
                    title=title[:200],
                    payload=payload,
                    idempotency_key=idempotency_key,
                    created_by=created_by,
                    api_key=api_key,
                    time_limit_s=time_limit_s,
                    priority=priority,
                    runs_on=runs_on,
                    max_attempts=settings.JOB_MAX_ATTEMPTS,
                )
        except IntegrityError:
            # Somebody else was faster with the same key.
            if idempotency_key is not None and (same := _same(project, idempotency_key, kind)):
                return same
            raise
        waiting = {"message": "Waiting for the Ray cluster."} if runs_on == Job.Place.RAY else {}
        append(job, [state_event(Job.State.QUEUED, **waiting)])
        enqueue(job)
    return job


def _same(project: Project, idempotency_key: str, kind: Job.Kind) -> Job | None:
    job: Job | None = Job.objects.for_project(project).filter(idempotency_key=idempotency_key).first()
    if job is not None and job.kind != kind:
        raise Refused(
            "idempotency_key_reused",
            f"The key {idempotency_key!r} belongs to another job of this project ({job.get_kind_display()}).",
            status=409,
        )
    return job


@transaction.atomic
def cancel_job(*, access: Access, job: Job, why: str = "") -> Job:
    """Cancel a waiting job at once; of a running one, ask its worker to stop it, which takes some seconds.

    Asking again changes nothing. `why` is for the log, where it was no person who asked. Raises Refused("job_is_over")
    where there is nothing left to cancel.
    """
    job = access.query(Job).locked().get(pk=job.pk)
    if job.is_over:
        raise Refused("job_is_over", f"This job is over already ({job.get_state_display().lower()}).", status=409)
    if job.cancel_requested_at is not None:
        return job
    job.cancel_requested_at = timezone.now()
    audit.record(access, "job.cancelled", job, **({"why": why} if why else {}))
    is_worked_on = job.state == Job.State.RUNNING and (job.lease_expires_at or job.queued_at) > timezone.now()
    if is_worked_on:
        job.save(update_fields=["cancel_requested_at"])
        who = access.user.email if access.user else str(access.actor)
        message = why or f"{who} asked for the job to be cancelled."
        append(job, [NewEvent(JobEvent.Kind.LOG, {"level": "info", "message": message})])
    else:
        end_cancelled(job)
    return job
