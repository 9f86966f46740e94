"""What the team API says of models, versions and artifacts, and what it takes."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.models.metrics import PRIMARY
from apps.models.models import Artifact, ModelVersion, RegisteredModel


class ModelIn(serializers.Serializer[None]):
    name = serializers.CharField(max_length=100)
    slug = serializers.SlugField(
        max_length=50, required=False, default="", help_text="What applications ask for; made of the name if left out."
    )
    description = serializers.CharField(required=False, default="", allow_blank=True, max_length=2000)


class ModelOut(serializers.ModelSerializer[RegisteredModel]):
    version_count = serializers.IntegerField()
    newest_number = serializers.IntegerField(allow_null=True)
    newest_state = serializers.ChoiceField(choices=ModelVersion.State.choices, allow_null=True)

    class Meta:
        model = RegisteredModel
        fields = (
            "id", "name", "slug", "description", "version_count", "newest_number", "newest_state", "created_at",
        )  # fmt: skip


class ModelRef(serializers.ModelSerializer[RegisteredModel]):
    class Meta:
        model = RegisteredModel
        fields = ("id", "name", "slug")


class ArtifactOut(serializers.ModelSerializer[Artifact]):
    url = serializers.SerializerMethodField(help_text="Answers with a redirect to a signed, expiring link.")

    class Meta:
        model = Artifact
        fields = ("id", "kind", "filename", "bytes", "sha256", "url")

    def get_url(self, artifact: Artifact) -> str:
        return reverse("api-artifact-file", args=[artifact.project_id, artifact.pk])


class DatasetVersionRef(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    dataset = serializers.UUIDField(source="dataset_id")
    name = serializers.CharField(source="dataset.name")
    number = serializers.IntegerField()


class ModelVersionIn(serializers.Serializer[None]):
    upload = serializers.UUIDField(
        help_text="A completed upload of a .tflite file, asked for with the purpose `model`."
    )


class PrimaryMetricOut(serializers.Serializer[Any]):
    """The figure by which models of a task are compared, on the test split."""

    name = serializers.ChoiceField(choices=list(PRIMARY.values()), help_text="Less is better of `rmse`.")
    value = serializers.FloatField()


class ModelVersionOut(serializers.ModelSerializer[ModelVersion]):
    """One version, without its report: `bytes`, `accuracy` and `primary_metric` are its .tflite's on the test split."""

    model = ModelRef()
    bytes = serializers.IntegerField(source="tflite_bytes", allow_null=True)
    accuracy = serializers.FloatField(
        allow_null=True, help_text="Share of right answers: examples, or tokens of sequences. Null for a regression."
    )
    primary_metric = PrimaryMetricOut(source="headline", allow_null=True)

    class Meta:
        model = ModelVersion
        fields: tuple[str, ...] = (
            "id", "model", "number", "state", "origin", "label", "model_type", "parameters", "bytes", "accuracy",
            "primary_metric", "min_runtime", "created_at",
        )  # fmt: skip


@extend_schema_field(OpenApiTypes.OBJECT)
class JsonField(serializers.JSONField):
    """Whatever JSON object is stored."""


class ModelVersionDetailOut(ModelVersionOut):
    """With everything that is known: figures, the check's report, the files, and what it was made from."""

    artifacts = ArtifactOut(many=True)
    metrics = JsonField(help_text="Split → figures, measured by running the .tflite.")
    measurements = JsonField(
        help_text="Latency, cost, agreement with the trainer, and how far the .tflite is from the trained network."
    )
    compatibility = JsonField(allow_null=True, help_text="The check's report; null until there is a verdict.")
    dataset_version = DatasetVersionRef(allow_null=True)
    training_run = serializers.UUIDField(source="trained_model.run_id", default=None, allow_null=True)
    made_by_job = serializers.UUIDField(source="made_by_job_id", allow_null=True)
    check_job = serializers.UUIDField(source="check_job_id", allow_null=True)
    upload = serializers.UUIDField(source="upload_id", allow_null=True)

    class Meta(ModelVersionOut.Meta):
        fields = (
            *ModelVersionOut.Meta.fields,
            "artifacts", "metrics", "measurements", "compatibility", "dataset_version", "training_run", "made_by_job",
            "check_job", "upload",
        )  # fmt: skip
