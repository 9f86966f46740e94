"""The life of a job: which state may follow which. Every change of state goes through `move`."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from apps.jobs.events import NewEvent, append
from apps.jobs.models import Job, JobEvent
from apps.jobs.notices.outbox import note_end

S = Job.State
NEXT: dict[Job.State, frozenset[Job.State]] = {
    S.QUEUED: frozenset({S.RUNNING, S.FAILED, S.CANCELLED}),
    S.RUNNING: frozenset({S.QUEUED, S.SUCCEEDED, S.FAILED, S.CANCELLED}),
    S.SUCCEEDED: frozenset(),
    # Started again by a person: see apps.jobs.restarting.
    S.FAILED: frozenset({S.QUEUED}),
    S.CANCELLED: frozenset({S.QUEUED}),
}


# What the log says where the caller has nothing better.
MESSAGES = {
    S.QUEUED: "Waiting for a worker.",
    S.RUNNING: "A worker has started it.",
    S.SUCCEEDED: "Done.",
    S.FAILED: "Failed.",
    S.CANCELLED: "Cancelled.",
}


class IllegalTransition(RuntimeError):  # noqa: N818  (reads as what happened)
    """A job was to go from one state to another that may not follow it. A fault of the caller, never of a user."""


def move(job: Job, to: Job.State, **about: Any) -> None:
    """Bring `job`, whose row the caller has locked, into the state `to`, save all of it, and append the state event.

    `about` goes into the event beside the state; its `message` is what people read. Raises IllegalTransition, with
    nothing changed.
    """
    now = timezone.now()
    if to not in NEXT[Job.State(job.state)]:
        accepted = ", ".join(sorted(NEXT[Job.State(job.state)])) or "nothing"
        raise IllegalTransition(f"Job {job.pk} is {job.state} and can't become {to}. May follow: {accepted}.")
    job.state = to
    if to == S.RUNNING:
        job.started_at = job.started_at or now
    else:
        job.lease_owner, job.worker, job.lease_expires_at, job.seconds_left = "", None, None, None
    if to == S.QUEUED:
        job.queued_at = job.ready_at = now
    if job.is_over:
        job.finished_at = now
    if to == S.SUCCEEDED:
        job.progress = 1
    job.save()
    append(job, [state_event(to, **about)])
    if job.is_over:
        note_end(job)


def state_event(state: Job.State, **about: Any) -> NewEvent:
    return NewEvent(JobEvent.Kind.STATE, {"state": state.value, "message": MESSAGES[state], **about})
