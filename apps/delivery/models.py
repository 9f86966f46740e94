"""What is served to which device, the keys that sign it, and the devices that asked."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.models.models import ModelVersion, RegisteredModel
from apps.projects.models import ApiKey, Project
from apps.projects.tenancy import TenantManager, TenantOwned, TenantQuerySet


class DeliveryState(models.Model):
    """A project's configuration counter and signing keys. The counter numbers manifests: it only grows."""

    project = models.OneToOneField(Project, models.CASCADE, primary_key=True, related_name="delivery_state")
    revision = models.PositiveIntegerField(default=1)
    # Private keys (PEM), encrypted with a key derived from SECRET_KEY.
    root_key = models.BinaryField()
    targets_key = models.BinaryField()

    objects: ClassVar[TenantManager[DeliveryState]] = TenantManager.from_queryset(TenantQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = TenantQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.project} at {self.revision}"


class SignedRoot(TenantOwned):
    """One number of a project's TUF root metadata, as signed; devices walk from the one they trust to the newest."""

    number = models.PositiveIntegerField()
    metadata = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[TenantManager[SignedRoot]] = TenantManager.from_queryset(TenantQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = TenantQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="signed_root_number_unique")]


class DeploymentQuerySet(TenantQuerySet["Deployment"]):
    def for_page(self) -> Self:
        return self.select_related(
            "model",
            "current__version__model",
            "current__created_by",
            "current__api_key",
            "current__rolled_back_to",
        ).order_by("-id")


class Deployment(TenantOwned):
    """Which version of a registered model goes to devices. `current` is the newest revision."""

    model = models.OneToOneField(RegisteredModel, models.CASCADE, related_name="deployment")
    current = models.OneToOneField("DeploymentRevision", models.RESTRICT, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[TenantManager[Deployment]] = TenantManager.from_queryset(DeploymentQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = DeploymentQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Deployment of {self.model.name}"


class DeploymentRevisionQuerySet(TenantQuerySet["DeploymentRevision"]):
    def for_page(self) -> Self:
        return self.select_related("version__model", "created_by", "api_key", "rolled_back_to").order_by("-number")


class DeploymentRevision(TenantOwned):
    """One published state of a deployment. Never edited: a change or a rollback makes a new one."""

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    version = models.ForeignKey(ModelVersion, models.RESTRICT, related_name="deployment_revisions")
    rolled_back_to = models.ForeignKey("self", models.RESTRICT, null=True, related_name="+")
    note = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    api_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, related_name="+", help_text="In its stead.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[TenantManager[DeploymentRevision]] = TenantManager.from_queryset(DeploymentRevisionQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = DeploymentRevisionQuerySet.as_manager()

    class Meta:
        ordering = ["deployment", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["deployment", "number"], name="deployment_revision_number_unique")
        ]

    def __str__(self) -> str:
        return f"Revision {self.number}"


class InstallationQuerySet(TenantQuerySet["Installation"]):
    def for_page(self) -> Self:
        return self.prefetch_related("models__version", "models__model").order_by("-id")


class Installation(TenantOwned):
    """One installed copy of an application on one device, known by a random id made there (`key`)."""

    key = models.UUIDField()
    app_version = models.CharField(max_length=50, blank=True)
    platform = models.CharField(max_length=50, blank=True)
    os_version = models.CharField(max_length=50, blank=True)
    device_model = models.CharField(max_length=100, blank=True)
    runtime_version = models.CharField(max_length=50, blank=True)
    attributes = models.JSONField(default=dict, help_text="Everything else the device said of itself.")
    first_seen_at = models.DateTimeField(default=timezone.now, editable=False)
    last_seen_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[TenantManager[Installation]] = TenantManager.from_queryset(InstallationQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = InstallationQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "key"], name="installation_once_per_project")]
        indexes = [models.Index(fields=["project", "-last_seen_at"], name="installation_last_seen")]

    def __str__(self) -> str:
        return str(self.key)


class InstalledModel(TenantOwned):
    """Which version of a model an installation has, as its own events say. States only go forward within a version."""

    class State(models.TextChoices):
        ASSIGNED = "assigned", "Assigned"
        DOWNLOADED = "downloaded", "Downloaded"
        LOADED = "loaded", "Loaded"
        INFERRED = "inferred", "In use"
        FAILED = "failed", "Failed"

    installation = models.ForeignKey(Installation, models.CASCADE, related_name="models")
    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="installed")
    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="installed")
    state = models.CharField(max_length=10, choices=State)
    updated_at = models.DateTimeField(help_text="When it happened on the device.")

    objects: ClassVar[TenantManager[InstalledModel]] = TenantManager.from_queryset(TenantQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = TenantQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["installation", "model"], name="installed_model_once")]
