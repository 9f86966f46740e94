"""The same change of many jobs at once, with an account of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db import models

from apps.errors import Refused
from apps.jobs.models import Job
from apps.jobs.restarting import resume_job, retry_job
from apps.jobs.services import cancel_job
from apps.projects.access import Access

MOST_AT_ONCE = 100


class Action(models.TextChoices):
    CANCEL = "cancel", "Cancel"
    RESUME = "resume", "Resume"
    RETRY = "retry", "Start again"


_CHANGES: dict[Action, Callable[..., Job]] = {
    Action.CANCEL: cancel_job,
    Action.RESUME: resume_job,
    Action.RETRY: retry_job,
}


@dataclass(frozen=True)
class RefusedJob:
    """A job that stayed as it was, and why. `title` is empty where there is no such job in the project."""

    id: UUID
    title: str
    code: str
    message: str


@dataclass
class Account:
    """What became of each job, in the order in which they were named."""

    done: list[Job] = field(default_factory=list)
    refused: list[RefusedJob] = field(default_factory=list)


def change_jobs(*, access: Access, action: Action, ids: Sequence[UUID]) -> Account:
    """Cancel, resume or start again each of the jobs, as the single action does, with its audit entry.

    Each is a transaction of its own: one that is refused, or not there, leaves the others as they are. Raises
    Refused("no_jobs") and Refused("too_many_jobs"), with nothing changed.
    """
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        raise Refused("no_jobs", f"Say which jobs: 1 … {MOST_AT_ONCE}. Received: none.")
    if len(wanted) > MOST_AT_ONCE:
        raise Refused("too_many_jobs", f"At most {MOST_AT_ONCE} jobs at a time. Received: {len(wanted)}.")
    found = {job.pk: job for job in access.query(Job).filter(pk__in=wanted).only("title")}
    account = Account()
    for id in wanted:  # noqa: A001
        job = found.get(id)
        if job is None:
            account.refused.append(RefusedJob(id, "", "not_found", "No job with this id in this project."))
            continue
        try:
            account.done.append(_CHANGES[action](access=access, job=job))
        except Refused as refused:
            account.refused.append(RefusedJob(id, job.title, refused.code, refused.message))
    return account
