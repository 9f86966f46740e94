"""What happens when a schedule is due: its job is made, or it says why not. Either way it goes on the next time."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError, transaction
from django.http import Http404
from django.utils import timezone

from apps.accounts.models import Role
from apps.errors import Refused
from apps.jobs.models import Job
from apps.jobs.schedules import timers
from apps.jobs.schedules.models import JobSchedule
from apps.jobs.schedules.starting import startable_of
from apps.projects.access import Access, enter_project
from apps.projects.audit import record
from apps.projects.quotas import ADVICE, in_words

logger = logging.getLogger(__name__)

NEEDS = Role.DEVELOPER
# When it is due is asked again after this long, while nothing says it.
ASK_AGAIN = timedelta(hours=1)
SAVE_IT = "A developer, admin or owner can edit and save the schedule: then it runs in their name."


class Skip(NamedTuple):
    code: str
    message: str


@transaction.atomic
def fire(schedule_id: str) -> None:
    """The task that timers send. Called twice for one due time it does nothing the second time.

    All that was missed while no worker ran is one run.
    """
    pk = UUID(schedule_id)
    schedule = JobSchedule.across_tenants.locked().filter(pk=pk).first()
    if schedule is None:
        timers.forget(pk)
        return
    if schedule.next_run is not None and schedule.next_run <= timezone.now():
        due = schedule.next_run
        _try(schedule, key=f"schedule {schedule.pk} {due.isoformat()}")
        schedule.last_due = due
        schedule.save(update_fields=["last_due", "last_job", "skip_code", "skip_message", "next_run"])
    timers.set_timer(schedule)


def start(schedule: JobSchedule, access: Access, key: str | None) -> Job:
    """Make the job of a locked schedule. Raises Refused: `still_running`, `quota_exceeded`, or why it can't be made."""
    last = schedule.last_job
    if last is not None and not last.is_over:
        state = last.get_state_display().lower()
        raise Refused("still_running", f"The job of the last time, {last}, has not ended: it is {state}.", status=409)
    organization = access.organization
    if organization.used_bytes >= organization.quota_bytes:
        used = f"All of the {in_words(organization.quota_bytes)} quota of {organization} is used up."
        raise Refused("quota_exceeded", f"{used} {ADVICE}", status=413)
    job = startable_of(schedule.starts).start(access, schedule.payload, key)
    schedule.last_job, schedule.skip_code, schedule.skip_message = job, "", ""
    return job


def _try(schedule: JobSchedule, key: str) -> None:
    last_job = schedule.last_job_id
    schedule.next_run = timezone.now() + ASK_AGAIN
    try:
        timers.next_moment(schedule)
        with transaction.atomic():
            access = _rights(schedule)
            job = start(schedule, access, key)
            record(access, "schedule.fired", schedule, job=str(job.pk))
    except Refused as refused:
        skip = Skip(refused.code, refused.message)
    except (OperationalError, InterfaceError):
        raise  # the timer brings it again
    except Exception:
        logger.exception("The schedule %s could not start its job.", schedule.pk)
        skip = Skip("internal_error", "The platform failed to start it. Its operator finds the reason in the log.")
    else:
        return
    schedule.last_job_id, schedule.skip_code, schedule.skip_message = last_job, *skip


def _rights(schedule: JobSchedule) -> Access:
    """Those that the person has now, not those that they had. Raises Refused: `person_gone`, `role_too_low`."""
    person, organization = schedule.runs_as, schedule.project.organization
    if person is None:
        raise Refused("person_gone", f"The account of whoever it ran for is deleted. {SAVE_IT}", status=409)
    try:
        return enter_project(person, needs=NEEDS, scope=None, id=schedule.project_id)
    except Http404:
        message = f"{person} is no longer a member of {organization}. {SAVE_IT}"
        raise Refused("person_gone", message, status=409) from None
    except PermissionDenied:
        message = f"{person} may no longer start jobs: that needs the role {NEEDS.label.lower()} or above. {SAVE_IT}"
        raise Refused("role_too_low", message, status=409) from None
