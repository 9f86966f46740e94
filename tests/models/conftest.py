"""Models, versions and uploads as rows, with their files in a storage of the test's own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone
from uuid_utils.compat import uuid7

from apps.datasets.models import Upload
from apps.models.models import Artifact, ModelVersion, RegisteredModel
from apps.projects import quotas
from apps.projects.access import Access, enter_project
from apps.projects.storage import storage
from tests.models.tflite_files import GOOD

METRICS = {
    "num_examples": 20,
    "accuracy": 0.85,
    "loss": 0.5,
    "confusion_matrix": [[9, 1], [2, 8]],
    "per_class": [
        {"label": "cat", "precision": 9 / 11, "recall": 0.9, "support": 10},
        {"label": "dog", "precision": 8 / 9, "recall": 0.8, "support": 10},
    ],
}


@pytest.fixture(autouse=True)
def _own_folders(settings: Any, tmp_path: Path) -> None:
    """Local files of a test go with it; in an object store, every test has keys of its own."""
    settings.JOBS_DIR = tmp_path / "jobs"
    if settings.STORAGES["default"]["BACKEND"].endswith("LocalStorage"):
        local = {**settings.STORAGES["default"], "OPTIONS": {"location": str(tmp_path / "media")}}
        settings.STORAGES = {**settings.STORAGES, "default": local}


@pytest.fixture
def access(developer, project) -> Access:
    """What a developer of the project is granted."""
    return enter_project(developer, id=project.pk)


@pytest.fixture
def model(project) -> RegisteredModel:
    return RegisteredModel.across_tenants.create(project=project, name="Pets", slug="pets")


@pytest.fixture
def make_upload(project) -> Callable[..., Upload]:
    """`make_upload(body, filename=…)` → a verified upload of these bytes for a model."""

    def make(body: bytes = GOOD, filename: str = "pets.tflite", **fields) -> Upload:
        owner = fields.pop("project", project)
        pk = uuid7()
        key = f"projects/{owner.pk}/uploads/{pk}"
        storage().save(key, ContentFile(body))
        quotas.reserve(owner.organization, len(body))
        about = {
            "purpose": Upload.Purpose.MODEL,
            "state": Upload.State.VERIFIED,
            "size": len(body),
            "reserved_bytes": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "expires_at": timezone.now() + timedelta(days=1),
        }
        return Upload.across_tenants.create(
            id=pk, project=owner, filename=filename, storage_key=key, **{**about, **fields}
        )

    return make


@pytest.fixture
def make_version(project, model) -> Callable[..., ModelVersion]:
    """`make_version(number=…, state=…)` → a version of `model` with a stored .tflite, ready unless said otherwise."""

    def make(number: int = 1, body: bytes = GOOD, **fields) -> ModelVersion:
        about = {
            "state": ModelVersion.State.READY,
            "origin": ModelVersion.Origin.TRAINED,
            "label": "small",
            "model_type": "projection",
            "parameters": 1234,
            "metrics": {"validation": METRICS, "test": METRICS},
            "measurements": {
                "latency_ms": {"p50": 0.1, "p95": 0.2},
                "parity": {"max_abs": 1e-6, "top1_agreement": 1.0, "tolerance": 1e-3},
            },
            "min_runtime": "2.17.0",
        }
        version = ModelVersion.across_tenants.create(project=project, model=model, number=number, **{**about, **fields})
        key = f"projects/{project.pk}/models/{version.pk}/model.tflite"
        storage().save(key, ContentFile(body))
        Artifact.across_tenants.create(
            project=project,
            version=version,
            kind=Artifact.Kind.TFLITE,
            filename="model.tflite",
            storage_key=key,
            bytes=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
        )
        return version

    return make
