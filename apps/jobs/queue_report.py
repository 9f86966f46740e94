"""How the queue stands, for those who run the platform: what waits and runs for whom, the workers, what is stuck."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, Prefetch, Q
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ

from apps.jobs.models import Job, Share, Worker
from apps.jobs.schedules.models import JobSchedule
from apps.jobs.workers import GONE_AFTER
from apps.projects import cleaning_record
from apps.projects.models import CleanUp

# Waiting times are those of the newest jobs that have begun.
BEGUN = 2000
# A job that waits so long while a process is free and its organization has room has been overlooked.
OVERLOOKED_AFTER = timedelta(minutes=5)
SILENT_AFTER = timedelta(seconds=30)
MOST_STUCK = 100


@dataclass
class Tenant:
    """One organization's part. `waits_s`: seconds from creation to the first start of its jobs that began lately."""

    name: str
    queued: int = 0
    later: int = 0
    running: int = 0
    oldest: datetime | None = None
    limit: int | None = None
    waits_s: list[float] = field(default_factory=list)

    def wait_s(self, share: float) -> float | None:
        """The wait that this share (0 … 1) of its jobs did not exceed; None: none has begun lately."""
        return quantile(self.waits_s, share)

    @property
    def has_room(self) -> bool:
        return self.limit is None or self.running < self.limit


@dataclass(frozen=True)
class StuckJob:
    job: Job
    why: str


@dataclass(frozen=True)
class QueueReport:
    """`messages` wait in django-q2's queue, `taken` ones are held by a worker or were lost with one.

    `overdue`: how many schedules nobody has looked at, long after their due time. `clean_up`: the last one of the
    storage; None: there was none yet.
    """

    at: datetime
    tenants: dict[Any, Tenant]
    workers: list[Worker]
    stuck: list[StuckJob]
    finished: list[tuple[str, str, int]]
    messages: int
    taken: int
    overdue: int
    clean_up: CleanUp | None

    @property
    def queued(self) -> int:
        return sum(tenant.queued for tenant in self.tenants.values())

    @property
    def later(self) -> int:
        return sum(tenant.later for tenant in self.tenants.values())

    @property
    def running(self) -> int:
        return sum(tenant.running for tenant in self.tenants.values())

    @property
    def processes(self) -> int:
        return sum(worker.processes for worker in self.workers if not self.is_silent(worker))

    @property
    def oldest_s(self) -> float:
        """How long the oldest job has been waiting that may begin."""
        return max(
            ((self.at - tenant.oldest).total_seconds() for tenant in self.tenants.values() if tenant.oldest),
            default=0.0,
        )

    def is_silent(self, worker: Worker) -> bool:
        return self.at - worker.heartbeat_at > SILENT_AFTER

    def canary_age(self, worker: Worker) -> timedelta:
        """How long ago one of its processes is known to have run something; since the start where none has yet."""
        return self.at - (worker.canary_sang_at or worker.started_at)

    def is_canary_late(self, worker: Worker) -> bool:
        """Whether it should have been heard by now; not where every process is busy."""
        return worker.has_free_process and self.canary_age(worker) > timedelta(seconds=3 * settings.JOB_CANARY_S)


def report() -> QueueReport:
    """Look at everything, in ten queries."""
    now = timezone.now()
    tenants = _tenants(now)
    running = Job.across_tenants.filter(state=Job.State.RUNNING).select_related("project__organization").order_by("id")
    workers = list(
        Worker.objects.filter(heartbeat_at__gt=now - GONE_AFTER).prefetch_related(
            Prefetch("jobs", running.defer("payload", "result"))
        )
    )
    messages = OrmQ.objects.filter(key=Conf.CLUSTER_NAME).aggregate(
        waiting=Count("pk", filter=Q(lock__lte=now)), taken=Count("pk", filter=Q(lock__gt=now))
    )
    finished = (
        Job.across_tenants.filter(finished_at__isnull=False)
        .order_by()
        .values_list("kind", "state")
        .annotate(Count("pk"))
    )
    return QueueReport(
        now,
        tenants,
        workers,
        _stuck(now, tenants, workers),
        sorted(finished),
        messages["waiting"],
        messages["taken"],
        JobSchedule.across_tenants.overdue().count(),
        cleaning_record.last(),
    )


def _tenants(now: datetime) -> dict[Any, Tenant]:
    """By the organization's id: those with unfinished jobs, and those whose jobs have begun lately."""
    is_ready = Q(state=Job.State.QUEUED, ready_at__lte=now)
    rows = (
        Job.across_tenants.unfinished()
        .order_by()
        .values_list("project__organization", "project__organization__name")
        .annotate(
            queued=Count("pk", filter=is_ready),
            later=Count("pk", filter=Q(state=Job.State.QUEUED, ready_at__gt=now)),
            running=Count("pk", filter=Q(state=Job.State.RUNNING)),
            oldest=Min("ready_at", filter=is_ready),
        )
    )
    tenants = {pk: Tenant(name, queued, later, running, oldest) for pk, name, queued, later, running, oldest in rows}
    begun = Job.across_tenants.filter(started_at__isnull=False).order_by("-id")
    names = ("project__organization", "project__organization__name", "created_at", "started_at")
    for pk, name, created, started in begun.values_list(*names)[:BEGUN]:
        tenants.setdefault(pk, Tenant(name)).waits_s.append((started - created).total_seconds())
    for share in Share.across_tenants.filter(organization__in=tenants):
        tenants[share.organization_id].limit = share.limit
    return dict(sorted(tenants.items(), key=lambda item: (-item[1].queued, -item[1].running, item[1].name)))


def _stuck(now: datetime, tenants: dict[Any, Tenant], workers: Sequence[Worker]) -> list[StuckJob]:
    """Jobs that somebody should look at, the oldest first."""
    jobs = Job.across_tenants.unfinished().select_related("project__organization").defer("payload", "result")
    is_due = Q(state=Job.State.QUEUED, ready_at__lt=now - OVERLOOKED_AFTER)
    is_lost = Q(state=Job.State.RUNNING, lease_expires_at__lt=now - SILENT_AFTER)
    has_free = any(worker.has_free_process for worker in workers if now - worker.heartbeat_at < SILENT_AFTER)
    found: list[StuckJob] = []
    for job in jobs.filter(is_due | is_lost).order_by("id")[:MOST_STUCK]:
        if job.state == Job.State.RUNNING:
            found.append(StuckJob(job, "Its worker's lease has run out, and nobody has noticed."))
        elif not workers:
            found.append(StuckJob(job, "There is no worker."))
        elif has_free and tenants[job.project.organization_id].has_room:
            found.append(StuckJob(job, "A process is free, but none takes it."))
    return found


def quantile(values: Iterable[float], share: float) -> float | None:
    """The smallest of the values that at least this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else None
