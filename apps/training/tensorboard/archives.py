"""The event files of a run as one file in the storage. A job wrote them, so nothing of them is taken on trust."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.jobs.handlers import Folder
from apps.jobs.models import Job
from apps.models.files import trained_files_prefix
from apps.projects.storage import storage

# Where the engine writes them, below `out`.
FOLDER = "tensorboard"
# The event file, the projector's points, labels and pictures of each student; a name that can be nothing but a name.
MOST_FILES, MOST_NESTED = 1000, 4
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._ -]{0,120}")


@dataclass(frozen=True)
class Archive:
    """`size` is that of the files in it, in bytes."""

    key: str
    size: int
    sha256: str


class TooLargeError(Exception):
    """The message says how large they are, and what is accepted."""


def store(folder: Folder, prefix: str) -> Archive | None:
    """Put what the engine wrote for TensorBoard into the storage, below `prefix`; None: it wrote nothing.

    Raises TooLargeError.
    """
    top = folder.out / FOLDER
    files = _plain_files(top)
    size = sum(path.stat().st_size for path in files)
    if not files:
        return None
    if size > settings.TENSORBOARD_LOG_BYTES or len(files) > MOST_FILES:
        raise TooLargeError(
            f"The logs for TensorBoard were not kept: {len(files):,} files of {size:,} bytes together. Accepted: "
            f"{MOST_FILES:,} files of {settings.TENSORBOARD_LOG_BYTES:,} bytes (TENSORBOARD_LOG_MB). TensorBoard "
            "shows the scalars of this run, without histograms, graph and projector."
        )
    with tempfile.TemporaryDirectory(dir=folder.root) as place:
        packed = Path(place) / "logs.tar.gz"
        with tarfile.open(packed, "w:gz", compresslevel=6) as tar:
            for path in files:
                tar.add(path, arcname=path.relative_to(top).as_posix(), recursive=False)
        with packed.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        archive = Archive(f"{prefix}/{FOLDER}.tar.gz", size, sha256)
        storage().save_from(packed, archive.key)
    return archive


def noted(archive: Archive | None) -> dict[str, Any] | None:
    """What the job's result says about it."""
    return {"bytes": archive.size, "sha256": archive.sha256} if archive else None


def of(job: Job) -> Archive | None:
    """What `noted` has said; None where nothing was kept."""
    found = (job.result or {}).get(FOLDER)
    if not found:
        return None
    key = f"{trained_files_prefix(job, job.fencing_token)}/{FOLDER}.tar.gz"
    return Archive(key, int(found["bytes"]), str(found["sha256"]))


def unpack(archive: Archive, target: Path, temporary: Path, *, before: Callable[[], None] = lambda: None) -> None:
    """Add what is in `archive` to the folder `target`; `before` is called when all is there to be added. Raises
    FileNotFoundError, ValueError or tarfile.TarError where it is not what was stored; nothing was added then."""
    with tempfile.TemporaryDirectory(dir=temporary) as place:
        packed, files = Path(place) / "logs.tar.gz", Path(place) / "files"
        if storage().fetch_to(archive.key, packed) != archive.sha256:
            raise ValueError(f"{archive.key} has changed in the storage since it was made.")
        with tarfile.open(packed) as tar:
            members = [member for member in tar if member.isreg() and _is_fine(member.name)]
            if sum(member.size for member in members) > archive.size or len(members) > MOST_FILES:
                raise ValueError(f"{archive.key} holds more than was recorded.")
            tar.extractall(files, members, filter="data")
        before()
        for path in _plain_files(files):
            moved = target / path.relative_to(files)
            moved.parent.mkdir(parents=True, exist_ok=True)
            path.replace(moved)


def _is_fine(name: str) -> bool:
    parts = name.split("/")
    return len(parts) <= MOST_NESTED and all(_NAME.fullmatch(part) for part in parts)


def _plain_files(top: Path) -> list[Path]:
    found = []
    for place, _, names in os.walk(top):  # which follows no links
        for name in names:
            path = Path(place) / name
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and _is_fine(path.relative_to(top).as_posix()):
                found.append(path)
    return sorted(found)
