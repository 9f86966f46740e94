"""What changes training runs: starting one. Everything later is done by its job."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from uuid_utils.compat import uuid7

from apps.datasets.models import DatasetVersion
from apps.errors import Detail, Refused
from apps.jobs.models import Job
from apps.jobs.services import create_job
from apps.models.models import RegisteredModel
from apps.models.services import register_model
from apps.projects import audit
from apps.projects.access import Access
from apps.projects.models import Project
from apps.training.models import RunFile, TrainingRun
from apps.training.named_files import files_of
from apps.training.spec_text import read_spec, to_yaml

MAX_NAME = 100


@transaction.atomic
def start_run(
    *,
    access: Access,
    dataset_version: DatasetVersion,
    spec: str | dict[str, Any],
    model: RegisteredModel | None = None,
    model_name: str = "",
    name: str = "",
    priority: int = 0,
    runs_on: str = Job.Place.WORKERS,
    silent: bool = False,
    idempotency_key: str | None = None,
) -> TrainingRun:
    """Validate `spec` (YAML text or data), register a new model if `model_name` is given, and enqueue the training.

    Exactly one of `model` and `model_name` is needed. `name` defaults to the spec's experiment; `priority` and
    `runs_on` are the job's, and a `silent` one mails nobody at its end. With an `idempotency_key` that the project has
    used before, returns that run and makes nothing. Raises Refused with details tied to `dataset_version`, `model`,
    `model_name` or a path in the spec, and `idempotency_key_reused` where that run is of another spec or other data;
    nothing is made then.
    """
    text = spec if isinstance(spec, str) else to_yaml(spec)
    if idempotency_key is not None:
        access.project.lock()  # of two requests at the same moment, one comes after the other
        if same := _started_with(access, idempotency_key):
            if (same.dataset_version_id, same.spec_yaml) != (dataset_version.pk, text):
                message = f"This key was used for {same} before, which has another spec or other data. Use a new one."
                raise Refused("idempotency_key_reused", message, status=409)
            return same
    require_ready(dataset_version)
    validated = read_spec(spec, dataset_version)
    files = files_of(validated, dataset_version, lock=True)
    model = destination(access=access, model=model, model_name=model_name)
    name = name.strip()[:MAX_NAME] or validated.experiment_name
    id = uuid7()  # noqa: A001  (the job and the run name each other)
    job = create_job(
        access=access,
        kind=Job.Kind.TRAIN,
        title=f"Train {name}",
        payload={"run": str(id)} | ({"silent": True} if silent else {}),
        time_limit_s=settings.JOB_MAX_SECONDS,
        priority=priority,
        runs_on=runs_on,
        idempotency_key=idempotency_key,
    )
    run = TrainingRun.across_tenants.create(
        id=id,
        project=access.project,
        number=_next_number(access.project),
        name=name,
        dataset_version=dataset_version,
        model=model,
        spec=validated.model_dump(mode="json"),
        spec_yaml=text,
        job=job,
        created_by=access.user,
        api_key=access.api_key,
    )
    RunFile.across_tenants.bulk_create(
        RunFile(project=access.project, run=run, path=named.path, sha256=named.sha256, file=named.file)
        for named in files
    )
    audit.record(access, "run.started", run, model=model.slug, dataset_version=str(dataset_version))
    return run


def require_ready(dataset_version: DatasetVersion) -> None:
    """Raise Refused `dataset_not_ready` for a version that nothing can learn from."""
    if dataset_version.state != DatasetVersion.State.READY:
        state = dataset_version.get_state_display().lower()
        message = f"{dataset_version} can't be trained on. Received: a version that is {state}. Accepted: a ready one."
        raise Refused("dataset_not_ready", message, details=[{"field": "dataset_version", "message": message}])


def destination(*, access: Access, model: RegisteredModel | None, model_name: str) -> RegisteredModel:
    """Where versions go: `model`, or a new one with the name. Raises Refused `model_missing` unless it is one of them,
    and what registering raises."""
    if (model is None) == (not model_name.strip()):
        message = "Say where the versions go: either an existing model, or the name of a new one. "
        message += "Received: neither." if model is None else "Received: both."
        raise Refused("model_missing", message, details=[{"field": "model", "message": message}])
    return _register(access, model_name) if model is None else model


def _register(access: Access, name: str) -> RegisteredModel:
    try:
        return register_model(access=access, name=name)
    except Refused as refused:
        details: list[Detail] = [{"field": "model_name", "message": detail["message"]} for detail in refused.details]
        raise Refused(refused.code, refused.message, details=details, status=refused.status) from None


def _started_with(access: Access, idempotency_key: str) -> TrainingRun | None:
    runs = access.query(TrainingRun).select_related("job", "model", "dataset_version")
    run: TrainingRun | None = runs.filter(job__idempotency_key=idempotency_key).first()
    return run


def _next_number(project: Project) -> int:
    """Numbers have no gap: the project's row is locked until the run is there."""
    project.lock()
    newest: int | None = TrainingRun.objects.for_project(project).aggregate(newest=Max("number"))["newest"]
    return (newest or 0) + 1
