"""How much one job may use, by its kind."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings

MEBIBYTE = 2**20
# A job that takes all memory takes the worker along.
SHARE_OF_MEMORY = 0.85


@dataclass(frozen=True)
class Limits:
    """Of a child and all that it starts, together; `file_bytes` of one file, `time_s` on the clock."""

    time_s: int
    cpu_s: int
    memory_bytes: int
    disk_bytes: int
    file_bytes: int
    files: int
    tasks: int  # processes and their threads


def limits_for(kind: str, *, time_limit_s: int) -> Limits:
    """The limits of a job of `kind`: `settings.JOB_LIMITS`, a value of its own or that of every kind."""

    def of(name: str) -> int:
        values: dict[str, int] = settings.JOB_LIMITS[name]
        return values.get(kind, values["every"])

    cores = os.cpu_count() or 1
    disk = of("disk_mb") * MEBIBYTE
    return Limits(
        time_s=time_limit_s,
        cpu_s=of("cpu_s") or time_limit_s * cores,
        memory_bytes=min(of("memory_mb") * MEBIBYTE, int(machine_memory() * SHARE_OF_MEMORY)),
        disk_bytes=disk,
        file_bytes=min(of("file_mb") * MEBIBYTE or disk, disk),
        files=of("files"),
        tasks=of("processes") or 256 + 32 * cores,
    )


@cache
def machine_memory() -> int:
    """Bytes that this machine has, or that the container's own limit leaves of them."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        try:
            sizes.append(int(path.read_text()))
        except (OSError, ValueError):
            continue
    return min(sizes)
