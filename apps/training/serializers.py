"""What the team API says of training runs, and what it takes."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.jobs.serializers import JobOut
from apps.models.models import ModelVersion
from apps.models.serializers import DatasetVersionRef, JsonField, ModelRef, PrimaryMetricOut
from apps.training.models import TrainedModel, TrainingRun


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


class RunDetailOut(RunOut):
    """`best_student`: the id of the best one within the spec's budget, once the run has succeeded."""

    spec = JsonField()
    spec_yaml = serializers.CharField()
    best_student = serializers.CharField(allow_null=True)
    trained_models = TrainedModelOut(many=True)

    class Meta(RunOut.Meta):
        fields = (*RunOut.Meta.fields, "spec", "spec_yaml", "best_student", "trained_models")
