"""Where an attempt works: `JOBS_DIR/<job>/<fencing token>/` with in/, out/ and work/."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from django.conf import settings

from apps.jobs.handlers import Folder
from apps.jobs.leases import Lease
from apps.jobs.models import Job
from apps.jobs.sandbox.folder import remove


def folder_of(job_id: UUID) -> Path:
    return Path(settings.JOBS_DIR) / str(job_id)


def make_folder(lease: Lease) -> Folder:
    """Make the attempt's folder. It takes over the newest `work` that an earlier attempt left on this machine.

    Taking over is a rename: should the earlier attempt's child still be at work, its paths lead nowhere from then on.
    """
    home = folder_of(lease.job_id)
    home.mkdir(parents=True, exist_ok=True)
    earlier = sorted((path for path in home.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    folder = Folder(home / str(lease.token))
    folder.root.mkdir(mode=0o700)
    for path in reversed(earlier):
        if (path / "work").is_dir() and not folder.work.exists():
            (path / "work").rename(folder.work)
        remove(path)
    for path in (folder.in_, folder.out, folder.work):
        path.mkdir(exist_ok=True)
    return folder


def remove_folder(job_id: UUID) -> None:
    remove(folder_of(job_id))


def remove_left_folders() -> None:
    """Housekeeping: remove the folders of jobs that are over, or gone, whose worker died before it could."""
    folders = {UUID(path.name): path for path in _job_folders()}
    waiting = Job.across_tenants.unfinished().filter(pk__in=folders).values_list("pk", flat=True)
    for job_id in set(folders) - set(waiting):
        remove_folder(job_id)


def _job_folders() -> list[Path]:
    home = Path(settings.JOBS_DIR)
    return [path for path in home.iterdir() if len(path.name) == 36] if home.is_dir() else []
