"""What the team API says of studies, and what it takes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.models.serializers import DatasetVersionRef, JsonField, ModelRef
from apps.training.models import Study, Trial
from apps.training.serializers import SpecField
from apps.training.studies.models import MAX_AT_ONCE, MAX_TRIALS


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "description": "YAML: a path and its range or choices on each line."},
            {
                "type": "object",
                "additionalProperties": True,
                "description": "Path → a list of choices, or {low, high, log, step, kind}.",
            },
        ]
    }
)
class SpaceField(serializers.Field[Any, Any, Any, Any]):
    """A search space as YAML text or as an object. Only its outer type is checked here."""

    default_error_messages = {"wrong_type": "A search space is YAML text or an object. Received: {received}."}

    def to_internal_value(self, data: Any) -> str | dict[str, Any]:
        if isinstance(data, str | dict):
            return data
        self.fail("wrong_type", received=type(data).__name__)

    def to_representation(self, value: Any) -> Any:
        return value


class StudyIn(serializers.Serializer[None]):
    dataset_version = serializers.UUIDField(help_text="A dataset version that is ready and has a validation split.")
    model = serializers.UUIDField(required=False, help_text="The registered model that the versions are added to; or …")
    model_name = serializers.CharField(
        required=False, default="", max_length=100, help_text="… the name of a new one, which is registered."
    )
    name = serializers.CharField(required=False, default="", allow_blank=True, max_length=80)
    spec = SpecField()
    space = SpaceField()
    student = serializers.CharField(
        required=False, max_length=64, help_text="The id of the student that counts; the first one if left out."
    )
    metric = serializers.CharField(
        required=False, max_length=40, help_text="A figure on the validation split, or `bytes`; the task's main figure."
    )
    direction = serializers.ChoiceField(required=False, choices=Study.Direction.choices)
    max_bytes = serializers.IntegerField(required=False, allow_null=True, min_value=1)
    also_smallest = serializers.BooleanField(
        required=False, help_text="Look for the best trades between the figure and the file's size."
    )
    sampler = serializers.ChoiceField(required=False, choices=Study.Sampler.choices)
    pruner = serializers.ChoiceField(required=False, choices=Study.Pruner.choices)
    starts_with_base = serializers.BooleanField(required=False, help_text="The first trial is the spec as it is.")
    trials = serializers.IntegerField(required=False, min_value=1, max_value=MAX_TRIALS)
    at_once = serializers.IntegerField(required=False, min_value=1, max_value=MAX_AT_ONCE)
    seed = serializers.IntegerField(required=False, min_value=0, max_value=2**31 - 1)
    time_limit_s = serializers.IntegerField(required=False, allow_null=True, min_value=1)
    runs_on = serializers.ChoiceField(required=False, choices=Study.RunsOn.choices)


class StudyChangeIn(serializers.Serializer[None]):
    trials = serializers.IntegerField(required=False, min_value=1, max_value=MAX_TRIALS)
    at_once = serializers.IntegerField(required=False, min_value=1, max_value=MAX_AT_ONCE)


class TrialOut(serializers.ModelSerializer[Trial]):
    """`value` and `bytes` are those of the .tflite of the study's student, on the validation split."""

    run = serializers.UUIDField(source="run_id", allow_null=True, help_text="Null: its values gave no valid spec.")
    job = serializers.UUIDField(source="run.job_id", allow_null=True, default=None)
    params = JsonField(help_text="Path in the spec → value.")
    intermediate = JsonField(help_text="Twentieths of the training → the figure as watched on the validation split.")

    class Meta:
        model = Trial
        fields = (
            *("id", "number", "state", "params", "value", "bytes", "is_feasible", "intermediate", "message"),
            *("run", "job", "created_at", "finished_at"),
        )


class StudyOut(serializers.ModelSerializer[Study]):
    model = ModelRef()
    dataset_version = DatasetVersionRef()
    trials = serializers.IntegerField(source="trials_wanted", help_text="How many trials it has in all.")
    begun = serializers.IntegerField(help_text="How many of them have begun.")
    over = serializers.IntegerField(help_text="How many of them are over.")
    best_value = serializers.SerializerMethodField()

    class Meta:
        model = Study
        fields: tuple[str, ...] = (
            *("id", "name", "state", "note", "model", "dataset_version", "student", "metric", "direction"),
            *("max_bytes", "also_smallest", "sampler", "pruner", "starts_with_base", "trials", "begun", "over"),
            *("at_once", "seed", "time_limit_s", "runs_on", "best_value", "created_at", "finished_at"),
        )

    def get_best_value(self, study: Any) -> float | None:
        best: float | None = study.largest if study.is_maximized else study.smallest
        return best


class StudyDetailOut(StudyOut):
    """`best`: the best trial; several where the study looks for small files as well, the smallest first."""

    spec_yaml = serializers.CharField()
    space = JsonField()
    importance = JsonField(help_text="Path → its share in what makes good trials different from the others.")
    best = TrialOut(many=True)

    class Meta(StudyOut.Meta):
        fields = (*StudyOut.Meta.fields, "spec_yaml", "space", "importance", "best")
