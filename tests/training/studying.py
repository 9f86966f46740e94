"""Studies whose trials are played: their jobs say and end what a test wants, without an engine."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.jobs.endings import end_cancelled, end_failed
from apps.jobs.events import NewEvent, append
from apps.jobs.models import Job, JobEvent
from apps.jobs.states import move
from apps.models.models import Artifact, ModelVersion
from apps.training.models import Study, TrainedModel, Trial
from apps.training.studies.advancing import advance

SPACE = {
    "hyperparameters.learning_rate": {"low": 0.0001, "high": 0.1, "log": True},
    "students[0].params.projections": {"low": 8, "high": 64, "step": 8},
    "students[0].params.bits": [4, 8, 12],
}


def trials_of(study: Study, **where: Any) -> list[Trial]:
    rows = Trial.across_tenants.filter(study=study, **where).select_related("run__job")
    return list(rows.order_by("number"))


def open_trials(study: Study) -> list[Trial]:
    return trials_of(study, state=Trial.State.OPEN)


def start(trial: Trial) -> Job:
    """A worker has taken its job."""
    job: Job = Job.across_tenants.get(pk=trial.run.job_id)
    if job.state == Job.State.QUEUED:
        with transaction.atomic():
            job.lease_expires_at = timezone.now() + timedelta(minutes=5)
            move(job, Job.State.RUNNING)
    return job


def measure(trial: Trial, step: int, **values: float) -> None:
    """Its job says what was measured on the validation split after `step` steps."""
    job = start(trial)
    named = {f"validation/student:bits/{name}": value for name, value in values.items()}
    with transaction.atomic():
        append(job, [NewEvent(JobEvent.Kind.METRICS, {"step": step, "values": {"student:bits/loss": 9.0, **named}})])


def succeed(trial: Trial, *, size: int = 1000, **figures: Any) -> None:
    """Its job ends well, with the file of its student and the figures of it on the validation split."""
    job, run = start(trial), trial.run
    assert run is not None
    number = ModelVersion.across_tenants.filter(model=run.model).count() + 1
    version = ModelVersion.across_tenants.create(
        project=run.project,
        model=run.model,
        number=number,
        origin="trained",
        label="bits",
        metrics={"validation": figures},
        made_by_job=job,
    )
    Artifact.across_tenants.create(
        project=run.project,
        version=version,
        kind=Artifact.Kind.TFLITE,
        filename="bits.tflite",
        storage_key=f"played/{version.pk}.tflite",
        bytes=size,
        sha256="0" * 64,
    )
    TrainedModel.across_tenants.create(project=run.project, run=run, role="student", spec_id="bits", version=version)
    with transaction.atomic():
        move(job, Job.State.SUCCEEDED)


def fail(trial: Trial, message: str = "The loss became infinite.") -> None:
    job = start(trial)
    with transaction.atomic():
        end_failed(job, "loss_not_finite", message, [])


def stop(trial: Trial) -> None:
    """Its worker has seen that its job is to be cancelled."""
    job = start(trial)
    with transaction.atomic():
        end_cancelled(job)


def play(study: Study, value_of: Any, *, rounds: int = 200) -> None:
    """Bring the study to its end: each trial succeeds with the accuracy that `value_of(params)` says."""
    for _ in range(rounds):
        advance(study.pk)
        study.refresh_from_db()
        waiting = open_trials(study)
        if not waiting:
            return
        for trial in waiting:
            succeed(trial, accuracy=value_of(trial.params))
    raise AssertionError(f"The study is still {study.state} after {rounds} rounds.")
