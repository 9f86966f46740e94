"""A kind of job for tests: its child is the engine, or what pretends to be it, with one file and arguments as given."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from apps.errors import Detail
from apps.jobs.handlers import Folder
from apps.jobs.models import Job

HOSTILE_ENGINE = Path(__file__).parent / "engine"


class HostileHandler:
    """`payload`: {"arguments": […], "files": {name in `in`: path}}; {in}, {out}, {work} stand for the folders."""

    def prepare(self, job: Job, folder: Folder) -> list[str]:
        for name, source in job.payload["files"].items():
            if Path(source).is_dir():
                shutil.copytree(source, folder.in_ / name)
            else:
                shutil.copyfile(source, folder.in_ / name)
        folders = {"in": folder.in_, "out": folder.out, "work": folder.work}
        return [argument.format(**folders) for argument in job.payload["arguments"]]

    def store(self, job: Job, folder: Folder, result: dict[str, Any]) -> None:
        return None

    def accept(self, job: Job, result: dict[str, Any], stored: None) -> dict[str, Any]:
        return {name: result[name] for name in ("ok", "problems") if name in result}

    def discard(self, job: Job, stored: None) -> None:
        return None

    def fail(self, job: Job, code: str, message: str, details: list[Detail]) -> None:
        return None
