"""The clean-up of the storage, once a day: by a Schedule of django-q2, in slices between which other messages get in.

A slice is shorter than the watchdog's patience, since a process that cleans up has no job, and so counts as free.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from datetime import time as time_of_day

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_q.models import Schedule
from django_q.tasks import async_task

from apps.jobs import shutdown
from apps.projects import cleaning, cleaning_record, quotas

logger = logging.getLogger(__name__)

NAME = "clean-up"
TASK = "apps.jobs.nightly.clean_up"
SLICE_S = 20.0
# What is left then is for the next night, which goes on from there.
LONGEST = timedelta(minutes=10)


@transaction.atomic
def keep_schedule() -> None:
    """Have the one row that settings.CLEAN_UP_AT asks for, or none. Any number of workers may do so at once.

    A row that is right stays as it is: a run that was missed while no worker was there is made up for.
    """
    cleaning_record.lock()  # names of schedules are not unique
    at: time_of_day | None = settings.CLEAN_UP_AT
    rows = Schedule.objects.filter(name=NAME).order_by("pk")
    row = rows.first() if at is not None else None
    rows.exclude(pk=row.pk if row else None).delete()
    if at is None or (row is not None and _is_right(row, at)):
        return
    row = row or Schedule(name=NAME)
    row.func, row.schedule_type, row.repeats, row.next_run = TASK, Schedule.DAILY, -1, _next(at)
    row.args = row.kwargs = None
    row.save()


def clean_up(begun: str = "") -> None:
    """One slice of a clean-up, run by the queue: of a new one, or of that which began at `begun` (ISO 8601)."""
    with shutdown.noticed():
        started_at = datetime.fromisoformat(begun) if begun else cleaning_record.begin()
        try:
            _clean_slice(started_at, is_first=not begun)
        except Exception as error:
            cleaning_record.note_failure(started_at, error)
            raise


def _clean_slice(started_at: datetime, *, is_first: bool) -> None:
    row = cleaning_record.last()
    if row is None or row.started_at != started_at:
        return  # a later one has taken over
    ends_at = time.monotonic() + min(SLICE_S, settings.JOB_CANARY_S / 3)

    def should_stop() -> bool:
        return shutdown.is_coming() or time.monotonic() >= ends_at

    cleared = cleaning.clear_chores(should_stop=should_stop) if is_first else {}
    before = timezone.now() - timedelta(seconds=settings.ORPHAN_AGE_S)
    account = cleaning.clean(before=before, after=row.position, should_stop=should_stop)
    account.cleared = cleared
    goes_on = not account.is_done and not account.gave_up and timezone.now() - started_at < LONGEST
    with transaction.atomic():
        cleaning_record.note(started_at, account, goes_on=goes_on)
        if goes_on:
            async_task(TASK, started_at.isoformat(), task_name=NAME, save=False)
    if not goes_on and (row := cleaning_record.last()):
        logger.info(
            "Clean-up: %d expired uploads cleared; %d files of %s deleted that nothing needed; %d errors.",
            *(row.expired, row.files, quotas.in_words(row.bytes), row.errors),
        )


def _is_right(row: Schedule, at: time_of_day) -> bool:
    when = row.next_run
    is_daily = row.func == TASK and row.schedule_type == Schedule.DAILY and row.repeats < 0
    return is_daily and when is not None and (when.hour, when.minute) == (at.hour, at.minute)


def _next(at: time_of_day) -> datetime:
    """When it will be this time of the day (UTC) for the next time."""
    now = timezone.now()
    today = now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)
