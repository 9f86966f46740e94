"""A study and its trials. The rows are the truth; the sampler is asked with a copy of them and keeps nothing itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.datasets.models import DatasetVersion
from apps.models.models import RegisteredModel
from apps.projects.models import ApiKey
from apps.projects.tenancy import TenantManager, TenantOwned, TenantQuerySet

MAX_TRIALS = 1_000
MAX_AT_ONCE = 64


class StudyQuerySet(TenantQuerySet["Study"]):
    def for_page(self) -> Self:
        """Studies with how many of their trials began and are over, and the best value of each."""
        counted = self.annotate(
            begun=models.Count("trials"),
            over=models.Count("trials", filter=~models.Q(trials__state=Trial.State.OPEN)),
            largest=models.Max("trials__value", filter=models.Q(trials__state="complete", trials__is_feasible=True)),
            smallest=models.Min("trials__value", filter=models.Q(trials__state="complete", trials__is_feasible=True)),
        )
        joined = counted.select_related("model", "dataset_version__dataset", "created_by", "api_key")
        return joined.defer("spec_yaml").order_by("-id")

    def locked(self) -> Self:
        """For a change inside a transaction: the study's own row is locked, its project comes with it."""
        return self.select_related("project__organization").select_for_update(of=("self",))


class Study(TenantOwned):
    """Looks for values of some fields of a TrainingSpec that are best for an objective, by training runs."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        PAUSED = "paused", "Paused"
        FINISHED = "finished", "Finished"
        CANCELLED = "cancelled", "Cancelled"

    class Direction(models.TextChoices):
        MAXIMIZE = "maximize", "Larger is better"
        MINIMIZE = "minimize", "Smaller is better"

    class Sampler(models.TextChoices):
        TPE = "tpe", "TPE: learns from the trials so far"
        RANDOM = "random", "Random"
        GRID = "grid", "Grid: every combination"

    class Pruner(models.TextChoices):
        NONE = "none", "None: every trial runs to its end"
        MEDIAN = "median", "Median: stop what is worse than half of the others were"
        HALVING = "halving", "Successive halving: stop all but the best third, again and again"
        HYPERBAND = "hyperband", "Hyperband: successive halving that begins at several moments"

    class RunsOn(models.TextChoices):
        WORKERS = "workers", "The platform's workers"
        RAY = "ray", "The Ray cluster"

    name = models.CharField(max_length=80)
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    note = models.TextField(blank=True, help_text="Why it paused or ended by itself.")
    dataset_version = models.ForeignKey(DatasetVersion, models.PROTECT, related_name="studies")
    model = models.ForeignKey(
        RegisteredModel, models.PROTECT, related_name="studies", help_text="Where the versions of its runs go."
    )
    spec_yaml = models.TextField(help_text="The TrainingSpec in which fields are varied.")
    space = models.JSONField(help_text="What is varied: see apps.training.studies.space.")

    student = models.CharField(max_length=64, help_text="The id of the student whose figure counts.")
    metric = models.CharField(max_length=40, help_text="A figure on the validation split, or bytes.")
    direction = models.CharField(max_length=8, choices=Direction)
    max_bytes = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="A student whose file is larger does not count."
    )
    also_smallest = models.BooleanField(
        default=False, help_text="Look for the best trades between the figure and the size of the file."
    )
    sampler = models.CharField(max_length=10, choices=Sampler, default=Sampler.TPE)
    pruner = models.CharField(max_length=10, choices=Pruner, default=Pruner.MEDIAN)
    starts_with_base = models.BooleanField(default=True, help_text="The first trial is the spec as it was given.")
    trials_wanted = models.PositiveIntegerField()
    at_once = models.PositiveSmallIntegerField(help_text="How many trials run at a time, at most.")
    seed = models.PositiveIntegerField(default=7)
    time_limit_s = models.PositiveIntegerField(
        null=True, blank=True, help_text="So long after its start no trial is begun any more."
    )
    runs_on = models.CharField(max_length=10, choices=RunsOn, default=RunsOn.WORKERS)

    importance = models.JSONField(
        default=dict, blank=True, help_text="What share of the difference between trials each parameter explains."
    )
    failures_from = models.PositiveIntegerField(
        default=0, help_text="Failed trials up to this number are no reason to pause any more."
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    api_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, related_name="+", help_text="In its stead.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[TenantManager[Study]] = TenantManager.from_queryset(StudyQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = StudyQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "studies"
        indexes = [
            models.Index(fields=["project", "-id"], name="study_newest_first"),
            # Every two seconds: studies that may need another trial.
            models.Index(fields=["id"], condition=models.Q(state="running"), name="study_running"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_over(self) -> bool:
        return self.state in {self.State.FINISHED, self.State.CANCELLED}

    @property
    def is_maximized(self) -> bool:
        return self.direction == self.Direction.MAXIMIZE

    @property
    def deadline(self) -> datetime | None:
        """When no trial is begun any more; None: never."""
        return self.created_at + timedelta(seconds=self.time_limit_s) if self.time_limit_s else None


class TrialQuerySet(TenantQuerySet["Trial"]):
    def for_page(self) -> Self:
        return self.select_related("run__job").defer(
            "run__spec", "run__spec_yaml", "run__proposal", "run__job__payload"
        )

    def best_first(self, *, is_maximized: bool) -> Self:
        """Trials that count, the best first; the smaller file of equals."""
        counting = self.filter(state=Trial.State.COMPLETE, is_feasible=True, value__isnull=False)
        return counting.order_by("-value" if is_maximized else "value", "bytes", "number")


class Trial(TenantOwned):
    """One set of values that a study tries, by one training run."""

    class State(models.TextChoices):
        OPEN = "open", "Open"  # its job is queued or running
        COMPLETE = "complete", "Complete"
        PRUNED = "pruned", "Pruned"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    study = models.ForeignKey(Study, models.CASCADE, related_name="trials")
    number = models.PositiveIntegerField()
    params = models.JSONField(help_text="Path in the spec → value.")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    run = models.OneToOneField(
        "training.TrainingRun", models.PROTECT, null=True, blank=True, related_name="trial"
    )  # None: its values gave no valid spec
    value = models.FloatField(null=True, blank=True, help_text="The study's figure of the finished student.")
    bytes = models.PositiveBigIntegerField(null=True, blank=True)
    is_feasible = models.BooleanField(default=True, help_text="Whether its file is within the study's limit.")
    intermediate = models.JSONField(
        default=dict,
        blank=True,
        help_text="Twentieths of the training → the figure as watched on the validation split.",
    )
    pruner_notes = models.JSONField(default=dict, blank=True, help_text="What the pruner remembers of it.")
    last_sequence = models.PositiveIntegerField(default=0, help_text="Of the newest JobEvent that was read.")
    pruned_at = models.DateTimeField(null=True, blank=True, help_text="When its job was asked to stop.")
    message = models.TextField(blank=True, help_text="Why it ended without a value.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[TenantManager[Trial]] = TenantManager.from_queryset(TrialQuerySet)()  # type: ignore[assignment]
    across_tenants: ClassVar[Any] = TrialQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["study", "number"], name="trial_number_once_per_study")]
        indexes = [
            models.Index(fields=["study", "-id"], name="trial_newest_first"),
            # Every two seconds: trials whose jobs may have something new.
            models.Index(fields=["study"], condition=models.Q(state="open"), name="trial_open"),
        ]

    def __str__(self) -> str:
        return f"Trial {self.number}"
