"""What a stopped job has done so far: its `work` folder as one file in the storage, so that any machine can go on.

The folder was written by an untrusted child. Only plain files and folders go into the archive, and nothing else comes
out of it.
"""

from __future__ import annotations

import logging
import os
import stat
import tarfile
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.jobs.handlers import Folder, keeps_work
from apps.jobs.leases import Lease
from apps.jobs.models import Job
from apps.projects.storage import storage

logger = logging.getLogger(__name__)

SWEEP_AT_ONCE = 500


@dataclass(frozen=True)
class SavedWork:
    """One archive in the storage."""

    key: str
    size: int


def save(lease: Lease, job: Job, folder: Folder) -> SavedWork | None:
    """Put the folder's work into the storage. None: the job keeps none, there is none, or it is too much to keep.

    Its child may be at work. Small files go first: they say which of the large ones count, and are replaced before
    these are deleted. Raises FileNotFoundError where one was deleted meanwhile.
    """
    if not keeps_work(job):
        return None
    sizes = {path: path.stat(follow_symlinks=False).st_size for path in _plain_files(folder.work)}
    files, size = sorted(sizes, key=sizes.__getitem__), sum(sizes.values())
    if not files or size > settings.JOB_SAVED_WORK_BYTES:
        return None
    saved = SavedWork(f"projects/{job.project_id}/jobs/{job.pk}/work-{lease.token}-{time.time_ns()}.tar", size)
    with tempfile.TemporaryDirectory(dir=folder.root) as place:
        archive = Path(place) / "work.tar"
        with tarfile.open(archive, "w") as tar:
            for path in files:
                tar.add(path, arcname=str(path.relative_to(folder.work)), recursive=False)
        storage().save_from(archive, saved.key)
    return saved


def restore(job: Job, folder: Folder) -> None:
    """Fill the folder's work with what was saved, unless an earlier attempt left its own on this machine.

    Work that can't be read any more is left alone: the job begins anew.
    """
    if not job.saved_work or any(folder.work.iterdir()):
        return
    with tempfile.TemporaryDirectory(dir=folder.root) as place:
        archive = Path(place) / "work.tar"
        try:
            storage().fetch_to(job.saved_work, archive)
            with tarfile.open(archive) as tar:
                tar.extractall(folder.work, filter="data")
        except (FileNotFoundError, tarfile.TarError):
            logger.exception("What job %s had saved can't be read; it begins anew.", job.pk)


def note(job: Job, saved: SavedWork | None) -> None:
    """Remember what was saved in place of what was before. Inside the transaction that has locked the job."""
    if saved is not None:
        forget(job)
        job.saved_work, job.saved_work_bytes = saved.key, saved.size


def forget(job: Job) -> None:
    """What was saved is needed no more; its file goes when the transaction commits. The caller saves the row."""
    key = job.saved_work
    if key:
        transaction.on_commit(lambda: storage().discard(key), robust=True)
    job.saved_work, job.saved_work_bytes = "", 0


def sweep() -> None:
    """Housekeeping: what was saved of jobs that ended long ago and were not resumed."""
    before = timezone.now() - timedelta(days=settings.JOB_SAVED_WORK_DAYS)
    left = Job.across_tenants.filter(finished_at__lt=before).exclude(saved_work="")
    for job_id in list(left.values_list("pk", flat=True)[:SWEEP_AT_ONCE]):
        with transaction.atomic():
            job = Job.across_tenants.locked().filter(pk=job_id, finished_at__lt=before).first()
            if job is not None:
                forget(job)
                job.save(update_fields=["saved_work", "saved_work_bytes"])


def _plain_files(top: Path) -> list[Path]:
    found = []
    for place, _, names in os.walk(top):  # which follows no links
        for name in names:
            path = Path(place) / name
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
                found.append(path)
    return found
