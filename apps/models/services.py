"""What changes models: registering, new versions, compatibility checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from django.db import IntegrityError, transaction
from django.db.models import Max, ProtectedError, RestrictedError
from django.utils.text import slugify

from apps.datasets.models import DatasetVersion, Upload
from apps.datasets.uploads import drop_upload, use_upload
from apps.errors import Detail, Refused
from apps.jobs.models import Job
from apps.jobs.services import create_follow_up, create_job
from apps.models.files import StoredFile
from apps.models.models import Artifact, ModelVersion, RegisteredModel
from apps.projects import audit, quotas
from apps.projects.access import Access
from apps.projects.storage import storage

CHECK_SECONDS = 300
# Offsets in a flatbuffer have 31 bits.
MAX_TFLITE_BYTES = 2**31 - 1


def register_model(*, access: Access, name: str, slug: str = "", description: str = "") -> RegisteredModel:
    """Make a named line of models. `slug` (default: from the name) is what applications ask for.

    Raises Refused `invalid_model` or `slug_taken` (409), tied to the field.
    """
    name = name.strip()
    slug = slug.strip() or slugify(name)[:50].strip("-")
    details: list[Detail] = []
    if not 1 <= len(name) <= 100:
        details.append({"field": "name", "message": f"A name has 1 … 100 characters. Received: {len(name)}."})
    elif not slug or slug != slugify(slug) or len(slug) > 50:
        message = "A short name has 1 … 50 lower-case letters (a–z), digits, hyphens and underscores"
        details.append(
            {"field": "slug", "message": f"{message}, with no hyphen at either end. Received: {slug[:60]!r}."}
        )
    if details:
        raise Refused("invalid_model", " ".join(detail["message"] for detail in details), details=details)
    try:
        with transaction.atomic():
            model: RegisteredModel = RegisteredModel.across_tenants.create(
                project=access.project, name=name, slug=slug, description=description.strip(), created_by=access.user
            )
            audit.record(access, "model.registered", model, slug=slug)
    except IntegrityError:
        message = (
            f"This project has a model with the short name {slug!r} already. Choose another, or add a version to it."
        )
        raise Refused("slug_taken", message, details=[{"field": "slug", "message": message}], status=409) from None
    return model


@dataclass(frozen=True)
class TrainedFiles:
    """What a training job measured of one model and where its files lie. `metrics`: split → figures on the .tflite."""

    label: str
    model_type: str
    parameters: int
    metrics: dict[str, Any]
    measurements: dict[str, Any]
    files: Sequence[StoredFile]


def add_trained_version(
    *, model: RegisteredModel, job: Job, dataset_version: DatasetVersion, trained: TrainedFiles
) -> ModelVersion:
    """Make the next version of `model` out of what `job` left, count its bytes, and enqueue its check.

    Belongs into the transaction that ends the job. Raises Refused `quota_exceeded`.
    """
    quotas.reserve(model.project.organization, sum(file.bytes for file in trained.files))
    version = ModelVersion.across_tenants.create(
        project=model.project,
        model=model,
        number=_next_number(model),
        origin=ModelVersion.Origin.TRAINED,
        label=trained.label,
        model_type=trained.model_type,
        parameters=trained.parameters,
        dataset_version=dataset_version,
        made_by_job=job,
        metrics=trained.metrics,
        measurements=trained.measurements,
        created_by=job.created_by,
    )
    _add_artifacts(version, trained.files)
    audit.record_for(
        model.project.organization,
        "version.trained",
        version,
        project=model.project,
        user=job.created_by,
        label=trained.label,
    )
    _wait_for(version, create_follow_up(after=job, **_check(version)))
    return version


@transaction.atomic
def add_uploaded_version(*, access: Access, model: RegisteredModel, upload: Upload) -> ModelVersion:
    """Make the next version of `model` out of a verified upload of a .tflite file, and enqueue its check.

    The version takes the upload's share of the quota over, and its stored file until the check has a verdict: that
    copies the file to where no link leads that can be written by. Raises Refused, tied to `upload`.
    """
    if upload.purpose != Upload.Purpose.MODEL:
        raise _upload_refused(
            "wrong_purpose",
            f"{upload.filename} was uploaded as a {upload.get_purpose_display().lower()}, not as a model.",
        )
    if not upload.filename.lower().endswith(".tflite"):
        raise _upload_refused(
            "unsupported_model_file", f"Only .tflite files can be uploaded as a version. Received: {upload.filename}."
        )
    if upload.size > MAX_TFLITE_BYTES:
        message = f"A .tflite file has at most {quotas.in_words(MAX_TFLITE_BYTES)}. Received: "
        raise _upload_refused("file_too_large", f"{message}{quotas.in_words(upload.size)}.")
    use_upload(upload)
    version = ModelVersion.across_tenants.create(
        project=access.project,
        model=model,
        number=_next_number(model),
        origin=ModelVersion.Origin.UPLOADED,
        label=upload.filename[: -len(".tflite")][:100],
        upload=upload,
        created_by=access.user,
    )
    file = StoredFile(Artifact.Kind.TFLITE, "model.tflite", upload.storage_key, upload.size, upload.sha256)
    _add_artifacts(version, [file])
    audit.record(access, "version.uploaded", version, filename=upload.filename)
    start_check(access=access, version=version)
    return version


@transaction.atomic
def check_again(*, access: Access, version: ModelVersion) -> Job:
    """Repeat a check that gave no verdict, because the checker itself failed or was cancelled.

    Raises Refused `check_not_repeatable` where there is a verdict, or a check under way.
    """
    version = ModelVersion.across_tenants.select_for_update().get(pk=version.pk)
    if not version.check_broke:
        message = (
            f"The check of {version} is still under way."
            if version.state == ModelVersion.State.CHECKING
            else f"The check of {version} has a verdict: {version.state}. A version never changes."
        )
        raise Refused("check_not_repeatable", message, status=409)
    version.state, version.compatibility = ModelVersion.State.CHECKING, None
    version.save(update_fields=["state", "compatibility"])
    audit.record(access, "version.checked_again", version)
    return start_check(access=access, version=version)


@transaction.atomic
def delete_version(*, access: Access, version: ModelVersion) -> None:
    """Delete a version that was never deployed, with its files; what it took of the quota is free again.

    Its number is not given out again. Raises Refused (409): `checking`, `in_use`.
    """
    # The job is read after the lock: another check may have begun while this waited for it.
    rows = access.query(ModelVersion).select_related("model").select_for_update(of=("self",))
    version = rows.get(pk=version.pk)
    if version.check_job is not None and not version.check_job.is_over:
        raise Refused("checking", f"{version} is being checked. Wait for the verdict, or cancel the job.", status=409)
    artifacts = list(version.artifacts.all())
    audit.record(
        access, "version.deleted", version, files={artifact.filename: artifact.sha256 for artifact in artifacts}
    )
    try:
        version.delete()
    except RestrictedError:
        message = f"{version} stays: it was deployed, and what devices got must be known."
        raise Refused("in_use", message, status=409) from None
    if version.upload is not None and version.upload.reserved_bytes:  # never checked: the file is the upload's still
        drop_upload(version.upload)
        return
    quotas.release(access.organization, sum(artifact.bytes for artifact in artifacts))
    keys = [artifact.storage_key for artifact in artifacts]
    transaction.on_commit(lambda: [storage().discard(key) for key in keys], robust=True)


@transaction.atomic
def delete_model(*, access: Access, model: RegisteredModel) -> None:
    """Delete a model without versions. Raises Refused (409): `has_versions`, `in_use` (training runs name it)."""
    model = access.query(RegisteredModel).select_for_update().get(pk=model.pk)
    if count := model.versions.count():
        versions = "1 version" if count == 1 else f"{count} versions"
        raise Refused("has_versions", f"{model} has {versions}. Delete each of them first.", status=409)
    audit.record(access, "model.deleted", model, slug=model.slug)
    try:
        model.delete()
    except ProtectedError:
        message = f"{model} stays, because training runs name it as where their versions went."
        raise Refused("in_use", message, status=409) from None


def start_check(*, access: Access, version: ModelVersion) -> Job:
    """Enqueue the compatibility check of a version, inside the caller's transaction."""
    return _wait_for(version, create_job(access=access, **_check(version)))


