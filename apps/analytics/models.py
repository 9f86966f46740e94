"""What devices reported."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models
from django.utils import timezone

from apps.delivery.models import Installation
from apps.models.models import ModelVersion, RegisteredModel
from apps.projects.tenancy import TenantManager, TenantOwned, TenantQuerySet


class EventQuerySet(TenantQuerySet["Event"]):
    def for_page(self) -> Self:
        return self.select_related("model", "version__model", "installation").order_by("-id")


class Event(TenantOwned):
    """One telemetry record of an installation. `key` is the id made on the device: sending twice stores once."""

    class Type(models.TextChoices):
        ASSIGNED = "assigned", "Assigned"
        DOWNLOADED = "downloaded", "Downloaded"
        LOADED = "loaded", "Loaded"
        INFERRED = "inferred", "Inferred"
        FEEDBACK = "feedback", "Feedback"
        FAILED = "failed", "Failed"

    key = models.UUIDField()
    installation = models.ForeignKey(Installation, models.CASCADE, related_name="events", db_index=False)
    type = models.CharField(max_length=10, choices=Type)
    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="events")
    version = models.ForeignKey(ModelVersion, models.CASCADE, null=True, related_name="events", db_index=False)
    data = models.JSONField(default=dict)
    # Copied out of `data` for the questions asked most.
    latency_ms = models.FloatField(null=True)
    is_correct = models.BooleanField(null=True, help_text="Of feedback: whether the predicted label was the right one.")
    error = models.FloatField(null=True, help_text="Of feedback on a regression, instead: the mean absolute error.")
    occurred_at = models.DateTimeField(help_text="By the device's clock.")
    received_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[TenantManager[Event]] = TenantManager.from_queryset(EventQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = EventQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "key"], name="event_once_per_project")]
        indexes = [
            # Counts and accuracy of one version, and its latencies in order.
            models.Index(fields=["version", "type", "latency_ms"], name="event_version_type_latency"),
            # A project's last days: the chart, the table of versions.
            models.Index(fields=["project", "received_at"], name="event_project_received"),
            # One device's timeline, newest first.
            models.Index(fields=["installation", "-id"], name="event_installation_newest"),
            # The newest failures of a project.
            models.Index(fields=["project", "-id"], condition=models.Q(type="failed"), name="event_failed_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.get_type_display()} at {self.occurred_at:%Y-%m-%d %H:%M:%S}"
