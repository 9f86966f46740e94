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
from apps.training.tensorboard.events import LAST_STEP, first_event, restart_event, scalars_event

logger = logging.getLogger(__name__)

# Its name comes before those that the engine gives, so what is in an archive is read after it.
SCALARS = "events.out.tfevents.0000000000.bantam"
EVENTS_AT_ONCE = 20_000
# When what went wrong with a run is tried again: after this, then after twice as long each time.
RETRY_S, LONGEST_RETRY_S = 10.0, 600.0


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
    `whole`: runs whose archive is there, which nothing follows, or of no use; `bytes`: of archives.

    `failures`: of runs that could not be added, how often in a row, and until when (time.monotonic) they are let be.
    """

    after: dict[UUID, int] = field(default_factory=dict)
    steps: dict[UUID, int] = field(default_factory=dict)
    whole: set[UUID] = field(default_factory=set)
    bytes: int = 0
    failures: dict[UUID, tuple[int, float]] = field(default_factory=dict)

    def lets_be(self, run: UUID) -> bool:
        return time.monotonic() < self.failures.get(run, (0, 0.0))[1]

    def note_failure(self, run: UUID) -> None:
        count, _ = self.failures.get(run, (0, 0.0))
        wait_s = min(RETRY_S * 2 ** min(count, 10), LONGEST_RETRY_S)
        self.failures[run] = (count + 1, time.monotonic() + wait_s)


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
        if run.pk in laid.whole or laid.lets_be(run.pk):
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
    """Write them. What goes wrong with one is logged and leaves the others; it is tried again later, unless its
    archive is gone or is not what was stored."""
    for addition in additions:
        run = addition.run
        if run in laid.whole or laid.lets_be(run) or laid.after.get(run, 0) != addition.since:
            continue  # somebody else looked at the same time, and it is there by now, or failed
        target = folder.in_ / addition.folder
        try:
            if addition.archive is None:
                _add_rows(addition, target, laid)
            else:
                _add_archive(run, addition.archive, target, folder.root, laid)
        except Exception:
            logger.exception("The logs of run %s for TensorBoard could not be added.", run)
            laid.note_failure(run)
        else:
            laid.failures.pop(run, None)


def _add_archive(run: UUID, archive: archives.Archive, target: Path, temporary: Path, laid: Laid) -> None:
    def forget_scalars() -> None:  # its own event files say everything again
        if run in laid.steps:
            _append(target / SCALARS, restart_event(0, time.time()))

    target.mkdir(exist_ok=True)
    try:
        archives.unpack(archive, target, temporary, before=forget_scalars)
        laid.bytes += archive.size
    except (FileNotFoundError, ValueError, tarfile.TarError):
        logger.exception("The logs of run %s for TensorBoard can't be read.", run)
    _readable(target)
    laid.whole.add(run)


def _add_rows(addition: Addition, target: Path, laid: Laid) -> None:
    rows = [(at, int(data["step"]), data["values"]) for at, data in addition.rows if 0 <= data["step"] <= LAST_STEP]
    if rows:
        target.mkdir(mode=0o755, exist_ok=True)
        file = target / SCALARS
        written = [] if file.exists() else [first_event(rows[0][0])]
        last = laid.steps.get(addition.run, -1)
        for at, step, values in rows:
            if step <= last:  # a resumed run goes on from its last checkpoint
                written.append(restart_event(step, at))
            written.append(scalars_event(step, at, values))
            last = step
        _append(file, b"".join(written))
        laid.steps[addition.run] = last
    laid.after[addition.run] = addition.until


def _append(file: Path, data: bytes) -> None:
    with file.open("ab") as opened:
        opened.write(data)
    file.chmod(0o644)


def _readable(top: Path) -> None:
    """For the user whom the sandbox may run as."""
    top.chmod(0o755)
    for path in top.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
