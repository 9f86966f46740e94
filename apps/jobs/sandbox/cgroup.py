"""A control group for each job (cgroup v2), where the worker may make one: exact limits of memory and tasks.

The worker needs a group that it may write to and that hands the controllers on: one that `SANDBOX_CGROUP` names, or its
own, or the one above (systemd: Delegate=yes with DelegateSubgroup=). Linux, Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from django.conf import settings

from apps.jobs.sandbox.limits import Limits

CONTROLLERS = ("memory", "pids")
PREFIX = "bantam-job-"


class Group:
    """A job's group. As long as `procs` is open, a process that writes "0" there joins it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.procs = os.open(path / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)

    def limit(self, limits: Limits) -> None:
        (self.path / "memory.max").write_text(str(limits.memory_bytes))
        (self.path / "pids.max").write_text(str(limits.tasks + 2))
        for name, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
            with suppress(OSError):  # without swap there is no such file
                (self.path / name).write_text(value)

    @property
    def ran_out_of_memory(self) -> bool:
        return self._count("memory.events", "oom_kill") > 0

    @property
    def ran_out_of_tasks(self) -> bool:
        return self._count("pids.events", "max") > 0

    def _count(self, file: str, name: str) -> int:
        try:
            found = re.search(rf"^{name} (\d+)$", (self.path / file).read_text(), re.MULTILINE)
        except OSError:
            return 0
        return int(found[1]) if found else 0

    def close(self) -> None:
        """End what is still in the group, and remove it; the next worker removes what the kernel lets go late."""
        os.close(self.procs)
        with suppress(OSError):
            (self.path / "cgroup.kill").write_text("1")
        for _ in range(20):
            try:
                self.path.rmdir()
                break
            except OSError:
                time.sleep(0.05)


@contextmanager
def group(limits: Limits) -> Iterator[Group | None]:
    """A group with these limits while the context is open; None where there can be none."""
    home = parent()
    if home is None:
        yield None
        return
    path = home / f"{PREFIX}{os.getpid()}-{uuid.uuid4().hex[:8]}"
    path.mkdir()
    made = Group(path)
    try:
        made.limit(limits)
        yield made
    finally:
        made.close()


@cache
def parent() -> Path | None:
    """The group to make groups in; None where none can be made or what is made there has no controllers."""
    for path in _candidates():
        try:
            _hand_on_controllers(path)
            _remove_left(path)
            probe = path / f"{PREFIX}probe-{os.getpid()}"
            probe.mkdir()
            try:
                if all((probe / f"{name}.max").exists() for name in CONTROLLERS):
                    os.close(os.open(probe / "cgroup.procs", os.O_WRONLY))
                    return path
            finally:
                probe.rmdir()
        except OSError:
            continue
    return None


def _candidates() -> Iterator[Path]:
    if settings.SANDBOX_CGROUP:
        yield Path(settings.SANDBOX_CGROUP)
        return
    try:
        mounts = Path("/proc/self/mountinfo").read_text()
        groups = Path("/proc/self/cgroup").read_text()
    except OSError:
        return
    mount = re.search(r"^\S+ \S+ \S+ (\S+) (\S+) .* - cgroup2 ", mounts, re.MULTILINE)
    own = re.search(r"^0::(.*)$", groups, re.MULTILINE)
    if mount is None or own is None:
        return
    path = Path(mount[2]) / own[1].lstrip("/")
    yield path
    if path != Path(mount[2]):
        yield path.parent


def _hand_on_controllers(path: Path) -> None:
    """Let groups below have the controllers. The kernel refuses that for a group with processes of its own in it."""
    given = (path / "cgroup.subtree_control").read_text().split()
    missing = [f"+{name}" for name in CONTROLLERS if name not in given]
    if missing:
        (path / "cgroup.subtree_control").write_text(" ".join(missing))


def _remove_left(path: Path) -> None:
    """Groups of workers that died: they are empty by now, or in use and stay."""
    for left in path.glob(f"{PREFIX}*"):
        with suppress(OSError):
            left.rmdir()
