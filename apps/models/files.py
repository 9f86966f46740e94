"""The stored files of model versions: where they lie, out of the storage, and links to them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from apps.errors import Refused
from apps.jobs.models import Job
from apps.models.models import Artifact, ModelVersion
from apps.projects.storage import SignedRequest, storage

CONTENT_TYPES = {
    Artifact.Kind.TFLITE: "application/octet-stream",
    Artifact.Kind.SAVED_MODEL: "application/zip",
    Artifact.Kind.KERAS: "application/octet-stream",
    Artifact.Kind.CHECKPOINT: "application/zip",
    Artifact.Kind.LABELS: "text/plain; charset=utf-8",
}


@dataclass(frozen=True)
class StoredFile:
    """A file that is in the storage and waits for its Artifact row. `sha256` is in hex."""

    kind: Artifact.Kind
    filename: str
    storage_key: str
    bytes: int
    sha256: str


def trained_files_prefix(job: Job, fencing_token: int) -> str:
    """Where one run of a job writes: no two runs share a folder, and no two projects."""
    return f"projects/{job.project_id}/models/{job.pk}/{fencing_token}"


def checked_file_key(version: ModelVersion, job: Job, fencing_token: int) -> str:
    """Where one run of a check puts an uploaded file. No link to write there was ever made."""
    return f"projects/{version.project_id}/models/{version.pk}/{job.pk}-{fencing_token}.tflite"


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch_artifact(artifact: Artifact, target: Path) -> None:
    """Copy the stored file to `target`. Raises Refused `hash_mismatch` when it is not the file that was stored."""
    sha256 = storage().fetch_to(artifact.storage_key, target)
    if sha256 != artifact.sha256:
        raise Refused(
            "hash_mismatch",
            f"The file {artifact.filename} of {artifact.version} has changed in the storage since it was made: its "
            f"SHA-256 is {sha256}; {artifact.sha256} was recorded.",
        )


def download_link(artifact: Artifact) -> SignedRequest:
    """A signed, expiring link to one artifact, named so that files of several versions do not collide."""
    version = artifact.version
    link: SignedRequest = storage().signed_get(
        artifact.storage_key,
        filename=f"{version.model.slug}-v{version.number}-{artifact.filename}",
        content_type=CONTENT_TYPES[Artifact.Kind(artifact.kind)],
        expires_s=settings.DOWNLOAD_EXPIRES_S,
    )
    return link
