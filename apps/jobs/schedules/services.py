"""What people do with schedules: make, change, pause, resume, delete, and run one now."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import time
from typing import Any

from django.db import transaction

from apps.errors import Detail, Refused
from apps.jobs.models import Job
from apps.jobs.schedules import firing, timers
from apps.jobs.schedules.models import JobSchedule
from apps.jobs.schedules.rhythm import Every, Rhythm, Weekday, zones
from apps.jobs.schedules.starting import startable_of
from apps.projects.access import Access
from apps.projects.audit import record

MOST_SCHEDULES = 100
MAX_NAME = 100


@dataclass(frozen=True)
class Plan:
    """All that a person chooses. `name` may be empty for a new one, which is then named after what it starts."""

    payload: dict[str, Any]
    every: str
    at: time
    zone: str
    weekday: str = ""
    name: str = ""
    enabled: bool = True

    @property
    def rhythm(self) -> Rhythm:
        return Rhythm(self.every, self.at.replace(second=0, microsecond=0), self.zone, self.weekday)


@transaction.atomic
def create_schedule(*, access: Access, starts: str, plan: Plan) -> JobSchedule:
    """A schedule of the project, which runs with the rights of the person who makes it.

    Raises Refused: `starts_unknown`, `rhythm_invalid`, `too_many_schedules`, or why the payload can't be started.
    """
    access.project.lock()  # others count afterwards
    if access.query(JobSchedule).count() >= MOST_SCHEDULES:
        raise Refused("too_many_schedules", f"A project has at most {MOST_SCHEDULES} schedules.", status=409)
    schedule = JobSchedule(project=access.project, starts=starts)
    _set(schedule, access, plan)
    record(access, "schedule.created", schedule, starts=starts, when=str(plan.rhythm), zone=plan.zone)
    return schedule


@transaction.atomic
def change_schedule(*, access: Access, schedule: JobSchedule, changes: dict[str, Any]) -> JobSchedule:
    """Set these fields of a Plan anew; it runs with the rights of who changes it from now on.

    A weekday goes by itself when it is not due every week any more. A due time that has come stays unless the rhythm
    changes. Raises as `create_schedule`.
    """
    found = _locked(access, schedule)
    plan = _changed(found, changes)
    _set(found, access, plan)
    about = {"when": str(plan.rhythm), "zone": plan.zone, "enabled": plan.enabled}
    record(access, "schedule.changed", found, **about)
    return found


@transaction.atomic
def pause_schedule(*, access: Access, schedule: JobSchedule) -> JobSchedule:
    """Nothing is due until it is resumed. A job that it has started goes on."""
    return _switch(access, schedule, enabled=False, action="schedule.paused")


@transaction.atomic
def resume_schedule(*, access: Access, schedule: JobSchedule) -> JobSchedule:
    """It is due at the next time of its rhythm; what it has missed is not made up for.

    Raises Refused: `zone_unknown`.
    """
    return _switch(access, schedule, enabled=True, action="schedule.resumed")


@transaction.atomic
def delete_schedule(*, access: Access, schedule: JobSchedule) -> None:
    """The jobs that it has started stay."""
    found = _locked(access, schedule)
    record(access, "schedule.deleted", found)
    timers.remove_timer(found)
    found.delete()


@transaction.atomic
def run_now(*, access: Access, schedule: JobSchedule) -> Job:
    """Start its job besides its due times, with the rights and in the name of who asks.

    Raises Refused: `still_running`, `quota_exceeded`, or why the job can't be made.
    """
    found = _locked(access, schedule)
    job = firing.start(found, access, None)
    found.save(update_fields=["last_job", "skip_code", "skip_message"])
    record(access, "schedule.run", found, job=str(job.pk))
    return job


def _locked(access: Access, schedule: JobSchedule) -> JobSchedule:
    return access.get(JobSchedule, schedule.pk, access.query(JobSchedule).locked())


def _changed(schedule: JobSchedule, changes: dict[str, Any]) -> Plan:
    now = {field.name: getattr(schedule, field.name) for field in fields(Plan)}
    if changes.get("every", Every.WEEK) != Every.WEEK:
        now["weekday"] = ""
    return Plan(**now | changes)


def _switch(access: Access, schedule: JobSchedule, *, enabled: bool, action: str) -> JobSchedule:
    found = _locked(access, schedule)
    if found.enabled != enabled:
        found.enabled = enabled
        timers.next_moment(found)
        found.save(update_fields=["enabled", "next_run"])
        timers.set_timer(found)
        record(access, action, found)
    return found


def _set(schedule: JobSchedule, access: Access, plan: Plan) -> None:
    _check(plan)
    subject = startable_of(schedule.starts).describe(access, plan.payload)
    rhythm, before = plan.rhythm, None if schedule._state.adding else (schedule.rhythm, schedule.enabled)
    schedule.name = plan.name.strip()[:MAX_NAME] or subject.title[:MAX_NAME]
    schedule.payload, schedule.subject = subject.payload, subject.text[:300]
    schedule.every, schedule.weekday, schedule.at, schedule.zone = rhythm.every, rhythm.weekday, rhythm.at, rhythm.zone
    schedule.enabled, schedule.runs_as = plan.enabled, access.user
    if before != (rhythm, plan.enabled):
        timers.next_moment(schedule)
    schedule.save()
    timers.set_timer(schedule)


def _check(plan: Plan) -> None:
    found: list[Detail] = []
    if plan.every not in Every.values:
        found.append(_wrong("every", plan.every, ", ".join(Every.values)))
    if plan.zone not in zones():
        found.append(_wrong("zone", plan.zone, "a name of the IANA database such as Europe/Berlin, or UTC"))
    if plan.every == Every.WEEK and plan.weekday not in Weekday.values:
        found.append(_wrong("weekday", plan.weekday, ", ".join(Weekday.values)))
    if plan.every != Every.WEEK and plan.weekday:
        found.append(_wrong("weekday", plan.weekday, "nothing, unless it is due every week"))
    if found:
        raise Refused("rhythm_invalid", " ".join(detail["message"] for detail in found), details=found)


def _wrong(field: str, received: str, accepted: str) -> Detail:
    received = repr(received[:64]) if received else "nothing"
    return {"field": field, "message": f"The {field} can't be used. Received: {received}. Accepted: {accepted}."}
