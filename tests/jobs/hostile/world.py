"""What must not be touched while hostile work runs: files, a listening port, this process. And how to run such work."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from PIL import Image

from apps.jobs import child, handlers
from apps.jobs.models import Job
from apps.jobs.services import create_job
from apps.jobs.worker import run_job
from apps.projects.access import Access
from config.limits import DEFAULTS
from tests.jobs.hostile.corpus import LEFT_BY_A_PICKLE, Attack, HostileFile
from tests.jobs.hostile.handler import HOSTILE_ENGINE, HostileHandler
from tests.jobs.processes import processes_of, until

ENGINE = settings.BASE_DIR / "platform"
# Enough for a TensorFlow, little enough that no attack needs long.
LIMITS = {"memory_mb": 3000, "disk_mb": 500, "files": 5000, "processes": 400}
CANARY = "untouched"


@dataclass
class World:
    """`outside` lies beside the jobs' folders; `seconds` is how long each job took."""

    access: Access
    outside: Path
    tcp: socket.socket
    unix: socket.socket
    seconds: dict[str, float] = field(default_factory=dict)

    def attack(self, attack: Attack) -> Job:
        folders = [f"--{name}={{{name}}}" for name in ("out", "work")]
        about = [*folders, "--given={in}", f"--outside={self.outside}", f"--port={self.tcp.getsockname()[1]}"]
        arguments = ["attack", attack.name, *about, f"--worker={os.getpid()}"]
        limits = {**LIMITS, **attack.limits}
        return self.run(HOSTILE_ENGINE, attack.name, attack.make(), arguments, limits, attack.time_limit_s)

    def open(self, file: HostileFile, **more: str) -> Job:
        arguments = [argument.replace("{file}", f"{{in}}/{file.name}") for argument in file.arguments]
        return self.run(ENGINE, file.name, file.make(), arguments, LIMITS, 120, **more)

    def run(
        self,
        engine: Path,
        name: str,
        content: bytes,
        arguments: list[str],
        limits: dict[str, int],
        time_limit_s: int = 60,
        **more: str,
    ) -> Job:
        """Run the child as a job in this process, which is its worker, and return what became of the job."""
        source = self.outside / "source"
        source.write_bytes(content)
        payload: dict[str, Any] = {"arguments": arguments, "files": {name if "." in name else "file": str(source)}}
        payload["files"] |= more
        before = child.ENGINE_PATH, settings.JOB_LIMITS, handlers._handlers.get(Job.Kind.CHECK)
        child.ENGINE_PATH = engine
        settings.JOB_LIMITS = {key: {**DEFAULTS[key], **_every(limits.get(key))} for key in DEFAULTS}
        handlers._handlers[Job.Kind.CHECK] = HostileHandler()
        try:
            job = create_job(
                access=self.access, kind=Job.Kind.CHECK, title=name, payload=payload, time_limit_s=time_limit_s
            )
            started = time.monotonic()
            run_job(str(job.pk))
            self.seconds[name] = time.monotonic() - started
        finally:
            child.ENGINE_PATH, settings.JOB_LIMITS, handler = before
            if handler is not None:
                handlers._handlers[Job.Kind.CHECK] = handler
        job.refresh_from_db()
        return job

    def check(self, job: Job) -> None:
        """Nothing outside was touched, nobody was reached, nothing is left of the job. Raises AssertionError."""
        canary = self.outside / "canary"
        status = canary.stat()
        assert (canary.read_text(), status.st_mode & 0o777, status.st_mtime > 1) == (CANARY, 0o644, True)
        names = {path.name for path in self.outside.iterdir()}
        assert names <= {"canary", "secret", "socket", "source"}
        assert not Path(LEFT_BY_A_PICKLE).exists()
        for listener in (self.tcp, self.unix):
            try:
                listener.accept()
            except BlockingIOError:
                continue
            raise AssertionError(f"Somebody connected to {listener.getsockname()}.")
        until(lambda: not processes_of(str(job.pk)), "the job's processes to end", 5)
        assert not (Path(settings.JOBS_DIR) / str(job.pk)).exists()


def _every(value: int | None) -> dict[str, int]:
    return {} if value is None else {"every": value}


@contextmanager
def world(access: Access) -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="outside-", dir=settings.DATA_DIR) as name:
        outside = Path(name)
        outside.chmod(0o755)
        (outside / "secret").write_text("secret")
        (outside / "canary").write_text(CANARY)
        for path in (outside / "secret", outside / "canary"):
            path.chmod(0o644)
        # A socket's path must be short; the folder is opened to give it one.
        with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
            folder = os.open(outside, os.O_PATH)
            try:
                unix.bind(f"/proc/self/fd/{folder}/socket")
            finally:
                os.close(folder)
            unix.listen()
            tcp.setblocking(False)
            unix.setblocking(False)
            yield World(access, outside, tcp, unix)


def train_folder(folder: Path, model: str) -> dict[str, str]:
    """A small dataset, and a spec whose trainer is the uploaded file `model`, as more files for a job."""
    with zipfile.ZipFile(folder / "data.zip", "w") as archive:
        for label, shade in (("dark", 20), ("light", 220)):
            for index in range(12):
                picture = io.BytesIO()
                Image.new("L", (8, 8), shade + index).save(picture, "PNG")
                archive.writestr(f"{label}/{index}.png", picture.getvalue())
    arguments = ["--source", folder / "data.zip", "--out", folder / "dataset", "--work", folder / "importing"]
    command = [sys.executable, "-m", "ml", "import", *map(str, arguments)]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ENGINE)}, check=True, capture_output=True)
    spec = {
        "experiment_name": "hostile",
        "task": {"type": "classification", "num_classes": 2},
        "features": [{"name": "image", "type": "image", "shape": [8, 8, 1]}],
        "hyperparameters": {"steps": 2, "batch_size": 4},
        "trainer": {
            "id": "trainer",
            "model_type": "saved_model",
            "params": {"path": model},
            "freeze_model_from_checkpoint": False,
        },
        "students": [{"id": "small", "model_type": "projection", "params": {"projections": 8, "bits": 4}}],
    }
    (folder / "spec.json").write_text(json.dumps(spec))
    return {"spec.json": str(folder / "spec.json"), "dataset": str(folder / "dataset")}
