"""The check job: does a version's .tflite run on the plain runtime, and from which version of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db import transaction
from django.urls import reverse

from apps.datasets.uploads import hand_over_upload
from apps.errors import Detail
from apps.jobs.handlers import Folder, Link
from apps.jobs.models import Job
from apps.models.files import checked_file_key, fetch_artifact, sha256_of
from apps.models.models import Artifact, ModelVersion
from apps.projects.access import Access
from apps.projects.storage import storage


class CheckHandler:
    def prepare(self, job: Job, folder: Folder) -> list[str]:
        file = _file_in(folder)
        fetch_artifact(_artifact_of(job), file)
        return ["check", "--file", str(file), "--out", str(folder.out)]

    def store(self, job: Job, folder: Folder, result: dict[str, Any]) -> str | None:
        """Copy an uploaded file, as it was checked, to a key of its own, and return that; None for a trained one.

        An object store takes bytes by the upload's link until that expires, whatever has become of the upload.
        """
        artifact = _artifact_of(job)
        version = artifact.version
        if version.upload is None or artifact.storage_key != version.upload.storage_key:
            return None
        file = _file_in(folder)
        if (sha256 := sha256_of(file)) != artifact.sha256:
            raise ValueError(f"{file} has the SHA-256 {sha256} after its check; {artifact.sha256} was recorded.")
        for token in range(1, job.fencing_token):  # what earlier runs left that died before they were accepted
            storage().discard(checked_file_key(version, job, token))
        key = checked_file_key(version, job, job.fencing_token)
        storage().save_from(file, key)  # whole or not at all
        return key

    def accept(self, job: Job, result: dict[str, Any], stored: str | None) -> dict[str, Any]:
        version = _version_of(job)
        if stored is not None and version.upload is not None:
            artifacts = Artifact.across_tenants.filter(version=version, kind=Artifact.Kind.TFLITE)
            artifacts.update(storage_key=stored)
            hand_over_upload(version.upload)
        version.compatibility = result
        version.state = ModelVersion.State.READY if result["ok"] else ModelVersion.State.REFUSED
        version.min_runtime = (result["min_runtime"] or "") if result["ok"] else ""
        version.save(update_fields=["compatibility", "state", "min_runtime"])
        return {"ok": result["ok"], "min_runtime": version.min_runtime, "problems": result["problems"]}

    def discard(self, job: Job, stored: str | None) -> None:
        if stored is not None:
            storage().discard(stored)

    def fail(self, job: Job, code: str, message: str, details: list[Detail]) -> None:
        version = _version_of(job)
        version.state = ModelVersion.State.REFUSED
        version.save(update_fields=["state"])
        if version.upload_id is not None:
            keys = [checked_file_key(version, job, token) for token in range(1, job.fencing_token + 1)]
            transaction.on_commit(lambda: [storage().discard(key) for key in keys], robust=True)


def link_to_version(job: Job, access: Access) -> Link | None:
    version = access.query(ModelVersion).filter(check_job=job).select_related("model").first()
    if version is None:
        return None
    return Link(
        str(version), reverse("model-version", args=[access.organization.slug, access.project.slug, version.pk])
    )


def _file_in(folder: Folder) -> Path:
    return folder.in_ / "model.tflite"


def _artifact_of(job: Job) -> Artifact:
    rows = Artifact.across_tenants.select_related("version__model", "version__upload")
    artifact: Artifact = rows.get(version__check_job=job, kind=Artifact.Kind.TFLITE)
    return artifact


def _version_of(job: Job) -> ModelVersion:
    version: ModelVersion = ModelVersion.across_tenants.select_for_update().get(check_job=job)
    return version
