"""What devices reported."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from apps.delivery.models import Installation
from apps.models.models import ModelVersion, RegisteredModel
from apps.projects.tenancy import TenantManager, TenantOwned, TenantQuerySet


class EventQuerySet(TenantQuerySet["Event"]):
    pass


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
    installation = models.ForeignKey(Installation, models.CASCADE, related_name="events")
    type = models.CharField(max_length=10, choices=Type)
    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="events")
    version = models.ForeignKey(ModelVersion, models.CASCADE, null=True, related_name="events")
    data = models.JSONField(default=dict)
    # Copied out of `data` for the questions asked most.
    latency_ms = models.FloatField(null=True)
    is_correct = models.BooleanField(null=True, help_text="Of feedback: whether the predicted label was the right one.")
    occurred_at = models.DateTimeField(help_text="By the device's clock.")
    received_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[TenantManager[Event]] = TenantManager.from_queryset(EventQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = EventQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "key"], name="event_once_per_project")]
        # Counts and accuracy of one version.
        indexes = [models.Index(fields=["version", "type"], name="event_version_type")]
