"""How one child is started: its command line, the descriptors that it inherits, the plan that its launcher follows."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.jobs.handlers import Folder
from apps.jobs.sandbox import bubblewrap, landlock, paths, seccomp
from apps.jobs.sandbox.limits import Limits

LAUNCHER = Path(__file__).parents[1] / "launcher.py"
OPEN_FILES = 4096
# Beyond what a process uses: stacks of threads, arenas. A TensorFlow that trains on two cores reserves 0.5 GiB in all.
RESERVED_BYTES, RESERVED_A_CORE = 2**30, 32 * 2**20
# Since Linux 5.14 the processes of a user are counted in each user namespace by itself.
COUNTS_BY_NAMESPACE = (5, 14)


@dataclass(frozen=True)
class Method:
    """One way to confine a child. Whether it works on this machine is found out by trying."""

    bwrap: str = ""  # the program's path; without it the child stays among the machine's files and processes
    landlock_abi: int = 0
    uid: int | None = None  # the user that the child becomes; None: it stays the worker's
    namespaces: str = ""  # without bubblewrap: a network of its own, made as "root" or in a "user" namespace

    @property
    def is_none(self) -> bool:
        return not self.bwrap and not self.landlock_abi

    @property
    def guards(self) -> int:
        """How many processes stand between the worker and the command, and live as long as it does."""
        return 2 if self.bwrap else 1 if self.landlock_abi else 0


@dataclass(frozen=True)
class Launch:
    """`command` is started with `descriptors`; then `plan` is written to the pipe `plan_to`."""

    command: list[str]
    descriptors: tuple[int, ...]
    plan_to: int
    plan: bytes


def launch(
    method: Method,
    command: Sequence[str],
    folder: Folder,
    *,
    engine: Path,
    environment: Mapping[str, str],
    limits: Limits,
    opened: ExitStack,
    cgroup: int | None = None,
) -> Launch:
    """`engine`: the folder that `python -m ml` finds the engine in. `cgroup`: its cgroup.procs, opened for writing.

    Descriptors that only the child needs are closed with `opened`.
    """
    plan_from, plan_to = os.pipe()
    opened.callback(os.close, plan_from)
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(plan_from)]
    descriptors = [plan_from, *([cgroup] if cgroup is not None else [])]
    if method.bwrap:
        filtered = _pipe_with(seccomp.program(), opened)
        arguments = bubblewrap.arguments(
            programs=paths.programs(engine),
            readable=[*paths.readable(), LAUNCHER],
            in_=folder.in_,
            writable=[folder.out, folder.work],
            temporary=folder.work,
            seccomp=filtered,
            uid=settings.SANDBOX_UID,
            becomes_another=method.uid is not None,
        )
        given = _pipe_with(b"".join(os.fsencode(word) + b"\0" for word in arguments), opened)
        descriptors += [filtered, given]
        launcher = [method.bwrap, "--args", str(given), "--", *launcher]
    plan: dict[str, Any] = {
        "command": list(command),
        "environment": dict(environment),
        "folder": str(folder.work),
        "guarded": method.guards == 1,
        "dies_with_parent": method.guards != 2,
        "cgroup": cgroup,
        "namespaces": method.namespaces,
        "uid": method.uid,
        "drops_capabilities": not method.is_none,
        "rlimits": {} if method.is_none else dict(_resource_limits(method, limits)),
        "landlock": None,
        "seccomp": "",
        "own_process": seccomp.OWN_PROCESS,
    }
    if method.landlock_abi:
        plan["landlock"] = landlock.rules(
            method.landlock_abi,
            run=[*paths.programs(engine), *paths.ROOT_FOLDERS],
            read=[*paths.readable(), folder.in_],
            names=[engine],
            change=[folder.out, folder.work],
        )
        plan["seccomp"] = seccomp.program(shares_machine=True, landlock_abi=method.landlock_abi).hex()
    return Launch(launcher, tuple(descriptors), plan_to, json.dumps(plan).encode())


def _pipe_with(content: bytes, opened: ExitStack) -> int:
    """The end to read from of a pipe that holds `content`, which must fit into a pipe: 64 KiB."""
    read, write = os.pipe()
    opened.callback(os.close, read)
    with os.fdopen(write, "wb") as file:
        file.write(content)
    return read


def _resource_limits(method: Method, limits: Limits) -> Iterator[tuple[str, tuple[int, int]]]:
    yield "RLIMIT_CORE", (0, 0)
    yield "RLIMIT_FSIZE", (limits.file_bytes, limits.file_bytes)
    yield "RLIMIT_CPU", (limits.cpu_s, limits.cpu_s + 5)  # a signal that says why, before the one that kills
    yield "RLIMIT_NOFILE", (OPEN_FILES, OPEN_FILES)
    yield "RLIMIT_MSGQUEUE", (0, 0)
    # What is reserved and never touched counts here: it stops one huge allocation, the supervisor sees the rest.
    data = limits.memory_bytes + RESERVED_BYTES + RESERVED_A_CORE * (os.cpu_count() or 1)
    yield "RLIMIT_DATA", (data, data)
    tasks = _task_limit(method, limits.tasks)
    yield "RLIMIT_NPROC", (tasks, tasks)


def _task_limit(method: Method, tasks: int) -> int:
    """Above the job's own limit, which the supervisor keeps: the kernel counts all of a user's processes at once."""
    together: int = tasks * settings.JOB_WORKERS + 64
    has_own_user = method.uid is not None
    has_own_namespace = bool(method.bwrap) or method.namespaces == "user"
    if has_own_user or (has_own_namespace and _kernel() >= COUNTS_BY_NAMESPACE):
        return together
    return together + _tasks_of_user(os.getuid())


def _kernel() -> tuple[int, int]:
    major, minor, *_ = os.uname().release.split(".")
    return int(major), int(minor)


def _tasks_of_user(uid: int) -> int:
    count = 0
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and entry.stat().st_uid == uid:
                count += len(list((entry / "task").iterdir()))
        except OSError:
            continue
    return count
