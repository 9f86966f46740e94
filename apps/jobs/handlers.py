"""What a kind of job does around its child process. Each app registers its handlers in its AppConfig.ready."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from apps.errors import Detail
from apps.jobs.models import Job
from apps.projects.access import Access


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
        """Survives from one attempt to the next on the same machine: checkpoints belong here."""
        return self.root / "work"


class JobHandler(Protocol):
    """One kind of job. None of its methods may import TensorFlow; all but `fail` run in the worker only.

    `Refused` raised by `prepare`, `store` or `accept` fails the job with its code and message, for good: it is the
    user's to mend. Any other exception counts as a fault of the machine, and the job is tried again.
    """

    def prepare(self, job: Job, folder: Folder) -> list[str]:
        """Lay out `folder.in_` and return the arguments of `python -m ml` (the runner adds `--events`)."""
        ...

    def store(self, job: Job, folder: Folder, result: dict[str, Any]) -> Any:
        """Put the files of a finished child into the storage, outside any transaction; return what `accept` needs.

        Keys must contain the job's fencing token, so that two runs of one job never write the same file. Where it
        raises, it has deleted what it had written: `discard` is not called, nothing was returned yet.
        """
        ...

    def accept(self, job: Job, result: dict[str, Any], stored: Any) -> dict[str, Any]:
        """Make the rows, inside the transaction that ends the job; return the job's result (small JSON)."""
        ...

    def discard(self, job: Job, stored: Any) -> None:
        """Delete what `store` wrote, because `accept` did not happen."""
        ...

    def fail(self, job: Job, code: str, message: str, details: list[Detail]) -> None:
        """Note a failed or cancelled job on the rows that wait for it, inside the transaction that ends the job.

        Runs in the web process too, when somebody cancels a waiting job.
        """
        ...


@dataclass(frozen=True)
class Link:
    """Where a person goes on from a job: the page of what it made or serves."""

    label: str
    url: str


LinkOf = Callable[[Job, Access], Link | None]

_handlers: dict[str, JobHandler] = {}
_links: dict[str, LinkOf] = {}
_keeping: set[str] = set()


def register(kind: Job.Kind, handler: JobHandler, *, link: LinkOf | None = None, keeps_work: bool = False) -> None:
    """Say who handles jobs of `kind`, and, with `link`, which page the job's page leads on to.

    `keeps_work`: its child goes on from what it left in `work`, and a job that ended badly can be run again.
    """
    _handlers[kind] = handler
    (_keeping.add if keeps_work else _keeping.discard)(kind)
    if link is not None:
        _links[kind] = link


def handler_of(job: Job) -> JobHandler:
    try:
        return _handlers[job.kind]
    except KeyError:
        known = ", ".join(sorted(_handlers)) or "none"
        raise LookupError(f"No handler is registered for jobs of the kind {job.kind!r}. Registered: {known}.") from None


def keeps_work(job: Job) -> bool:
    """Whether a job of this kind can go on from the `work` folder that it left."""
    return job.kind in _keeping


def link_of(job: Job, access: Access) -> Link | None:
    link = _links.get(job.kind)
    return link(job, access) if link else None
