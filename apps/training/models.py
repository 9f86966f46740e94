"""Training runs, the files that their specs name, and the model versions that came out of them."""

from __future__ import annotations

from typing import Any, ClassVar, Self
from uuid import UUID

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.datasets.models import DatasetVersion, Upload
from apps.jobs.models import Job
from apps.models.models import ModelVersion, RegisteredModel
from apps.projects.models import ApiKey
from apps.projects.tenancy import TenantManager, TenantOwned, TenantQuerySet
from apps.training.studies.models import Study, Trial

__all__ = ["RunFile", "SpecFile", "Study", "TrainedModel", "TrainingRun", "Trial"]


class SpecFileQuerySet(TenantQuerySet["SpecFile"]):
    def for_page(self) -> Self:
        return self.select_related("upload", "created_by", "api_key").order_by("-id")


class SpecFile(TenantOwned):
    """A file that specs of the project name as `files/<name>`: what they learn from besides the data.

    It never changes, so that a name means the same in every run. Its bytes, their SHA-256 and their share of the quota
    are its upload's.
    """

    name = models.CharField(max_length=100)
    upload = models.OneToOneField(Upload, models.PROTECT, related_name="spec_file")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    api_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, related_name="+", help_text="In its stead.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[TenantManager[SpecFile]] = TenantManager.from_queryset(SpecFileQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = SpecFileQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="spec_file_name_once_per_project")]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> str:
        """How a spec names it."""
        return f"files/{self.name}"

    @property
    def bytes(self) -> int:
        return self.upload.size

    @property
    def sha256(self) -> str:
        return self.upload.sha256


class TrainingRunQuerySet(TenantQuerySet["TrainingRun"]):
    def for_page(self) -> Self:
        joined = self.select_related("job__created_by", "model", "dataset_version__dataset", "created_by", "api_key")
        long_texts = ("spec", "spec_yaml", "found_yaml", "proposal")
        return joined.defer(*long_texts, "job__payload", "job__result").order_by("-id")

    def for_comparison(self) -> Self:
        """Runs with their specs, jobs and data."""
        joined = self.select_related("job", "model", "dataset_version__dataset")
        return joined.defer("spec_yaml", "found_yaml", "proposal", "job__payload", "job__result").order_by("-id")

    def without_trials(self) -> Self:
        """Runs that somebody started by themselves: a study shows those that it started."""
        return self.filter(trial=None)

    def on_dataset(self, dataset: UUID) -> Self:
        """Runs on any version of a dataset, newest first."""
        return self.filter(dataset_version__dataset=dataset).order_by("-id")

    def with_models(self) -> Self:
        """One run with all that its page shows, the models that came out of it in the order of its spec."""
        trained = TrainedModel.across_tenants.select_related("version__model").prefetch_related("version__artifacts")
        about = ("job__created_by", "model", "dataset_version__dataset", "created_by", "api_key", "trial__study")
        joined = self.select_related(*about)
        with_trained = joined.prefetch_related(models.Prefetch("trained_models", trained.order_by("version__number")))
        return with_trained.prefetch_related(models.Prefetch("files", RunFile.across_tenants.order_by("path")))


class TrainingRun(TenantOwned):
    """One execution of a TrainingSpec on a DatasetVersion. Its state, progress and errors are its job's."""

    number = models.PositiveIntegerField()
    name = models.CharField(max_length=100)
    dataset_version = models.ForeignKey(DatasetVersion, models.PROTECT, related_name="training_runs")
    model = models.ForeignKey(
        RegisteredModel, models.PROTECT, related_name="training_runs", help_text="Where its versions go."
    )
    spec = models.JSONField(help_text="The validated TrainingSpec.")
    spec_yaml = models.TextField(help_text="As a person wrote it or the form made it.")
    job = models.OneToOneField(Job, models.PROTECT, related_name="training_run")
    proposal = models.JSONField(
        null=True, blank=True, help_text="Where the spec left the students to a search: what was found, best first."
    )
    found_yaml = models.TextField(blank=True, help_text="The spec with the students that the search has found.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    api_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, related_name="+", help_text="In its stead.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[TenantManager[TrainingRun]] = TenantManager.from_queryset(TrainingRunQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = TrainingRunQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="training_run_number_unique")]

    def __str__(self) -> str:
        return self.name

    @property
    def networks(self) -> list[dict[str, str]]:
        """The trainer, if there is one, then the spec's students: `key` as in names of metrics, `label` for people."""
        trainer = self.spec.get("trainer")
        found = [{"key": "trainer", "label": trainer["id"]}] if trainer else []
        return found + [
            {"key": f"student:{student['id']}", "label": student["id"]} for student in self.spec["students"]
        ]

    @property
    def task(self) -> str:
        """What is learned: classification, multi_label, regression or sequence."""
        found: str = self.spec["task"]["type"]
        return found

    @property
    def looks_for_students(self) -> bool:
        """Whether the spec has a budget and no students, so that the run looks for some before it trains."""
        return not self.spec["students"]

    @property
    def final_yaml(self) -> str:
        """The spec with all students that were trained: the one that was found, where the run had to look for them."""
        return self.found_yaml or self.spec_yaml

    @property
    def best_student(self) -> str | None:
        """The id of the best student within the spec's budget; None before the end, or if none fits."""
        best: str | None = (self.job.result or {}).get("best_student")
        return best


class RunFileQuerySet(TenantQuerySet["RunFile"]):
    pass


class RunFile(TenantOwned):
    """A file that the spec of a run names, and what was in it: that stays known when the file is deleted."""

    run = models.ForeignKey(TrainingRun, models.CASCADE, related_name="files")
    path = models.CharField(max_length=120, help_text="As in the spec.")
    sha256 = models.CharField(max_length=64)
    file = models.ForeignKey(
        SpecFile, models.SET_NULL, null=True, related_name="used_by", help_text="None for a checkpoint of a version."
    )

    objects: ClassVar[TenantManager[RunFile]] = TenantManager.from_queryset(RunFileQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = RunFileQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "path"], name="run_file_once_per_path")]

    def __str__(self) -> str:
        return self.path


class TrainedModelQuerySet(TenantQuerySet["TrainedModel"]):
    pass


class TrainedModel(TenantOwned):
    """One model of a run: the trainer or a student, and the version that it became."""

    class Role(models.TextChoices):
        TRAINER = "trainer", "Trainer"
        STUDENT = "student", "Student"

    run = models.ForeignKey(TrainingRun, models.CASCADE, related_name="trained_models")
    role = models.CharField(max_length=7, choices=Role)
    spec_id = models.CharField(max_length=64, help_text="The id of its ModelSpec.")
    version = models.OneToOneField(ModelVersion, models.CASCADE, related_name="trained_model")

    objects: ClassVar[TenantManager[TrainedModel]] = TenantManager.from_queryset(TrainedModelQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = TrainedModelQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "spec_id"], name="trained_model_once_per_spec_id")]
