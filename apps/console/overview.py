"""What the two entrance pages show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from allauth.account.models import EmailAddress
from django.db.models import Count, OuterRef, Prefetch, Q, Subquery
from django.db.models.functions import Coalesce, Lower
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Invitation, User
from apps.analytics.models import Event
from apps.datasets.models import DatasetVersion
from apps.delivery.models import Deployment, Installation
from apps.jobs.models import Job
from apps.models.models import ModelVersion, RegisteredModel
from apps.projects.access import Access
from apps.projects.models import Project
from apps.training.models import TrainingRun

SHOWN = 6
FAILED_DAYS = 7


def overview_of(user: User) -> dict[str, Any]:
    """What a person comes back to: organizations, and what happens in all of their projects. Six queries."""
    return organizations_of(user) | {
        "jobs": _jobs_to_look_at(user),
        "versions": _theirs(ModelVersion.across_tenants.for_list(), user)
        .select_related(None)
        .prefetch_related(None)
        .select_related("model", "project__organization")[:SHOWN],
        "devices": _theirs(Installation.across_tenants, user).aggregate(
            count=Count("pk"), today=Count("pk", filter=Q(last_seen_at__gte=timezone.now() - timedelta(days=1)))
        ),
    }


def _theirs(rows: Any, user: User) -> Any:
    return rows.filter(project__organization__memberships__user=user)


def _jobs_to_look_at(user: User) -> Any:
    """What runs or waits now, and what failed in the last days: newest first."""
    recently = timezone.now() - timedelta(days=FAILED_DAYS)
    running, failed = Q(state__in=[Job.State.QUEUED, Job.State.RUNNING]), Q(state=Job.State.FAILED)
    jobs = Job.across_tenants.filter(running | (failed & Q(finished_at__gte=recently)))
    return (
        _theirs(jobs, user).select_related("project__organization").defer("payload", "result").order_by("-id")[:SHOWN]
    )


def organizations_of(user: User) -> dict[str, Any]:
    """The person's organizations with their projects, and the invitations that wait for them. Three queries."""
    projects = Project.across_tenants.annotate(
        model_count=_count_of(RegisteredModel.across_tenants), device_count=_count_of(Installation.across_tenants)
    )
    memberships = (
        user.memberships.select_related("organization")
        .prefetch_related(Prefetch("organization__projects", projects.order_by("name")))
        .order_by("organization__name")
    )
    # Whoever has not confirmed an address may have typed somebody else's.
    confirmed = EmailAddress.objects.filter(user=user, verified=True).annotate(address=Lower("email")).values("address")
    invitations = Invitation.across_tenants.open().annotate(address=Lower("email")).filter(address__in=confirmed)
    return {"memberships": memberships, "invitations": invitations.select_related("organization")}


def _count_of(rows: Any) -> Coalesce:
    """How many of `rows` a project has: a count of its own for each, since two joins would multiply each other."""
    counted = rows.filter(project=OuterRef("pk")).order_by().values("project").annotate(number=Count("pk"))
    return Coalesce(Subquery(counted.values("number")), 0)


@dataclass(frozen=True)
class Step:
    """One step of the way from data to devices: how far the project is, and where to go on."""

    title: str
    done: str | None
    todo: str
    url: str


@dataclass(frozen=True)
class ProjectOverview:
    steps: list[Step]
    next_step: Step | None
    jobs: list[Job]
    devices: int
    devices_today: int
    events_today: int


def project_overview(access: Access) -> ProjectOverview:
    """The project's state in eight queries."""
    project = access.project
    day_ago = timezone.now() - timedelta(days=1)
    where = [access.organization.slug, project.slug]
    data = access.query(DatasetVersion).ready().select_related("dataset").order_by("-id").first()
    run = access.query(TrainingRun).for_page().first()
    version = access.query(ModelVersion).ready().select_related("model").order_by("-id").first()
    deployment = (
        access.query(Deployment)
        .select_related("current__version__model")
        .exclude(current=None)
        .order_by("-current__id")
        .first()
    )
    devices = access.query(Installation).count()
    steps = [
        Step(
            "Data",
            f"{data}: {data.num_examples:,} examples" if data else None,
            "Upload examples",
            reverse("dataset-list", args=where),
        ),
        Step(
            "Training",
            f"{run.name}: {run.job.get_state_display().lower()}" if run else None,
            "Train a small model",
            reverse("run-list", args=where),
        ),
        Step(
            "Model",
            f"{version} is ready" if version else None,
            "Get a version through its check",
            reverse("model-list", args=where),
        ),
        Step(
            "Deployment",
            f"{deployment.current.version} goes to devices" if deployment else None,
            "Deploy a version",
            reverse("deployment-list", args=where),
        ),
        Step(
            "Devices",
            f"{devices:,} seen" if devices else None,
            "Make a device key and start the client",
            reverse("key-list", args=where),
        ),
    ]
    return ProjectOverview(
        steps=steps,
        next_step=next((step for step in steps if step.done is None), None),
        jobs=list(access.query(Job).for_page()[:6]),
        devices=devices,
        devices_today=access.query(Installation).filter(last_seen_at__gte=day_ago).count(),
        events_today=access.query(Event).filter(received_at__gte=day_ago).count(),
    )
