"""Jobs on a schedule: what is started, when, and what came of it the last time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django_q.models import Schedule

from apps.jobs.models import Job
from apps.jobs.schedules.rhythm import Every, Rhythm, Weekday, clocks_of
from apps.projects.tenancy import TenantManager, TenantOwned, TenantQuerySet

OVERDUE_AFTER = timedelta(minutes=30)


class JobScheduleQuerySet(TenantQuerySet["JobSchedule"]):
    def for_page(self) -> Self:
        """Newest first, with the last job and the person, without the job's long columns."""
        joined = self.select_related("last_job", "runs_as")
        return joined.defer("last_job__payload", "last_job__result").order_by("-id")

    def locked(self) -> Self:
        """For a change inside a transaction: its own row is locked, its project comes with it.

        Nothing else does: PostgreSQL reads the row anew after waiting for its lock, but not those joined to it, and
        would show none in the place of a `last_job` that was written meanwhile.
        """
        return self.select_related("project__organization").select_for_update(of=("self",))

    def overdue(self) -> Self:
        """Those whose due time nobody has handled for long, though messages about it come every few minutes."""
        return self.filter(enabled=True, next_run__lt=timezone.now() - OVERDUE_AFTER)


class JobSchedule(TenantOwned):
    """The row says what is due when. Its `timer`, a row of django-q2, only has it looked at: see `timers`."""

    name = models.CharField(max_length=100)
    starts = models.CharField(max_length=40, help_text="The name of a Startable.")
    payload = models.JSONField(default=dict, help_text="What the Startable needs: ids of rows of the same project.")
    subject = models.CharField(max_length=300, help_text="What it starts, in words.")

    every = models.CharField(max_length=4, choices=Every)
    weekday = models.CharField(max_length=9, choices=Weekday, blank=True)
    at = models.TimeField(help_text="On the clocks of the zone; for every hour, only the minutes count.")
    zone = models.CharField(max_length=64, help_text="A name of the IANA database, such as Europe/Berlin.")

    enabled = models.BooleanField(default=True)
    next_run = models.DateTimeField(null=True, blank=True, help_text="Null while it is paused.")
    runs_as = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="+",
        help_text="Who has made or last changed it: jobs are started with their rights and in their name.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    last_due = models.DateTimeField(null=True, blank=True, help_text="The last due time that was looked at.")
    last_job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+")
    skip_code = models.CharField(max_length=60, blank=True, help_text="Empty, or nothing was started the last time.")
    skip_message = models.TextField(blank=True)
    timer = models.OneToOneField(Schedule, models.SET_NULL, null=True, blank=True, related_name="+")

    objects: ClassVar[TenantManager[JobSchedule]] = TenantManager.from_queryset(JobScheduleQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = JobScheduleQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(every="week", weekday__in=Weekday.values)
                | models.Q(~models.Q(every="week"), weekday=""),
                name="job_schedule_weekday_of_weekly_ones",
            ),
            models.CheckConstraint(
                condition=models.Q(enabled=True, next_run__isnull=False)
                | models.Q(enabled=False, next_run__isnull=True),
                name="job_schedule_due_while_enabled",
            ),
        ]
        indexes = [models.Index(fields=["project", "-id"], name="job_schedule_newest_first")]

    def __str__(self) -> str:
        return self.name

    @property
    def rhythm(self) -> Rhythm:
        return Rhythm(self.every, self.at, self.zone, self.weekday)

    @property
    def local_next_run(self) -> datetime | None:
        """On the clocks of its own zone."""
        return self.next_run.astimezone(clocks_of(self.zone)) if self.next_run else None

    @property
    def local_last_due(self) -> datetime | None:
        return self.last_due.astimezone(clocks_of(self.zone)) if self.last_due else None
