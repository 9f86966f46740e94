"""Time that passes for schedules, and what came of it."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django.utils import timezone
from django_q.models import Schedule

from apps.accounts.models import Membership, Organization
from apps.jobs.endings import end_cancelled
from apps.jobs.models import Job
from apps.jobs.schedules.firing import fire
from apps.jobs.schedules.models import JobSchedule
from apps.jobs.schedules.services import (
    Plan,
)
from apps.projects.access import Access

LATE = timedelta(hours=100)


def chosen(wants: str = "digits", **fields: Any) -> dict[str, Any]:
    about = {"every": "week", "weekday": "monday", "at": time(6, 0), "zone": "Europe/Berlin", **fields}
    return {"payload": {"wants": wants}, **about}


def plan(wants: str = "digits", **fields: Any) -> Plan:
    return Plan(**chosen(wants, **fields))


def pass_time(schedule: JobSchedule, by: timedelta = timedelta(minutes=1)) -> datetime:
    """Its due time was `by` ago; its timer knows."""
    due = timezone.now() - by
    JobSchedule.across_tenants.filter(pk=schedule.pk).update(next_run=due)
    Schedule.objects.filter(pk=schedule.timer_id).update(next_run=due)
    schedule.refresh_from_db()
    return due


def due(schedule: JobSchedule, by: timedelta = timedelta(minutes=1)) -> JobSchedule:
    """The schedule after its due time has come and was handled."""
    pass_time(schedule, by)
    fire(str(schedule.pk))
    schedule.refresh_from_db()
    return schedule


def ahead(schedule: JobSchedule) -> timedelta:
    """How far away its next due time is."""
    assert schedule.next_run is not None
    return schedule.next_run - timezone.now()


def jobs() -> list[str]:
    return list(Job.across_tenants.filter(kind="check").order_by("id").values_list("title", flat=True))


def finish(schedule: JobSchedule) -> None:
    assert schedule.last_job is not None
    end_cancelled(schedule.last_job)


def leave(access: Access) -> None:
    Membership.across_tenants.filter(user=access.user).delete()


def lose_role(access: Access) -> None:
    Membership.across_tenants.filter(user=access.user).update(role="viewer")


def close_account(access: Access) -> None:
    assert access.user is not None
    access.user.delete()


def lock_account(access: Access) -> None:
    assert access.user is not None
    type(access.user).objects.filter(pk=access.user.pk).update(is_active=False)


def use_up_quota(access: Access) -> None:
    Organization.objects.update(used_bytes=2**30)
