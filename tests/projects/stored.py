"""One of every kind of row that holds stored files, with its files, and next to each what is left when one breaks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from pathlib import Path

from django.utils import timezone

from apps.datasets.handlers import _prefix
from apps.datasets.models import Dataset, DatasetVersion, Upload
from apps.datasets.uploads import ask_for_upload, use_upload
from apps.jobs import handlers, saved_work
from apps.jobs.handlers import Folder
from apps.jobs.leases import Lease
from apps.jobs.models import Job
from apps.models.files import StoredFile, checked_file_key, trained_files_prefix
from apps.models.models import Artifact, ModelVersion, RegisteredModel
from apps.models.services import _add_artifacts
from apps.projects.access import Access
from apps.projects.models import Project
from apps.projects.storage import part_of, storage
from apps.training.models import SpecFile
from apps.training.tensorboard import archives


@dataclass
class Stored:
    """Keys: `held` by rows, `orphans` by kind, and those `outside` of every layout or of a foreign project."""

    held: set[str] = field(default_factory=set)
    orphans: dict[str, set[str]] = field(default_factory=dict)
    outside: set[str] = field(default_factory=set)

    @property
    def every_orphan(self) -> set[str]:
        return set().union(*self.orphans.values())


def put(key: str, body: bytes = b"12345") -> str:
    storage().save(key, BytesIO(body))
    return key


def keys_of(where: str = "projects") -> set[str]:
    return {file.key for file in storage().files(where)}


def upload_of(access: Access, purpose: Upload.Purpose = Upload.Purpose.DATASET, **fields) -> Upload:
    """An upload whose five bytes have arrived."""
    upload, _ = ask_for_upload(access=access, purpose=purpose, filename="a.zip", size=5)
    put(upload.storage_key)
    Upload.across_tenants.filter(pk=upload.pk).update(**fields)
    upload.refresh_from_db()
    return upload


def make_everything(access: Access, folder: Folder) -> Stored:
    stored = Stored()
    project = access.project
    _uploads(stored, access)
    _datasets(stored, access)
    _models(stored, access)
    _tensorboard(stored, project, folder)
    _saved_work(stored, project, folder)
    id_ = project.pk
    stored.outside = {
        put("brand/logo.png"),
        put("projects/readme.txt"),
        put(f"projects/{id_}/exports/data.csv"),
        put(f"projects/{id_}/uploads/by-hand.zip"),
        put(f"projects/{id_}/models/notes.txt"),
        put("projects/00000000-0000-7000-8000-000000000000/uploads/00000000-0000-7000-8000-000000000001"),
    }
    return stored


def _uploads(stored: Stored, access: Access) -> None:
    verified = upload_of(access, state=Upload.State.VERIFIED)
    used = upload_of(access, Upload.Purpose.FILE, state=Upload.State.VERIFIED)
    use_upload(used)
    SpecFile.across_tenants.create(project=access.project, name="a.zip", upload=used)
    stored.held |= {verified.storage_key, used.storage_key, upload_of(access).storage_key}
    gone = upload_of(access)
    Upload.across_tenants.filter(pk=gone.pk).delete()
    let_go = upload_of(access, state=Upload.State.EXPIRED, reserved_bytes=0)
    stored.orphans["uploads"] = {gone.storage_key, let_go.storage_key}


def _datasets(stored: Stored, access: Access) -> None:
    project = access.project
    job = Job.across_tenants.create(project=project, kind="import", title="Import", state="succeeded", fencing_token=2)
    version = DatasetVersion.across_tenants.create(
        project=project,
        dataset=Dataset.across_tenants.create(project=project, name="D", slug="d"),
        number=1,
        state=DatasetVersion.State.READY,
        upload=upload_of(access, state=Upload.State.USED, reserved_bytes=0),
        job=job,
    )
    stored.orphans["uploads"].add(version.upload.storage_key)
    version.storage_prefix = _prefix(version, 2)
    version.save()
    stored.held |= {put(f"{version.storage_prefix}/{name}") for name in ("dataset.json", "samples/0.png")}
    stored.orphans["dataset files"] = {put(f"{_prefix(version, 1)}/dataset.json")}


def _models(stored: Stored, access: Access) -> None:
    project = access.project
    model = RegisteredModel.across_tenants.create(project=project, name="M", slug="m")
    job = Job.across_tenants.create(project=project, kind="check", title="Check", state="succeeded", fencing_token=1)
    unchecked = upload_of(access, Upload.Purpose.FILE, state=Upload.State.USED)
    version = ModelVersion.across_tenants.create(project=project, model=model, number=1, origin="trained")
    trained = trained_files_prefix(job, 1)
    kinds = (Artifact.Kind.TFLITE, Artifact.Kind.CHECKPOINT, Artifact.Kind.LABELS)
    keys = (f"{trained}/small/model.tflite", checked_file_key(version, job, 1), unchecked.storage_key)
    _add_artifacts(version, [StoredFile(kind, "file", key, 5, "0" * 64) for kind, key in zip(kinds, keys, strict=True)])
    stored.held |= {put(keys[0]), put(keys[1]), keys[2]}
    Upload.across_tenants.filter(pk=unchecked.pk).update(reserved_bytes=0)  # the artifact alone holds it
    stored.orphans["model files"] = {
        put(f"{trained}/left/model.tflite"),
        put(f"{trained_files_prefix(job, 2)}/small/model.tflite"),
        put(checked_file_key(version, job, 2)),
    }


def _tensorboard(stored: Stored, project: Project, folder: Folder) -> None:
    job = Job.across_tenants.create(project=project, kind="train", title="Train", state="succeeded", fencing_token=2)
    logs = folder.out / archives.FOLDER
    logs.mkdir(parents=True)
    (logs / "events.out.tfevents.1.a").write_bytes(b"events")
    kept, left = (archives.store(folder, trained_files_prefix(job, token)) for token in (2, 1))
    assert kept is not None
    assert left is not None
    job.result = {archives.FOLDER: archives.noted(kept)}
    job.save()
    stored.held.add(kept.key)
    stored.orphans["model files"].add(left.key)


def _saved_work(stored: Stored, project: Project, folder: Folder) -> None:
    job = Job.across_tenants.create(project=project, kind="train", title="Train", state="cancelled")
    assert handlers.keeps_work(job)
    folder.work.mkdir(parents=True, exist_ok=True)
    (folder.work / "checkpoint").write_text("7")
    left, kept = (saved_work.save(Lease(job.pk, token), job, folder) for token in (1, 2))
    assert left is not None
    assert kept is not None
    job.saved_work, job.saved_work_bytes = kept.key, kept.size
    job.save()
    stored.held.add(kept.key)
    stored.orphans["saved work"] = {left.key}


def break_local_files_off(stored: Stored, access: Access) -> None:
    """What only local storage has: copies and transfers that broke off."""
    waiting, _ = ask_for_upload(access=access, purpose=Upload.Purpose.DATASET, filename="b.zip", size=9)
    given_up, _ = ask_for_upload(access=access, purpose=Upload.Purpose.DATASET, filename="c.zip", size=9)
    for upload in (waiting, given_up):
        path = part_of(Path(storage().path(upload.storage_key)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    Upload.across_tenants.filter(pk=given_up.pk).update(state=Upload.State.EXPIRED, reserved_bytes=0)
    stored.held.add(f"{waiting.storage_key}.part")
    stored.orphans["uploads"].add(f"{given_up.storage_key}.part")
    version = DatasetVersion.across_tenants.get()
    stored.orphans["broken copies"] = {put(f"{version.storage_prefix}/.writing-abc")}
    stored.outside.add(put(f"projects/{access.project.pk}/exports/.writing-abc"))


def tomorrow():
    return timezone.now() + timedelta(days=1)
