"""Which stored files model versions hold, for the clean-up."""

from __future__ import annotations

from collections.abc import Sequence

from apps.models.models import Artifact
from apps.projects import cleaning

FIELDS = ["models.Artifact.storage_key"]


def register() -> None:
    cleaning.register("model files", r"models/<id>/\d+/.+", held_by_artifacts, fields=FIELDS)  # trained here
    cleaning.register("model files", r"models/<id>/<id>-\d+\.tflite", held_by_artifacts, fields=FIELDS)  # checked
    cleaning.register("uploads", "uploads/<id>", held_by_artifacts, fields=FIELDS)  # until they are checked


def held_by_artifacts(keys: Sequence[str]) -> set[str]:
    return set(Artifact.across_tenants.filter(storage_key__in=keys).values_list("storage_key", flat=True))
