"""Uploads, datasets and their immutable versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.jobs.models import Job
from apps.projects.tenancy import TenantManager, TenantOwned, TenantQuerySet


class UploadQuerySet(TenantQuerySet["Upload"]):
    def sweepable(self, before: datetime) -> Self:
        """Links expired at `before` or earlier, and nothing that is in use would be lost: see uploads.sweep_uploads."""
        unused = models.Q(state__in=[Upload.State.WAITING, Upload.State.VERIFIED]) | models.Q(reserved_bytes=0)
        return self.filter(unused, swept_at=None, expires_at__lte=before).order_by("expires_at")


class Upload(TenantOwned):
    """Bytes on their way in: asked for (quota reserved), sent to a signed URL, verified, then used once."""

    class Purpose(models.TextChoices):
        DATASET = "dataset", "Dataset file"
        MODEL = "model", "Model file"
        FILE = "file", "Training file"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for bytes"
        VERIFIED = "verified", "Verified"
        USED = "used", "Used"
        REFUSED = "refused", "Refused"
        EXPIRED = "expired", "Expired"

    purpose = models.CharField(max_length=7, choices=Purpose)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    filename = models.CharField(max_length=255)
    size = models.BigIntegerField(help_text="Bytes, as announced.")
    reserved_bytes = models.BigIntegerField(
        default=0, help_text="Of the quota, held by this upload until it is dropped."
    )
    sha256 = models.CharField(max_length=64, blank=True, help_text="As announced, else as computed.")
    storage_key = models.CharField(max_length=300, unique=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    swept_at = models.DateTimeField(null=True, blank=True, help_text="When leftovers of an expired link were cleared.")

    objects: ClassVar[TenantManager[Upload]] = TenantManager.from_queryset(UploadQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = UploadQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        # The sweep, every few minutes.
        indexes = [models.Index(fields=["expires_at"], condition=models.Q(swept_at=None), name="upload_to_be_swept")]

    def __str__(self) -> str:
        return self.filename


class DatasetQuerySet(TenantQuerySet["Dataset"]):
    def for_page(self) -> Self:
        newest = DatasetVersion.across_tenants.filter(dataset=models.OuterRef("pk")).order_by("-number")
        return self.annotate(
            version_count=models.Count("versions"),
            newest_number=models.Subquery(newest.values("number")[:1]),
            newest_state=models.Subquery(newest.values("state")[:1]),
            newest_examples=models.Subquery(newest.values("num_examples")[:1]),
        ).order_by("-id")


class Dataset(TenantOwned):
    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=50)
    last_number = models.PositiveIntegerField(default=0, help_text="Of its newest version; never given out again.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[TenantManager[Dataset]] = TenantManager.from_queryset(DatasetQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["project", "slug"], name="dataset_slug_once_per_project")]

    def __str__(self) -> str:
        return self.name


class DatasetVersionQuerySet(TenantQuerySet["DatasetVersion"]):
    def ready(self) -> Self:
        return self.filter(state=DatasetVersion.State.READY)

    def for_page(self) -> Self:
        """Newest first, with the job that made each and who asked for it, without the long lists."""
        long_lists = ("data_spec", "files", "samples", "classes", "class_counts", "value_ranges", "warnings")
        return self.select_related("dataset", "job", "created_by").defer(*long_lists, "job__payload").order_by("-id")


class DatasetVersion(TenantOwned):
    """An immutable snapshot: its splits, class list and SHA-256. Its `files` lie under `storage_prefix`."""

    class State(models.TextChoices):
        IMPORTING = "importing", "Importing"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=9, choices=State, default=State.IMPORTING)
    upload = models.OneToOneField(Upload, models.PROTECT, related_name="dataset_version")
    job = models.OneToOneField(Job, models.PROTECT, related_name="dataset_version")
    options = models.JSONField(default=dict, help_text="Seed, split shares and bad_values, as asked for.")
    data_spec = models.TextField(blank=True, help_text="What the file holds, as YAML; empty: it is recognised.")
    storage_prefix = models.CharField(max_length=300, blank=True)
    files = models.JSONField(default=list, help_text="[{path, bytes, sha256}] below storage_prefix.")
    bytes = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    features = models.JSONField(default=list, help_text="[{name, type, shape, …}]: what goes into a model.")
    task = models.JSONField(default=dict, help_text="{type, label, num_classes or num_values}: what is learned.")
    classes = models.JSONField(default=list, help_text="Empty for a regression.")
    value_ranges = models.JSONField(default=list, help_text="[[lowest, highest]] of each value of a regression.")
    num_examples = models.PositiveIntegerField(default=0)
    splits = models.JSONField(default=dict, help_text="Examples a split.")
    class_counts = models.JSONField(default=dict, help_text="Split → class → examples, or steps of sequences.")
    samples = models.JSONField(default=list, help_text="[{path, label}] of pictures to look at.")
    warnings = models.JSONField(default=list)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[TenantManager[DatasetVersion]] = TenantManager.from_queryset(DatasetVersionQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = DatasetVersionQuerySet.as_manager()

    class Meta:
        ordering = ["dataset", "-number"]
        constraints = [models.UniqueConstraint(fields=["dataset", "number"], name="dataset_version_number_unique")]

    def __str__(self) -> str:
        return f"{self.dataset.name} v{self.number}"
