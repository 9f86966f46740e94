"""Rows that delivery stands on, with real .tflite files in the storage."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import uuid4

from django.core.files.base import ContentFile

from apps.accounts.models import Role
from apps.models.models import Artifact, ModelVersion, RegisteredModel
from apps.projects.access import Access
from apps.projects.models import Project
from apps.projects.storage import storage
from tests.device_client.model_files import digits_model


def make_model(project: Project, slug: str = "digits") -> RegisteredModel:
    return RegisteredModel.across_tenants.create(project=project, name=slug.capitalize(), slug=slug)


def make_version(model: RegisteredModel, *, content: bytes | None = None, **fields: Any) -> ModelVersion:
    """A ready version of `model` with a .tflite; other fields and another file on request (b"": no file)."""
    number = model.versions.count() + 1
    version = ModelVersion.across_tenants.create(
        **{
            "project": model.project,
            "model": model,
            "number": number,
            "state": ModelVersion.State.READY,
            "origin": ModelVersion.Origin.UPLOADED,
            "min_runtime": "2.17.0",
            "compatibility": {"ok": True, "metadata": {"task": "classification"}},
            **fields,
        }
    )
    content = digits_model(seed=number) if content is None else content
    if content:
        key = storage().save(f"tests/{uuid4()}.tflite", ContentFile(content))
        Artifact.across_tenants.create(
            project=model.project,
            version=version,
            kind=Artifact.Kind.TFLITE,
            filename="model.tflite",
            storage_key=key,
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
    return version


def access_of(user: Any, project: Project, role: Role = Role.DEVELOPER) -> Access:
    return Access(user, project.organization, role, project)
