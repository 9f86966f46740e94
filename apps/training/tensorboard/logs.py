"""The folder that a TensorBoard reads: `<run number>-<name>/` for each run, filled while it is looked at.

A run that has ended well left its event files in the storage. Of any other, one that is still at work too, the database
has the scalars.
"""

from __future__ import annotations

import logging
import re
import tarfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from apps.jobs.handlers import Folder
from apps.jobs.models import JobEvent
from apps.projects.access import Access
from apps.training.models import TrainingRun
from apps.training.tensorboard import archives
from apps.training.tensorboard.events import first_event, restart_event, scalars_event

logger = logging.getLogger(__name__)

# Its name comes before those that the engine gives, so what is in an archive is read after it.
SCALARS = "events.out.tfevents.0000000000.bantam"
EVENTS_AT_ONCE = 20_000


@dataclass
class Addition:
    """What to add to the folder of one run: the archive, or the scalars of the `rows` (time, data) that follow the
    event `since`, up to the event `until`."""

    run: UUID
    folder: str
    archive: archives.Archive | None
    since: int
    until: int
    rows: list[tuple[float, dict[str, Any]]] = field(default_factory=list)


@dataclass
class Laid:
    """What lies in the folder already. `after`: the last event of each run that is there, `steps` its step;
    `whole`: runs whose archive is there, which nothing follows; `bytes`: of archives."""

    after: dict[UUID, int] = field(default_factory=dict)
    steps: dict[UUID, int] = field(default_factory=dict)
    whole: set[UUID] = field(default_factory=set)
    bytes: int = 0


def folder_name(run: TrainingRun) -> str:
    """What TensorBoard calls the run."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", run.name).strip("-.")[:60]
    return f"{run.number}-{name}" if name else str(run.number)


def missing(access: Access, laid: Laid, first: TrainingRun | None = None) -> list[Addition]:
    """What the newest runs of the project, and `first` before them, have that is not in the folder. Two queries."""
    newest = access.query(TrainingRun).select_related("job").only("number", "name", "job", *_OF_JOB).order_by("-id")
    runs = {run.pk: run for run in [*([first] if first else []), *newest[: settings.TENSORBOARD_RUNS]]}
    additions: dict[UUID, Addition] = {}
    room = settings.TENSORBOARD_FOLDER_BYTES - laid.bytes
    wanted = Q()
    for run in runs.values():
        if run.pk in laid.whole:
            continue
        since = laid.after.get(run.pk, 0)
        archive = archives.of(run.job)
        if archive is not None and archive.size <= room:
            room -= archive.size
            additions[run.job_id] = Addition(run.pk, folder_name(run), archive, since, 0)
        elif run.job.last_sequence > since:
            wanted |= Q(job=run.job_id, sequence__gt=since)
            additions[run.job_id] = Addition(run.pk, folder_name(run), None, since, run.job.last_sequence)
    if wanted:
        metrics = access.query(JobEvent).filter(wanted, kind=JobEvent.Kind.METRICS).order_by("job", "sequence")
        rows = list(metrics.values_list("job", "sequence", "created_at", "data")[:EVENTS_AT_ONCE])
        for job, _, at, data in rows:
            additions[job].rows.append((at.timestamp(), data))
        if len(rows) == EVENTS_AT_ONCE:  # the rest comes with the next ones
            *_, (job, sequence, _, _) = rows
            additions[job].until = sequence
            read = {row[0] for row in rows}
            return [addition for job, addition in additions.items() if addition.archive or job in read]
    return list(additions.values())


_OF_JOB = ("job__project", "job__result", "job__fencing_token", "job__last_sequence")


def add(additions: Iterable[Addition], folder: Folder, laid: Laid) -> None:
    """Write them. What can't be read any more is left out and logged."""
    for addition in additions:
        if addition.run in laid.whole or laid.after.get(addition.run, 0) != addition.since:
            continue  # somebody else looked at the same time, and it is there by now
        target = folder.in_ / addition.folder
        if addition.archive is None:
            _add_rows(addition, target, laid)
            continue
        target.mkdir(exist_ok=True)
        laid.whole.add(addition.run)
        try:
            if addition.run in laid.steps:  # its own event files say everything again
                _append(target / SCALARS, restart_event(0, time.time()))
            archives.unpack(addition.archive, target, folder.root)
            laid.bytes += addition.archive.size
        except (FileNotFoundError, ValueError, tarfile.TarError):
            logger.exception("The logs of run %s for TensorBoard can't be read.", addition.run)
        _readable(target)


def _add_rows(addition: Addition, target: Path, laid: Laid) -> None:
    laid.after[addition.run] = addition.until
    if not addition.rows:
        return
    target.mkdir(mode=0o755, exist_ok=True)
    file = target / SCALARS
    written = [] if file.exists() else [first_event(addition.rows[0][0])]
    last = laid.steps.get(addition.run, -1)
    for at, data in addition.rows:
        step = int(data["step"])
        if step <= last:  # a resumed run goes on from its last checkpoint
            written.append(restart_event(step, at))
        written.append(scalars_event(step, at, data["values"]))
        last = step
    _append(file, b"".join(written))
    laid.steps[addition.run] = last


def _append(file: Path, data: bytes) -> None:
    with file.open("ab") as opened:
        opened.write(data)
    file.chmod(0o644)


def _readable(top: Path) -> None:
    """For the user whom the sandbox may run as."""
    top.chmod(0o755)
    for path in top.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