class _CheckJob(TypedDict):
    kind: Job.Kind
    title: str
    payload: dict[str, Any]
    time_limit_s: int


def _check(version: ModelVersion) -> _CheckJob:
    return {
        "kind": Job.Kind.CHECK,
        "title": f"Check {version}",
        "payload": {"version": str(version.pk)},
        "time_limit_s": CHECK_SECONDS,
    }


def _wait_for(version: ModelVersion, job: Job) -> Job:
    version.check_job = job
    version.save(update_fields=["check_job"])
    return job


def _next_number(model: RegisteredModel) -> int:
    """Numbers have no gap and none comes twice: the model's row is locked until the version is there."""
    locked: RegisteredModel = RegisteredModel.across_tenants.select_for_update(no_key=True).get(pk=model.pk)
    newest: int | None = ModelVersion.across_tenants.filter(model=model).aggregate(newest=Max("number"))["newest"]
    locked.last_number = max(locked.last_number, newest or 0) + 1
    locked.save(update_fields=["last_number"])
    return locked.last_number


def _add_artifacts(version: ModelVersion, files: Sequence[StoredFile]) -> None:
    Artifact.across_tenants.bulk_create(
        Artifact(
            project=version.project,
            version=version,
            kind=file.kind,
            filename=file.filename,
            storage_key=file.storage_key,
            bytes=file.bytes,
            sha256=file.sha256,
        )
        for file in files
    )


def _upload_refused(code: str, message: str) -> Refused:
    return Refused(code, message, details=[{"field": "upload", "message": message}])
