"""Jobs and what happened in them. The Job row holds the truth; the queue only says "look at it"."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7

from apps.accounts.models import Organization
from apps.accounts.tenancy import OrganizationOwnedManager, OrganizationOwnedQuerySet
from apps.projects.models import ApiKey
from apps.projects.tenancy import TenantManager, TenantOwned, TenantQuerySet


class JobQuerySet(TenantQuerySet["Job"]):
    def for_page(self) -> Self:
        return self.select_related("created_by", "api_key").defer("payload", "result").order_by("-id")

    def unfinished(self) -> Self:
        return self.filter(state__in=[Job.State.QUEUED, Job.State.RUNNING])

    def abandoned(self, now: datetime) -> Self:
        """Running jobs whose worker let its lease run out."""
        return self.filter(state=Job.State.RUNNING, lease_expires_at__lt=now)

    def ready(self, now: datetime) -> Self:
        """Queued jobs that may begin now; one that is tried again waits for its moment first."""
        return self.filter(state=Job.State.QUEUED, ready_at__lte=now)

    def forgotten(self, now: datetime) -> Self:
        """Queued jobs whose message to the queue may have been lost, or was not to be sent before now."""
        return self.filter(state=Job.State.QUEUED, remind_at__lt=now)

    def locked(self) -> Self:
        """For a change inside a transaction: the job's own row is locked, its project comes with it."""
        return self.select_related("project__organization").select_for_update(of=("self",))


class Worker(models.Model):
    """One `manage.py work`, which runs several jobs at a time on its machine. The row goes when it ends properly."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    host = models.CharField(max_length=100)
    pid = models.PositiveIntegerField()
    processes = models.PositiveSmallIntegerField(help_text="How many jobs it runs at a time.")
    sandbox = models.CharField(max_length=20, help_text="How it confines jobs.")
    started_at = models.DateTimeField(default=timezone.now)
    heartbeat_at = models.DateTimeField(default=timezone.now)
    canary_sent_at = models.DateTimeField(null=True, blank=True, help_text="The last message that only says: sing.")
    canary_sang_at = models.DateTimeField(null=True, blank=True, help_text="When one of its processes last ran it.")
    restarts = models.PositiveIntegerField(default=0, help_text="How often it found its processes stuck.")

    class Meta:
        ordering = ["host", "pid"]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"

    @property
    def has_free_process(self) -> bool:
        """Whether it could run another job, by its `jobs`, of which only the running ones must be prefetched."""
        return len(self.jobs.all()) < self.processes


class Share(models.Model):
    """What an organization gets of all workers. Its row is locked while one of its jobs is taken."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.OneToOneField(Organization, models.CASCADE, related_name="share")
    max_running = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="How many of its jobs may run at a time; empty: JOB_MAX_RUNNING."
    )
    last_taken_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[OrganizationOwnedManager[Share]] = OrganizationOwnedManager.from_queryset(  # type: ignore[assignment]
        OrganizationOwnedQuerySet
    )()
    across_tenants: ClassVar[Any] = OrganizationOwnedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Share of {self.organization}"

    @property
    def limit(self) -> int | None:
        """How many of its jobs may run at a time; None: as many as there are workers."""
        return (settings.JOB_MAX_RUNNING if self.max_running is None else self.max_running) or None


