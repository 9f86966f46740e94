"""What the team API says of training runs, and what it takes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.jobs.serializers import JobOut
from apps.models.models import ModelVersion
from apps.models.serializers import DatasetVersionRef, JsonField, ModelRef, PrimaryMetricOut
from apps.training.models import RunFile, TrainedModel, TrainingRun


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "description": "YAML, as on a command line."},
            {"type": "object", "additionalProperties": True, "description": "The same as JSON."},
        ]
    }
)
class SpecField(serializers.Field[Any, Any, Any, Any]):
    """A TrainingSpec as YAML text or as an object. Only its outer type is checked here."""

    default_error_messages = {
        "wrong_type": "A training spec is YAML text or an object. Received: {received}.",
    }

    def to_internal_value(self, data: Any) -> str | dict[str, Any]:
        if isinstance(data, str | dict):
            return data
        self.fail("wrong_type", received=type(data).__name__)

    def to_representation(self, value: Any) -> Any:
        return value


class RunIn(serializers.Serializer[None]):
    dataset_version = serializers.UUIDField(help_text="A dataset version that is ready.")
    model = serializers.UUIDField(required=False, help_text="The registered model that the versions are added to; or …")
    model_name = serializers.CharField(
        required=False, default="", max_length=100, help_text="… the name of a new one, which is registered."
    )
    name = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=100, help_text="The spec's experiment if left out."
    )
    spec = SpecField()


class TrainedModelOut(serializers.ModelSerializer[TrainedModel]):
    """`bytes`, `accuracy` and `primary_metric` are those of the .tflite on the test split."""

    id = serializers.CharField(source="spec_id", help_text="The id of the model in the spec.")
    version = serializers.UUIDField(source="version_id")
    number = serializers.IntegerField(source="version.number")
    state = serializers.ChoiceField(source="version.state", choices=ModelVersion.State.choices)
    model_type = serializers.CharField(source="version.model_type")
    parameters = serializers.IntegerField(source="version.parameters", allow_null=True)
    bytes = serializers.IntegerField(source="version.tflite_bytes", allow_null=True)
    accuracy = serializers.FloatField(source="version.test_accuracy", allow_null=True)
    primary_metric = PrimaryMetricOut(source="version.headline", allow_null=True)

    class Meta:
        model = TrainedModel
        fields = (
            *("id", "role", "version", "number", "state", "model_type", "parameters", "bytes", "accuracy"),
            "primary_metric",
        )


class RunOut(serializers.ModelSerializer[TrainingRun]):
    model = ModelRef()
    dataset_version = DatasetVersionRef()
    job = JobOut()

    class Meta:
        model = TrainingRun
        fields: tuple[str, ...] = ("id", "number", "name", "model", "dataset_version", "job", "created_at")


class RunFileOut(serializers.ModelSerializer[RunFile]):
    class Meta:
        model = RunFile
        fields = ("path", "sha256")


class CandidateOut(serializers.Serializer[None]):
    """One student that the search has considered. Milliseconds are null where the budget has no limit on them."""

    id = serializers.CharField()
    model_type = serializers.CharField()
    params = JsonField()
    origin = serializers.CharField(help_text="`search` or `family`.")
    estimated_bytes = serializers.IntegerField(help_text="Before its file was made.")
    bytes = serializers.IntegerField(help_text="Of its .tflite.")
    estimated_latency_ms = serializers.FloatField(allow_null=True)
    latency_ms = serializers.FloatField(allow_null=True)
    score = serializers.FloatField(help_text="`metric` on the validation split, after a short training.")
    is_chosen = serializers.BooleanField()


class ProposalOut(serializers.Serializer[None]):
    """What was found for a spec that has a budget and no students: the candidates, best first."""

    metric = serializers.CharField(help_text="What `score` is.")
    candidates = CandidateOut(many=True)


class RunDetailOut(RunOut):
    """`best_student`: the id of the best one within the spec's budget, once the run has succeeded.

    Of a spec without students, `proposal` says then which were considered, and `found_yaml` is the spec with those that
    were chosen.
    """

    spec = JsonField()
    spec_yaml = serializers.CharField()
    best_student = serializers.CharField(allow_null=True)
    trained_models = TrainedModelOut(many=True)
    files = RunFileOut(many=True, help_text="Files that the spec names, as they were when the run was started.")
    proposal = ProposalOut(allow_null=True)
    found_yaml = serializers.CharField()

    class Meta(RunOut.Meta):
        fields = (
            *RunOut.Meta.fields,
            *("spec", "spec_yaml", "files", "best_student", "trained_models", "proposal", "found_yaml"),
        )
