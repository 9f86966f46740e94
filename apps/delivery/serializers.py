"""What the team API takes and gives about deployments and devices."""

from __future__ import annotations

from rest_framework import serializers

from apps.delivery.models import Deployment, DeploymentRevision, Installation, InstalledModel
from apps.delivery.services import MAX_NOTE
from apps.models.models import ModelVersion
from apps.models.serializers import ModelRef


class PublishIn(serializers.Serializer[None]):
    model = serializers.UUIDField(help_text="Of the model.")
    version = serializers.UUIDField(help_text="Of one of its ready versions.")
    note = serializers.CharField(max_length=MAX_NOTE, required=False, allow_blank=True, default="")


class RollbackIn(serializers.Serializer[None]):
    revision = serializers.UUIDField(help_text="An older revision of this deployment.")
    note = serializers.CharField(max_length=MAX_NOTE, required=False, allow_blank=True, default="")


class InstallationListIn(serializers.Serializer[None]):
    version = serializers.UUIDField(required=False, help_text="Only devices that have this version now.")


class PublishedVersionOut(serializers.ModelSerializer[ModelVersion]):
    class Meta:
        model = ModelVersion
        fields = ("id", "number", "label", "min_runtime")


class RevisionOut(serializers.ModelSerializer[DeploymentRevision]):
    version = PublishedVersionOut()
    rolled_back_to = serializers.SerializerMethodField()
    created_by = serializers.SerializerMethodField()

    class Meta:
        model = DeploymentRevision
        fields = ("id", "number", "version", "note", "rolled_back_to", "created_by", "api_key", "created_at")

    def get_rolled_back_to(self, revision: DeploymentRevision) -> int | None:
        """The number of the revision that this one repeats."""
        return revision.rolled_back_to.number if revision.rolled_back_to else None

    def get_created_by(self, revision: DeploymentRevision) -> str | None:
        return revision.created_by.email if revision.created_by else None


class DeploymentOut(serializers.ModelSerializer[Deployment]):
    model = ModelRef()
    current = RevisionOut()

    class Meta:
        model = Deployment
        fields = ("id", "model", "current", "created_at")


class InstalledModelOut(serializers.ModelSerializer[InstalledModel]):
    model = serializers.CharField(source="model.slug")
    number = serializers.IntegerField(source="version.number")

    class Meta:
        model = InstalledModel
        fields = ("model", "version", "number", "state", "updated_at")


class InstallationOut(serializers.ModelSerializer[Installation]):
    models = InstalledModelOut(many=True)
    installation = serializers.UUIDField(source="key", help_text="The id made on the device.")

    class Meta:
        model = Installation
        fields = (
            "id",
            "installation",
            "app_version",
            "platform",
            "os_version",
            "device_model",
            "runtime_version",
            "attributes",
            "first_seen_at",
            "last_seen_at",
            "models",
        )
