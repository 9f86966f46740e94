"""The check job: does a version's .tflite run on the plain runtime, and from which version of it."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from apps.errors import Detail
from apps.jobs.handlers import Folder, Link
from apps.jobs.models import Job
from apps.models.files import fetch_artifact
from apps.models.models import Artifact, ModelVersion
from apps.projects.access import Access


class CheckHandler:
    def prepare(self, job: Job, folder: Folder) -> list[str]:
        artifact = Artifact.across_tenants.select_related("version__model").get(
            version__check_job=job, kind=Artifact.Kind.TFLITE
        )
        file = folder.in_ / "model.tflite"
        fetch_artifact(artifact, file)
        return ["check", "--file", str(file), "--out", str(folder.out)]

    def store(self, job: Job, folder: Folder, result: dict[str, Any]) -> None:
        """The report is all that a check makes."""

    def accept(self, job: Job, result: dict[str, Any], stored: None) -> dict[str, Any]:
        version = _version_of(job)
        version.compatibility = result
        version.state = ModelVersion.State.READY if result["ok"] else ModelVersion.State.REFUSED
        version.min_runtime = (result["min_runtime"] or "") if result["ok"] else ""
        version.save(update_fields=["compatibility", "state", "min_runtime"])
        return {"ok": result["ok"], "min_runtime": version.min_runtime, "problems": result["problems"]}

    def discard(self, job: Job, stored: None) -> None:
        """Nothing was stored."""

    def fail(self, job: Job, code: str, message: str, details: list[Detail]) -> None:
        version = _version_of(job)
        version.state = ModelVersion.State.REFUSED
        version.save(update_fields=["state"])


def link_to_version(job: Job, access: Access) -> Link | None:
    version = access.query(ModelVersion).filter(check_job=job).select_related("model").first()
    if version is None:
        return None
    return Link(
        str(version), reverse("model-version", args=[access.organization.slug, access.project.slug, version.pk])
    )


def _version_of(job: Job) -> ModelVersion:
    version: ModelVersion = ModelVersion.across_tenants.select_for_update().get(check_job=job)
    return version
