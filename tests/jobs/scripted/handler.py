"""A kind of job for tests: its child plays the payload's script, its handler keeps files and makes rows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.errors import Detail, Refused
from apps.jobs.handlers import Folder, Link
from apps.jobs.models import Job
from apps.projects import audit
from apps.projects.access import Access

FAKE_ENGINE = Path(__file__).resolve().parents[1] / "fake_engine"


def stored_files(job: Job) -> list[str]:
    """Names of what lies in the stand-in for the storage."""
    home = Path(settings.DATA_DIR) / "stored" / str(job.pk)
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


def stored_file(job: Job, name: str) -> Path:
    [path] = (Path(settings.DATA_DIR) / "stored" / str(job.pk)).glob(f"*/{name}")
    return path


class ScriptedHandler:
    """`payload`: {"steps": [[word, value …] …]}, and `trip`: the name of the method that is to raise."""

    def prepare(self, job: Job, folder: Folder) -> list[str]:
        self._trip(job, "prepare")
        (folder.in_ / "title").write_text(job.title)
        steps = json.dumps(job.payload["steps"])
        return ["play", "--out", str(folder.out), "--work", str(folder.work), "--steps", steps]

    def store(self, job: Job, folder: Folder, result: dict[str, Any]) -> Path:
        self._trip(job, "store")
        home = Path(settings.DATA_DIR) / "stored" / str(job.pk) / str(job.fencing_token)
        shutil.copytree(folder.out, home)
        return home

    def accept(self, job: Job, result: dict[str, Any], stored: Path) -> dict[str, Any]:
        audit.record_for(job.project.organization, "test.accepted", job, project=job.project, token=job.fencing_token)
        self._trip(job, "accept")
        return {"answer": result["answer"]}

    def discard(self, job: Job, stored: Path) -> None:
        shutil.rmtree(stored)

    def fail(self, job: Job, code: str, message: str, details: list[Detail]) -> None:
        audit.record_for(job.project.organization, "test.failed", job, project=job.project, code=code)
        self._trip(job, "fail")

    def _trip(self, job: Job, where: str) -> None:
        if job.payload.get("trip") == where:
            raise RuntimeError(f"{where} trips")
        if job.payload.get("refuse") == where:
            raise Refused("too_big", "Too big. Received: 3. Accepted: 2.", details=[{"field": "size", "message": "3"}])


def link(job: Job, access: Access) -> Link | None:
    return Link("What it made", "/made/") if job.state == Job.State.SUCCEEDED else None
