"""Registered models, their immutable versions, and the stored files of each."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models.fields.json import KT
from django.utils import timezone

from apps.datasets.models import DatasetVersion, Upload
from apps.jobs.models import Job
from apps.models.metrics import PRIMARY, Headline, headline_of
from apps.projects.tenancy import TenantManager, TenantOwned, TenantQuerySet


class RegisteredModelQuerySet(TenantQuerySet["RegisteredModel"]):
    def for_page(self) -> Self:
        newest = ModelVersion.across_tenants.filter(model=models.OuterRef("pk")).order_by("-number")
        return self.annotate(
            version_count=models.Count("versions"),
            newest_number=models.Subquery(newest.values("number")[:1]),
            newest_state=models.Subquery(newest.values("state")[:1]),
        ).order_by("-id")


class RegisteredModel(TenantOwned):
    """A named line of models. `slug` is the name by which an application asks for it."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=50)
    description = models.TextField(blank=True)
    last_number = models.PositiveIntegerField(default=0, help_text="Of its newest version; never given out again.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[TenantManager[RegisteredModel]] = TenantManager.from_queryset(RegisteredModelQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = RegisteredModelQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["project", "slug"], name="model_slug_once_per_project")]

    def __str__(self) -> str:
        return self.name


class ModelVersionQuerySet(TenantQuerySet["ModelVersion"]):
    def ready(self) -> Self:
        return self.filter(state=ModelVersion.State.READY)

    def for_page(self) -> Self:
        """With what a page or the API says of each version; `accuracy` is that on the test split, or None."""
        joined = self.select_related("model", "dataset_version__dataset", "trained_model").prefetch_related("artifacts")
        return joined.annotate(accuracy=models.F("metrics__test__accuracy")).order_by("-id")

    def for_list(self) -> Self:
        """The same without the reports, which grow with the square of the classes, but with what `headline` needs."""
        return self.for_page().with_figures(*PRIMARY.values())

    def with_figures(self, *names: str) -> Self:
        """Without the reports, but with these figures of the test split, each as `measured_<name>`, or None."""
        figures = {f"measured_{name}": models.F(f"metrics__test__{name}") for name in names}
        return self.annotate(**figures).defer("metrics", "measurements", "compatibility")

    def with_task(self) -> Self:
        """`task`: what its file says that it does; None before the check, and of a file that does not say."""
        return self.annotate(task=KT("compatibility__metadata__task"))


class ModelVersion(TenantOwned):
    """One immutable version. A device may get it only when `ready`: its .tflite passed the compatibility check."""

    class State(models.TextChoices):
        CHECKING = "checking", "Checking"
        READY = "ready", "Ready"
        REFUSED = "refused", "Refused"

    class Origin(models.TextChoices):
        TRAINED = "trained", "Trained here"
        UPLOADED = "uploaded", "Uploaded"

    model = models.ForeignKey(RegisteredModel, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=State, default=State.CHECKING)
    origin = models.CharField(max_length=8, choices=Origin)
    label = models.CharField(max_length=100, blank=True, help_text="Such as the student's id in its TrainingSpec.")
    model_type = models.CharField(max_length=40, blank=True)
    parameters = models.BigIntegerField(null=True, blank=True)
    # Lineage: the data it learned from and the job that made it; or the upload it came from.
    dataset_version = models.ForeignKey(
        DatasetVersion, models.PROTECT, null=True, blank=True, related_name="model_versions"
    )
    made_by_job = models.ForeignKey(Job, models.PROTECT, null=True, blank=True, related_name="model_versions")
    upload = models.OneToOneField(Upload, models.PROTECT, null=True, blank=True, related_name="model_version")
    check_job = models.OneToOneField(Job, models.PROTECT, null=True, blank=True, related_name="checked_model_version")
    metrics = models.JSONField(default=dict, help_text="Split → metrics, measured on the .tflite itself.")
    measurements = models.JSONField(
        default=dict, help_text="Latency, cost, conversion parity, agreement with the trainer."
    )
    compatibility = models.JSONField(
        null=True, blank=True, help_text="The check's report: signatures, ops, minimum runtime, problems."
    )
    min_runtime = models.CharField(max_length=20, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[TenantManager[ModelVersion]] = TenantManager.from_queryset(ModelVersionQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = ModelVersionQuerySet.as_manager()

    class Meta:
        ordering = ["model", "-number"]
        constraints = [models.UniqueConstraint(fields=["model", "number"], name="model_version_number_unique")]

    def __str__(self) -> str:
        return f"{self.model.name} v{self.number}"

    @property
    def verdict(self) -> str:
        """What the compatibility check says of it; the check's job succeeds whatever that is."""
        if self.state == self.State.CHECKING:
            return "Running"
        if self.check_broke:
            return "Could not be carried out"
        return "Passed" if self.state == self.State.READY else "Refused"

    @property
    def check_broke(self) -> bool:
        """Whether its check ended without a verdict (it failed or was cancelled), so that it may be repeated."""
        return self.state == self.State.REFUSED and self.compatibility is None

    @property
    def test_accuracy(self) -> float | None:
        """The share of the test split that its .tflite got right; None where nothing was measured, as in an upload."""
        accuracy: float | None = self.metrics.get("test", {}).get("accuracy")
        return accuracy

    @property
    def headline(self) -> Headline | None:
        """The figure on the test split by which models of its task are compared; None where it was not measured."""
        if "metrics" not in self.get_deferred_fields():
            return headline_of(self.metrics.get("test", {}))
        return headline_of({name: getattr(self, f"measured_{name}", None) for name in PRIMARY.values()})

    @property
    def tflite(self) -> Artifact | None:
        """The file that devices get, from the prefetched artifacts when there are some."""
        return next((artifact for artifact in self.artifacts.all() if artifact.kind == Artifact.Kind.TFLITE), None)

    @property
    def tflite_bytes(self) -> int | None:
        """The size of the file that devices get."""
        return self.tflite.bytes if self.tflite else None


class ArtifactQuerySet(TenantQuerySet["Artifact"]):
    pass


class Artifact(TenantOwned):
    class Kind(models.TextChoices):
        TFLITE = "tflite", "LiteRT model"
        SAVED_MODEL = "saved_model", "SavedModel (zip)"
        KERAS = "keras", "Keras file"
        CHECKPOINT = "checkpoint", "Checkpoint (zip)"
        LABELS = "labels", "Labels"

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="artifacts")
    kind = models.CharField(max_length=11, choices=Kind)
    filename = models.CharField(max_length=255)
    storage_key = models.CharField(max_length=300, unique=True)
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)

    objects: ClassVar[TenantManager[Artifact]] = TenantManager.from_queryset(ArtifactQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = ArtifactQuerySet.as_manager()

    class Meta:
        ordering = ["kind"]
        constraints = [models.UniqueConstraint(fields=["version", "kind"], name="artifact_once_per_kind")]

    def __str__(self) -> str:
        return self.filename
