"""A job's folder and the user who works in it: handed over before the work, looked through and removed after it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from apps.jobs.handlers import Folder


def hand_over(folder: Folder, uid: int | None) -> None:
    """Make everything in the folder belong to `uid`; None leaves it as it is. Links are not followed."""
    if uid is None:
        return
    for path in (folder.root, folder.in_, folder.out, folder.work):
        for name in (str(path), *(_everything(path) if path != folder.root else ())):
            if os.lstat(name).st_uid != uid:
                os.chown(name, uid, uid, follow_symlinks=False)


def _everything(top: Path) -> Iterator[str]:
    waiting = [str(top)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                yield entry.path
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)


def foreign_part(out: Path) -> str | None:
    """What lies in a child's results that the worker must not follow or wait for, in words; None if there is nothing.

    The worker reads these files with its own rights: a link would hand out whatever it points to.
    """
    for name in _everything(out):
        found = os.lstat(name)
        path = os.path.relpath(name, out)[:200]
        if stat.S_ISDIR(found.st_mode):
            continue
        if not stat.S_ISREG(found.st_mode):
            kind = "a link" if stat.S_ISLNK(found.st_mode) else "no plain file"
            return f"{path!r} is {kind}"
        if found.st_nlink > 1:
            return f"{path!r} is one of {found.st_nlink} names of a file"
    return None


def remove(top: Path) -> None:
    """Remove a folder whatever a child has made of it: closed folders, and folders in folders without end."""
    with suppress(OSError, RecursionError):
        shutil.rmtree(top)
    if top.exists():
        _remove_step_by_step(top)


def _remove_step_by_step(top: Path) -> None:
    """Go down and up by single steps, since a path of all of them may be longer than the system takes."""
    top.chmod(0o700)
    here = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    names: list[str] = []
    try:
        while True:
            if (inner := _empty_but_for_a_folder(here)) is not None:
                os.chmod(inner, 0o700, dir_fd=here)
                names.append(inner)
                step = os.open(inner, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            elif names:
                step = os.open("..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
                os.rmdir(names.pop(), dir_fd=step)
            else:
                break
            os.close(here)
            here = step
    finally:
        os.close(here)
    top.rmdir()


def _empty_but_for_a_folder(here: int) -> str | None:
    """Remove the files up to the first folder, and return its name; None: there is no folder left."""
    with os.scandir(here) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                return entry.name
            os.unlink(entry.name, dir_fd=here)
    return None
