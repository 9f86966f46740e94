"""How an attempt and a job end. Every function takes a job whose row the caller's transaction has locked."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction

from apps.errors import Detail
from apps.jobs.handlers import handler_of
from apps.jobs.models import Job
from apps.jobs.queue import enqueue
from apps.jobs.states import move

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fault:
    """What went wrong on our side; worth another attempt."""

    code: str
    message: str


LONGEST_PAUSE_S = 600
WORKER_LOST = Fault("worker_lost", "The worker that ran this job stopped answering.")


def pause_before(attempt: int) -> timedelta:
    """How long a job waits before its second attempt and the further ones: exponential, with a fifth left to chance.

    What broke may need a moment, and many jobs that broke together should not come back together.
    """
    pause = settings.JOB_RETRY_S * 4 ** (attempt - 2) * random.uniform(0.9, 1.1)  # noqa: S311
    return timedelta(seconds=min(pause, LONGEST_PAUSE_S))


def end_cancelled(job: Job) -> None:
    _end(job, Job.State.CANCELLED, "cancelled", "The job was cancelled.", [])


def end_failed(job: Job, code: str, message: str, details: list[Detail]) -> None:
    _end(job, Job.State.FAILED, code, message, details)


def try_again(job: Job, fault: Fault) -> None:
    """Queue the job again after a fault of the machine, or fail it where its attempts are used up."""
    if job.attempts < job.max_attempts:
        pause = pause_before(job.attempts + 1)
        message = f"{fault.message} It will be tried again in {pause.total_seconds():.0f} seconds."
        move(job, Job.State.QUEUED, code=fault.code, message=message)
        enqueue(job, after=pause)
    else:
        tries = "" if job.attempts == 1 else f" This was the last of {job.attempts} attempts."
        end_failed(job, fault.code, fault.message + tries, [])


def hand_back(job: Job) -> None:
    """Queue the job again because the worker shuts down: that is nobody's fault and costs no attempt."""
    job.attempts -= 1
    move(job, Job.State.QUEUED, code="worker_stopped", message="The worker is shutting down; another one will go on.")
    enqueue(job)


def abandon(job: Job) -> None:
    """End the attempt of a worker that let its lease run out."""
    if job.cancel_requested_at is not None:
        end_cancelled(job)
    else:
        try_again(job, WORKER_LOST)


def _end(job: Job, state: Job.State, code: str, message: str, details: list[Detail]) -> None:
    job.error_code, job.error_message, job.error_details = code, message, list(details)
    job.progress_message = ""  # it says what was being done, or even that it was done
    move(job, state, code=code, message=message)
    try:
        with transaction.atomic():
            handler_of(job).fail(job, code, message, details)
    except Exception:
        # A job that can't end would be tried for ever; the row that waited for it shows the job's own state.
        logger.exception("The handler of job %s could not note its end.", job.pk)
