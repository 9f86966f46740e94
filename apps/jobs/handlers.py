"""What a kind of job does around its child process. Each app registers its handlers in its AppConfig.ready."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from apps.errors import Detail
from apps.jobs.models import Job


@dataclass(frozen=True)
class Folder:
    """A job's folder on the worker: `in_` is read-only to the child, it writes to `out` and `work`."""

    root: Path

    @property
    def in_(self) -> Path:
        return self.root / "in"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def work(self) -> Path:
        return self.root / "work"


class JobHandler(Protocol):
    """One kind of job. Every method runs in the worker; none may import TensorFlow."""

    def prepare(self, job: Job, folder: Folder) -> list[str]:
        """Lay out `folder.in_` and return the arguments of `python -m ml` (the runner adds `--events`)."""
        ...

    def store(self, job: Job, folder: Folder, result: dict[str, Any]) -> Any:
        """Put the files of a finished child into the storage, outside any transaction; return what `accept` needs.

        Keys must contain the job's fencing token, so that two runs of one job never write the same file.
        """
        ...

    def accept(self, job: Job, result: dict[str, Any], stored: Any) -> dict[str, Any]:
        """Make the rows, inside the transaction that ends the job; return the job's result (small JSON)."""
        ...

    def discard(self, job: Job, stored: Any) -> None:
        """Delete what `store` wrote, because `accept` did not happen."""
        ...

    def fail(self, job: Job, code: str, message: str, details: list[Detail]) -> None:
        """Note a failed or cancelled job on the rows that wait for it, inside the transaction that ends the job."""
        ...


_handlers: dict[str, JobHandler] = {}


def register(kind: Job.Kind, handler: JobHandler) -> None:
    _handlers[kind] = handler


def handler_of(job: Job) -> JobHandler:
    return _handlers[job.kind]
