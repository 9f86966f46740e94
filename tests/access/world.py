"""Two organizations with one row of every kind in a project each: what URLs are filled from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any
from uuid import uuid4

import yaml
from django.core.files.base import ContentFile
from django.utils import timezone

from apps.accounts.models import Invitation, Membership, Organization, Role, User
from apps.analytics.models import Event
from apps.datasets.models import Dataset, DatasetVersion, Upload
from apps.delivery.models import Installation, InstalledModel
from apps.delivery.services import publish
from apps.jobs.models import Job, JobEvent, Share
from apps.jobs.notices.models import Notice, NoticeChoice, NoticeMail, Webhook, WebhookDelivery
from apps.jobs.notices.signing import new_secret, sealed
from apps.jobs.schedules.models import JobSchedule
from apps.models.models import Artifact, ModelVersion, RegisteredModel
from apps.projects.access import Access
from apps.projects.audit import record
from apps.projects.authentication import hash_secret
from apps.projects.models import ApiKey, Project, Scope
from apps.projects.storage import storage
from apps.training.models import RunFile, SpecFile, Study, TrainedModel, TrainingRun, Trial
from ml.specs import TrainingSpec

PATH = "dataset.json"
SPEC = {
    "experiment_name": "digits",
    "task": {"type": "classification", "label": "label", "num_classes": 2},
    "features": [{"name": "image", "type": "image", "shape": [8, 8, 1]}],
    "students": [{"id": "small", "model_type": "projection", "params": {"projections": 8, "bits": 4}}],
}
COMPLETE = TrainingSpec.model_validate(SPEC).model_dump(mode="json")


@dataclass(frozen=True)
class World:
    """One tenant. `rows`: parameter of a URL → its value; `people`: one for each role; `keys`: name → secret."""

    project: Project
    rows: dict[str, Any]
    people: dict[Role, User]
    keys: dict[str, str]


def make_world(slug: str) -> World:
    organization = Organization.objects.create(name=slug.title(), slug=slug, quota_bytes=2**30)
    people = {role: _member(organization, role) for role in Role}
    project = Project.across_tenants.create(organization=organization, name=f"{slug} reader", slug=f"{slug}-reader")
    access = Access(people[Role.OWNER], organization, Role.OWNER, project)
    token = f"token-of-{slug}"
    invitation = Invitation.across_tenants.create(
        organization=organization,
        email=f"invited@{slug}.example",
        role=Role.VIEWER,
        token_hash=hash_secret(token),
        expires_at=timezone.now() + timedelta(days=1),
    )
    record(access, "project.looked_at", project)

    Share.across_tenants.create(organization=organization)
    dataset_version = _dataset_version(project)
    version = _model_version(project, dataset_version)
    revision = publish(access=access, model=version.model, version=version)
    run = TrainingRun.across_tenants.create(
        project=project,
        number=1,
        name="First",
        dataset_version=dataset_version,
        model=version.model,
        spec=COMPLETE,
        spec_yaml=yaml.safe_dump(SPEC),
        job=_job(project, Job.Kind.TRAIN),
    )
    TrainedModel.across_tenants.create(
        project=project, run=run, role=TrainedModel.Role.STUDENT, spec_id="small", version=version
    )
    RunFile.across_tenants.create(project=project, run=run, path=f"versions/{version.pk}.zip", sha256="0" * 64)
    study = _study(run)
    installation = _installation(project, version)
    scopes = list(Scope.values)
    keys = {
        "device": _key(project, ApiKey.Kind.DEVICE, f"dk_{slug}", []),
        "revoked": _key(project, ApiKey.Kind.SERVER, f"sk_{slug}_revoked", scopes, revoked=True),
        "": _key(project, ApiKey.Kind.SERVER, f"sk_{slug}", []),
        "all": _key(project, ApiKey.Kind.SERVER, f"sk_{slug}_all", scopes),
    }
    for scope in scopes:
        others = [other for other in scopes if other != scope]
        keys[scope] = _key(project, ApiKey.Kind.SERVER, f"sk_{slug}_{scope}", [scope])
        keys[f"all but {scope}"] = _key(project, ApiKey.Kind.SERVER, f"sk_{slug}_but_{scope}", others)
    delivery = _delivery(run.job, people[Role.DEVELOPER])
    kept = _upload(project, Upload.Purpose.FILE, Upload.State.USED, "phone.json")
    rows = {
        "organization": slug,
        "project": project.slug,
        "project_id": project.pk,
        "member": organization.memberships.get(role=Role.LABELER).pk,
        "invitation": invitation.pk,
        "token": token,
        "key": ApiKey.objects.for_project(project).get(kind=ApiKey.Kind.DEVICE).pk,
        "job": run.job_id,
        "webhook": delivery.webhook_id,
        "delivery": delivery.pk,
        "upload": _upload(project, Upload.Purpose.DATASET, Upload.State.WAITING).pk,
        "sent_archive": _upload(project, Upload.Purpose.DATASET, Upload.State.VERIFIED, "digits.zip").pk,
        "sent_model": _upload(project, Upload.Purpose.MODEL, Upload.State.VERIFIED, "digits.tflite").pk,
        "sent_file": _upload(project, Upload.Purpose.FILE, Upload.State.VERIFIED, "other.json").pk,
        "file": SpecFile.across_tenants.create(project=project, name="phone.json", upload=kept).pk,
        "dataset": dataset_version.dataset_id,
        "dataset_version": dataset_version.pk,
        "path": PATH,
        "model": version.model_id,
        "version": version.pk,
        "artifact": Artifact.objects.for_project(project).get().pk,
        "run": run.pk,
        "study": study.pk,
        "schedule": _schedule(run, people[Role.DEVELOPER]).pk,
        "deployment": revision.deployment_id,
        "revision": revision.pk,
        "number": 1,
        "installation": installation.pk,
    }
    return World(project, rows, people, keys)


def _member(organization: Organization, role: Role) -> User:
    user = User.objects.create(email=f"{role.value}@{organization.slug}.example", password="!")
    Membership.across_tenants.create(organization=organization, user=user, role=role)
    return user


def _key(project: Project, kind: ApiKey.Kind, secret: str, scopes: list[str], *, revoked: bool = False) -> str:
    ApiKey.across_tenants.create(
        project=project,
        name=secret,
        kind=kind,
        prefix=secret[:11],
        secret_hash=hash_secret(secret),
        scopes=scopes,
        revoked_at=timezone.now() if revoked else None,
    )
    return secret


def _job(project: Project, kind: Job.Kind) -> Job:
    job = Job.across_tenants.create(project=project, kind=kind, title=f"A job to {kind}", last_sequence=1)
    JobEvent.across_tenants.create(
        project=project, job=job, sequence=1, kind=JobEvent.Kind.LOG, data={"level": "info", "message": "hello"}
    )
    return job


def _delivery(job: Job, person: User) -> WebhookDelivery:
    """A webhook with one message, and what else there is of notices."""
    project = job.project
    Notice.across_tenants.create(project=project, job=job, about={"state": "failed", "error": None})
    NoticeChoice.across_tenants.create(project=project, user=person, wants=NoticeChoice.Wants.NONE)
    NoticeMail.across_tenants.create(project=project, user=person, subject="A job", text="It failed.", html="<p>It")
    webhook = Webhook.across_tenants.create(
        project=project, url="https://hooks.example/", events=["job.failed"], secret=sealed(new_secret())
    )
    delivery: WebhookDelivery = WebhookDelivery.across_tenants.create(
        project=project, webhook=webhook, job=job, event="job.failed", body="{}"
    )
    return delivery


def _upload(project: Project, purpose: Upload.Purpose, state: Upload.State, filename: str = "file") -> Upload:
    return Upload.across_tenants.create(
        project=project,
        purpose=purpose,
        state=state,
        filename=filename,
        size=1,
        storage_key=f"access/{uuid4()}",
        expires_at=timezone.now() + timedelta(days=1),
    )


def _dataset_version(project: Project) -> DatasetVersion:
    prefix = f"access/{uuid4()}"
    storage().save(f"{prefix}/{PATH}", ContentFile(b"{}"))
    return DatasetVersion.across_tenants.create(
        project=project,
        dataset=Dataset.across_tenants.create(project=project, name="Digits", slug="digits", last_number=1),
        number=1,
        state=DatasetVersion.State.READY,
        upload=_upload(project, Upload.Purpose.DATASET, Upload.State.USED),
        job=_job(project, Job.Kind.IMPORT),
        storage_prefix=prefix,
        files=[{"path": PATH, "bytes": 2, "sha256": "0" * 64}],
        features=COMPLETE["features"],
        task=COMPLETE["task"],
        classes=["0", "1"],
        num_examples=4,
        splits={"train": 2, "validation": 1, "test": 1},
        class_counts={"train": {"0": 1, "1": 1}, "validation": {"0": 1}, "test": {"1": 1}},
    )


def _model_version(project: Project, dataset_version: DatasetVersion) -> ModelVersion:
    version = ModelVersion.across_tenants.create(
        project=project,
        model=RegisteredModel.across_tenants.create(project=project, name="Digits", slug="digits", last_number=1),
        number=1,
        state=ModelVersion.State.READY,
        origin=ModelVersion.Origin.UPLOADED,
        dataset_version=dataset_version,
        upload=_upload(project, Upload.Purpose.MODEL, Upload.State.USED),
        check_job=_job(project, Job.Kind.CHECK),
        compatibility={"ok": True, "metadata": {"task": "classification"}},
        min_runtime="2.17.0",
    )
    Artifact.across_tenants.create(
        project=project,
        version=version,
        kind=Artifact.Kind.TFLITE,
        filename="model.tflite",
        storage_key=storage().save(f"access/{uuid4()}.tflite", ContentFile(b"TFL3")),
        bytes=4,
        sha256="0" * 64,
    )
    return version


def _study(run: TrainingRun) -> Study:
    study = Study.across_tenants.create(
        project=run.project,
        name="Search",
        dataset_version=run.dataset_version,
        model=run.model,
        spec_yaml=run.spec_yaml,
        space=[{"path": "hyperparameters.learning_rate", "kind": "float", "low": 0.001, "high": 0.1, "log": True}],
        student="small",
        metric="accuracy",
        direction="maximize",
        trials_wanted=2,
        at_once=1,
    )
    Trial.across_tenants.create(
        project=run.project,
        study=study,
        number=1,
        run=run,
        params={"hyperparameters.learning_rate": 0.01},
        state=Trial.State.COMPLETE,
        value=0.9,
        bytes=1000,
    )
    return study


def _schedule(run: TrainingRun, person: User) -> JobSchedule:
    made: JobSchedule = JobSchedule.across_tenants.create(
        project=run.project,
        name="Train First",
        starts="train",
        payload={"run": str(run.pk), "data": "newest"},
        subject="Run 1, First, on the newest version of Digits",
        every="week",
        weekday="monday",
        at=time(6, 0),
        zone="Europe/Berlin",
        next_run=timezone.now() + timedelta(days=1),
        runs_as=person,
    )
    return made


def _installation(project: Project, version: ModelVersion) -> Installation:
    installation = Installation.across_tenants.create(project=project, key=uuid4())
    InstalledModel.across_tenants.create(
        project=project,
        installation=installation,
        model=version.model,
        version=version,
        state=InstalledModel.State.LOADED,
        updated_at=timezone.now(),
    )
    Event.across_tenants.create(
        project=project,
        key=uuid4(),
        installation=installation,
        type=Event.Type.LOADED,
        model=version.model,
        version=version,
        occurred_at=timezone.now(),
    )
    return installation
