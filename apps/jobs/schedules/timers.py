"""The timers of schedules: rows of django-q2, whose scheduler sends a message for each that is due.

A message only says: look whether the schedule is due. django-q2 moves the timer on by REPEAT_MINUTES as it sends one,
and whoever handles the message sets it to the next due time. So a message that is lost with its worker comes again, and
one too many finds nothing due.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django_q.models import Schedule

from apps.jobs.schedules.models import JobSchedule

FIRE = "apps.jobs.schedules.firing.fire"
REPEAT_MINUTES = 10
AT_ONCE = 100


def set_timer(schedule: JobSchedule) -> None:
    """Let the schedule be looked at when it is due, and not at all while it is paused. Its row is to be locked."""
    if schedule.next_run is None:
        remove_timer(schedule)
    elif not Schedule.objects.filter(pk=schedule.timer_id).update(next_run=schedule.next_run):
        schedule.timer = Schedule.objects.create(
            name=f"schedule {schedule.pk}",
            func=FIRE,
            args=repr(str(schedule.pk)),
            kwargs=repr({"q_options": {"task_name": f"schedule {schedule.pk}", "save": False}}),
            schedule_type=Schedule.MINUTES,
            minutes=REPEAT_MINUTES,
            next_run=schedule.next_run,
        )
        schedule.save(update_fields=["timer"])


def remove_timer(schedule: JobSchedule) -> None:
    if schedule.timer_id is not None:
        timer, schedule.timer = schedule.timer_id, None
        schedule.save(update_fields=["timer"])
        Schedule.objects.filter(pk=timer).delete()


def forget(schedule_id: UUID) -> None:
    """Remove the timer of a schedule that went with its project."""
    Schedule.objects.filter(func=FIRE, args=repr(str(schedule_id))).delete()


def mend() -> None:
    """Housekeeping: a schedule whose timer somebody has deleted gets another. Mostly there is none: one query."""
    missing = JobSchedule.across_tenants.filter(enabled=True, timer=None).values_list("pk", flat=True)
    for pk in list(missing[:AT_ONCE]):
        with transaction.atomic():
            if schedule := JobSchedule.across_tenants.locked().filter(pk=pk, enabled=True, timer=None).first():
                set_timer(schedule)


def next_moment(schedule: JobSchedule) -> None:
    """Set when it is due next, counted from now: what was missed is not made up for."""
    schedule.next_run = schedule.rhythm.next_after(timezone.now()) if schedule.enabled else None
