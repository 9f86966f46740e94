"""A training whose accuracy is ten times its learning rate. One that is above 5 takes a minute at its first attempt."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

from apps.errors import Detail
from apps.jobs.handlers import Folder
from apps.jobs.models import Job
from apps.models.models import Artifact, ModelVersion
from apps.training.models import TrainedModel

STEPS = 3000


class PlayedTraining:
    def prepare(self, job: Job, folder: Folder) -> list[str]:
        accuracy = self._accuracy(job)
        steps: list[list[Any]] = [["log", "info", f"run by process {os.getpid()} of {os.environ.get('PLAYED_AT', '')}"]]
        for part in range(1, 21):
            steps.append(["metrics", part * STEPS // 20, {"validation/student:small/accuracy": accuracy}])
        if accuracy > 5:
            steps.append(["once", [["sleep", 60]]])
        steps.append(["result", {"models": []}])
        return ["play", "--out", str(folder.out), "--work", str(folder.work), "--steps", json.dumps(steps)]

    def store(self, job: Job, folder: Folder, result: dict[str, Any]) -> None:
        return None

    def accept(self, job: Job, result: dict[str, Any], stored: None) -> dict[str, Any]:
        run = job.training_run
        version = ModelVersion.across_tenants.create(
            project=run.project,
            model=run.model,
            number=100 + run.number,
            origin="trained",
            label="small",
            metrics={"validation": {"accuracy": self._accuracy(job)}},
            made_by_job=job,
        )
        Artifact.across_tenants.create(
            project=run.project,
            version=version,
            kind=Artifact.Kind.TFLITE,
            filename="small.tflite",
            storage_key=f"played/{version.pk}",
            bytes=1000,
            sha256="0" * 64,
        )
        TrainedModel.across_tenants.create(
            project=run.project, run=run, role="student", spec_id="small", version=version
        )
        return {"at": socket.gethostname()}

    def discard(self, job: Job, stored: None) -> None:
        pass

    def fail(self, job: Job, code: str, message: str, details: list[Detail]) -> None:
        pass

    def _accuracy(self, job: Job) -> float:
        return float(10 * job.training_run.spec["hyperparameters"]["learning_rate"])
