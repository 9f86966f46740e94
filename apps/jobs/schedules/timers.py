"""The timers of schedules: rows of django-q2, whose scheduler sends a message for each that is due.

A message only says: look whether the schedule is due. django-q2 moves the timer on by REPEAT_MINUTES as it sends one,
and whoever handles the message sets it to the next due time. So a message that is lost with its worker comes again, and
one too many finds nothing due.
"""

from __future__ import annotations

import ast
import logging
from uuid import UUID
from zoneinfo import ZoneInfoNotFoundError

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django_q.models import Schedule

from apps.errors import Refused
from apps.jobs.schedules.models import OVERDUE_AFTER, JobSchedule

logger = logging.getLogger(__name__)

FIRE = "apps.jobs.schedules.firing.fire"
REPEAT_MINUTES = 10
AT_ONCE = 100


def set_timer(schedule: JobSchedule) -> None:
    """Let the schedule be looked at when it is due, and not at all while it is paused. Its row is to be locked.

    Whatever somebody has changed in the timer is put right.
    """
    if schedule.next_run is None:
        remove_timer(schedule)
        return
    name = f"schedule {schedule.pk}"
    fields = {
        "name": name,
        "func": FIRE,
        "hook": None,
        "args": repr(str(schedule.pk)),
        "kwargs": repr({"q_options": {"task_name": name, "save": False}}),
        "intended_date_kwarg": None,
        "cluster": None,
        "schedule_type": Schedule.MINUTES,
        "minutes": REPEAT_MINUTES,
        "repeats": -1,
        "next_run": schedule.next_run,
    }
    if not Schedule.objects.filter(pk=schedule.timer_id).update(**fields):
        schedule.timer = Schedule.objects.create(**fields)
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
    """Housekeeping: timers that somebody has deleted or stopped are there again. Mostly there are none: two queries."""
    _stop_unreadable()
    is_old = Q(timer__next_run__lt=timezone.now() - OVERDUE_AFTER)
    is_broken = Q(timer=None) | Q(timer__next_run=None) | Q(timer__repeats=0) | is_old
    broken = JobSchedule.across_tenants.filter(is_broken, enabled=True).values_list("pk", flat=True)
    for pk in list(broken[:AT_ONCE]):
        with transaction.atomic():
            if schedule := JobSchedule.across_tenants.locked().filter(pk=pk, enabled=True).first():
                set_timer(schedule)


def _stop_unreadable() -> None:
    """Stop what django-q2 can't send, whoever made it: its scheduler sends all that is due in one transaction, so one
    that it can't read keeps all others from being sent, for ever.
    """
    due = Schedule.objects.exclude(repeats=0).filter(next_run__lt=timezone.now())
    for row in due.exclude(args=None, kwargs=None):
        if not _is_readable(row):
            logger.error(
                "The scheduled task %s (%s) is stopped, its repeats are 0: its arguments can't be read. Received: "
                "%.200r, %.200r. Accepted: Python literals.",
                *(row.pk, row.name or row.func, row.args, row.kwargs),
            )
            Schedule.objects.filter(pk=row.pk).update(repeats=0)


def _is_readable(row: Schedule) -> bool:
    """As django-q2's scheduler reads it, which takes keywords that are no literal for `a=1, b=2`."""
    try:
        ast.literal_eval(row.args or "()")
    except Exception:  # whatever text it is
        return False
    try:
        kwargs = ast.literal_eval(row.kwargs or "{}")
    except (SyntaxError, ValueError):
        return True
    except Exception:
        return False
    return isinstance(kwargs, dict)


def next_moment(schedule: JobSchedule) -> None:
    """Set when it is due next, counted from now: what was missed is not made up for. Raises Refused: `zone_unknown`."""
    try:
        schedule.next_run = schedule.rhythm.next_after(timezone.now()) if schedule.enabled else None
    except ZoneInfoNotFoundError:
        message = (
            f"The platform does not know the time zone {schedule.zone} any more. A developer, admin or owner can edit "
            "the schedule and choose another."
        )
        raise Refused("zone_unknown", message, status=409) from None
