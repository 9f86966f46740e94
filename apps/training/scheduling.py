"""What schedules can start here: the training of an earlier run, with the same spec, on newer data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django import forms
from django.urls import reverse

from apps.datasets.models import DatasetVersion
from apps.errors import Refused
from apps.jobs.models import Job
from apps.jobs.schedules.starting import Startable, Subject
from apps.projects.access import Access
from apps.training.models import TrainingRun
from apps.training.services import start_run

NEWEST, SAME = "newest", "same"
DATA = [(NEWEST, "The newest version of its dataset that is ready"), (SAME, "The same version")]


def describe(access: Access, payload: dict[str, Any]) -> Subject:
    """Raises Refused: `payload_invalid`, `run_unknown`."""
    wrong = {"run", "data"} ^ set(payload) or ({"data"} if payload["data"] not in {NEWEST, SAME} else set())
    if wrong:
        accepted = f"run, the id of a training run, and data: {NEWEST} or {SAME}"
        raise _refused("payload_invalid", sorted(wrong), f"Received: {_shown(payload)}. Accepted: {accepted}.")
    run = _run(access, payload)
    dataset = run.dataset_version.dataset
    data = f"the newest version of {dataset}" if payload["data"] == NEWEST else run.dataset_version
    return Subject(f"Train {run.name}", f"Run {run.number}, {run.name}, on {data}", {**payload, "run": str(run.pk)})


def start(access: Access, payload: dict[str, Any], key: str | None) -> Job:
    """Start the run again: same spec and model. Raises Refused as `start_run`, or `run_unknown`, `no_ready_version`."""
    run = _run(access, payload)
    version = run.dataset_version
    if payload["data"] == NEWEST:
        ready = access.query(DatasetVersion).ready().filter(dataset=version.dataset_id).select_related("dataset")
        version = ready.order_by("-number").first()
        if version is None:
            message = f"No version of {run.dataset_version.dataset} is ready. Import data again."
            raise Refused("no_ready_version", message, status=409)
    job: Job = start_run(
        access=access,
        dataset_version=version,
        spec=run.spec_yaml,
        model=run.model,
        name=run.name,
        idempotency_key=key,
    ).job
    return job


def url(access: Access, payload: dict[str, Any]) -> str:
    return reverse("run", args=[access.organization.slug, access.project.slug, payload["run"]])


def _run(access: Access, payload: dict[str, Any]) -> TrainingRun:
    try:
        pk = UUID(str(payload["run"]))
    except ValueError:
        pk = None
    run: TrainingRun | None = None
    if pk is not None:
        joined = access.query(TrainingRun).select_related("model", "dataset_version__dataset", "project")
        run = joined.filter(pk=pk).first()
    if run is None:
        received = "nothing" if payload["run"] in {None, ""} else repr(str(payload["run"])[:50])
        raise _refused("run_unknown", ["run"], f"No training run of this project has this id. Received: {received}.")
    return run


def _shown(payload: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in sorted(payload.items()))[:200] or "nothing"


def _refused(code: str, keys: Iterable[str], message: str) -> Refused:
    return Refused(code, message, details=[{"field": f"payload.{key}", "message": message} for key in keys])


TRAIN = Startable(
    name="train",
    label="Train again",
    fields={
        "run": forms.CharField(max_length=36, widget=forms.HiddenInput),
        "data": forms.ChoiceField(choices=DATA, label="Data", widget=forms.RadioSelect, initial=NEWEST),
    },
    describe=describe,
    start=start,
    url=url,
)