class Job(TenantOwned):
    """One long-running piece of work, run by a worker that holds its lease."""

    class Kind(models.TextChoices):
        IMPORT = "import", "Import data"
        TRAIN = "train", "Train"
        CHECK = "check", "Check compatibility"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    class Place(models.TextChoices):
        WORKERS = "workers", "The platform's workers"
        RAY = "ray", "The Ray cluster"

    kind = models.CharField(max_length=10, choices=Kind)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    runs_on = models.CharField(max_length=10, choices=Place, default=Place.WORKERS)
    title = models.CharField(max_length=200)
    payload = models.JSONField(
        default=dict, help_text="What the handler of this kind needs: ids of rows of the same project."
    )
    idempotency_key = models.CharField(max_length=100, null=True, blank=True)  # noqa: DJ001  (unique where set)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    api_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, related_name="+", help_text="In its stead.")

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    priority = models.SmallIntegerField(
        default=0, help_text="Higher is sooner, among the jobs of one organization: never ahead of another's."
    )
    queued_at = models.DateTimeField(default=timezone.now, help_text="When it last came into the queue.")
    ready_at = models.DateTimeField(default=timezone.now, help_text="When it may begin.")
    remind_at = models.DateTimeField(
        default=timezone.now, help_text="When the queue is told of it again, should it still be waiting."
    )
    attempts = models.PositiveIntegerField(default=0, help_text="Raised before the work starts.")
    max_attempts = models.PositiveIntegerField(default=3)
    fencing_token = models.PositiveIntegerField(
        default=0, help_text="Raised with every lease; a write with an older one is refused."
    )
    worker = models.ForeignKey(Worker, models.SET_NULL, null=True, blank=True, related_name="jobs")
    lease_owner = models.CharField(max_length=100, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    time_limit_s = models.PositiveIntegerField(default=3600)

    progress = models.FloatField(default=0, help_text="0 … 1")
    progress_message = models.CharField(max_length=200, blank=True)
    seconds_left = models.PositiveIntegerField(
        null=True, blank=True, help_text="An estimate; null while there is none."
    )
    last_sequence = models.PositiveIntegerField(default=0, help_text="Of the newest JobEvent.")
    saved_work = models.CharField(
        max_length=300, blank=True, help_text="Storage key of what it had done when it was stopped; empty: nothing."
    )
    saved_work_bytes = models.PositiveBigIntegerField(default=0)
    result = models.JSONField(null=True, blank=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_message = models.TextField(blank=True)
    error_details = models.JSONField(default=list, blank=True)

    objects: ClassVar[TenantManager[Job]] = TenantManager.from_queryset(JobQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "idempotency_key"], name="job_once_per_idempotency_key"),
            models.CheckConstraint(
                condition=models.Q(progress__gte=0, progress__lte=1), name="job_progress_is_a_share"
            ),
        ]
        indexes = [
            models.Index(fields=["project", "-id"], name="job_newest_first"),
            # The sweep, every few seconds: jobs whose worker died, and queued jobs that the queue may have lost.
            models.Index(fields=["lease_expires_at"], condition=models.Q(state="running"), name="job_running_lease"),
            models.Index(fields=["remind_at"], condition=models.Q(state="queued"), name="job_queued_reminder"),
            # Whose turn it is: a project's next job.
            models.Index(
                fields=["project", "-priority", "id"], condition=models.Q(state="queued"), name="job_queued_line"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_over(self) -> bool:
        return self.state in {self.State.SUCCEEDED, self.State.FAILED, self.State.CANCELLED}

    @property
    def has_progress(self) -> bool:
        """Whether how far it came means anything: nothing is left of a job that failed or was cancelled."""
        return not self.is_over or self.state == self.State.SUCCEEDED

    @property
    def duration(self) -> timedelta | None:
        """From the first start to the end, or until now; None before the start."""
        return (self.finished_at or timezone.now()) - self.started_at if self.started_at else None


class JobEventQuerySet(TenantQuerySet["JobEvent"]):
    def after(self, sequence: int) -> Self:
        return self.filter(sequence__gt=sequence).order_by("sequence")


class JobEvent(TenantOwned):
    """One thing that happened in a job. `sequence` counts 1, 2, 3 … within the job, without a gap."""

    class Kind(models.TextChoices):
        STATE = "state"
        PROGRESS = "progress"
        METRICS = "metrics"
        LOG = "log"

    job = models.ForeignKey(Job, models.CASCADE, related_name="events")
    sequence = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind)
    data = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[TenantManager[JobEvent]] = TenantManager.from_queryset(JobEventQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = JobEventQuerySet.as_manager()

    class Meta:
        ordering = ["job", "sequence"]
        constraints = [models.UniqueConstraint(fields=["job", "sequence"], name="job_event_sequence_unique")]


# The models of the packages below belong to this app; they need Job, so they come last.
import apps.jobs.notices.models  # noqa: E402
import apps.jobs.schedules.models  # noqa: E402,F401
