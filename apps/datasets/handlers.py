"""The import job: a verified file goes in, an immutable dataset version comes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from django.db import transaction
from django.urls import reverse

from apps.datasets.models import DatasetVersion, Upload
from apps.datasets.uploads import drop_upload
from apps.errors import Detail, Refused
from apps.jobs.handlers import Folder, Link
from apps.jobs.models import Job
from apps.projects import quotas
from apps.projects.access import Access
from apps.projects.storage import storage

MAX_FILES = 1_000_000
# Photographs hardly shrink in a zip; line drawings do. What the engine calls a bomb is far above this.
MAX_UNPACKED_RATIO = 20
MIN_UNPACKED_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Stored:
    """What one run of the job has put into the storage."""

    prefix: str
    bytes: int


class ImportHandler:
    """Of Job.Kind.IMPORT; the payload names the dataset version that waits for it."""

    def prepare(self, job: Job, folder: Folder) -> list[str]:
        version = _version_of(job)
        # The suffix says what is in it; the rest of the name is not taken over, because it would become part of the
        # examples' paths, and the same file gives the same version whatever it is called.
        source = folder.in_ / f"data{PurePosixPath(version.upload.filename).suffix.lower()}"
        sha256 = storage().fetch_to(version.upload.storage_key, source)
        if sha256 != version.upload.sha256:
            # The upload's link may still be valid in an object store, and somebody sent other bytes since.
            raise Refused("hash_mismatch", "The file has changed since it was verified. Upload it again.")
        options = version.options
        declared = []
        if version.data_spec.strip():
            spec = folder.in_ / "spec.yaml"
            spec.write_text(version.data_spec, encoding="utf-8")
            declared = ["--spec", str(spec)]
        return [
            "import",
            *("--source", str(source), *declared, "--out", str(folder.out), "--work", str(folder.work)),
            *("--seed", str(options["seed"])),
            *("--validation", str(options["validation"]), "--test", str(options["test"])),
            *("--max-bytes", str(max(MIN_UNPACKED_BYTES, MAX_UNPACKED_RATIO * version.upload.size))),
            *("--max-files", str(MAX_FILES), "--bad-values", options["bad_values"]),
        ]

    def store(self, job: Job, folder: Folder, result: dict[str, Any]) -> Stored:
        version = _version_of(job)
        paths = [item["path"] for item in (*result["files"], *result["samples"])]
        stored = Stored(_prefix(version, job.fencing_token), sum(_size(folder.out, path) for path in paths))
        self._check_quota(version, stored.bytes)
        for token in range(1, job.fencing_token):  # what earlier runs left that died before they were accepted
            storage().discard_tree(_prefix(version, token))
        try:
            for path in paths:
                storage().save_from(folder.out / path, f"{stored.prefix}/{path}")
        except BaseException:
            self.discard(job, stored)
            raise
        return stored

    def accept(self, job: Job, result: dict[str, Any], stored: Any) -> dict[str, Any]:
        version = _version_of(job)
        drop_upload(version.upload)
        quotas.reserve(version.project.organization, stored.bytes)
        version.state = DatasetVersion.State.READY
        version.storage_prefix = stored.prefix
        version.bytes = stored.bytes
        for name in (
            "files",
            "sha256",
            "features",
            "task",
            "classes",
            "value_ranges",
            "num_examples",
            "splits",
            "class_counts",
            "samples",
            "warnings",
        ):
            setattr(version, name, result[name])
        version.save()
        return {"dataset_version": str(version.pk), "num_examples": version.num_examples}

    def discard(self, job: Job, stored: Any) -> None:
        storage().discard_tree(stored.prefix)

    def fail(self, job: Job, code: str, message: str, details: list[Detail]) -> None:
        version = _version_of(job)
        version.state = DatasetVersion.State.FAILED
        version.save(update_fields=["state"])
        drop_upload(version.upload, Upload.State.REFUSED)
        prefixes = [_prefix(version, token) for token in range(1, job.fencing_token + 1)]
        transaction.on_commit(lambda: [storage().discard_tree(prefix) for prefix in prefixes], robust=True)

    def _check_quota(self, version: DatasetVersion, size: int) -> None:
        """Before anything is copied. `accept` swaps the upload's share of the quota for that of the files."""
        organization = version.project.organization
        free = organization.quota_bytes - organization.used_bytes + version.upload.reserved_bytes
        if size > free:
            raise Refused(
                "quota_exceeded",
                f"The imported dataset needs {quotas.in_words(size)}; {quotas.in_words(max(0, free))} of the "
                f"{quotas.in_words(organization.quota_bytes)} quota are free. {quotas.ADVICE}",
                status=413,
            )


def link_to_version(job: Job, access: Access) -> Link | None:
    if not access.query(DatasetVersion).filter(pk=job.payload["dataset_version"]).exists():
        return None  # deleted
    where = [access.organization.slug, access.project.slug, job.payload["dataset_version"]]
    return Link("The dataset version", reverse("dataset-version", args=where))


def _version_of(job: Job) -> DatasetVersion:
    rows = DatasetVersion.across_tenants.select_related("project__organization", "upload")
    version: DatasetVersion = rows.get(pk=job.payload["dataset_version"], project=job.project_id)
    return version


def _prefix(version: DatasetVersion, fencing_token: int) -> str:
    """Where one run of the job puts its files: no two runs share a folder."""
    return f"projects/{version.project_id}/datasets/{version.pk}/{version.job_id}-{fencing_token}"


def _size(folder: Path, path: str) -> int:
    """Of a file that the engine says it wrote. Raises ValueError for a path that leads out of its folder."""
    file = (folder / path).resolve()
    if not file.is_relative_to(folder.resolve()) or not file.is_file():
        raise ValueError(f"The engine's result names {path!r}, which is not a file in its output folder.")
    return file.stat().st_size
