"""What Landlock is asked to enforce: Linux, Documentation/userspace-api/landlock.rst. The launcher makes the calls."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TypedDict

CREATE_RULESET = 444  # the same number on every processor
VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION

OLDEST = 2  # the first one that can let files be moved from one folder to another

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_DIR, MAKE_REG, MAKE_SYM, REFER, TRUNCATE, IOCTL_DEV = 1 << 7, 1 << 8, 1 << 12, 1 << 13, 1 << 14, 1 << 15
# How many rights on files each version of the interface knows.
_FILE_RIGHTS = {2: 14, 3: 15, 4: 15, 5: 16}
TCP = 0b11  # bind and connect, from 4
SCOPES = 0b11  # abstract sockets and signals, from 6

READ = READ_FILE | READ_DIR
RUN = READ | EXECUTE
CHANGE = READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM | REFER | TRUNCATE
DEVICE = READ_FILE | WRITE_FILE | IOCTL_DEV
# Of the rights, those that a path which is no folder can have.
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV


class Rules(TypedDict):
    """What the launcher needs: the rights that are taken away, and the paths where some are given back."""

    files: int
    network: int
    scopes: int
    size: int
    paths: list[tuple[str, int]]


@cache
def abi() -> int:
    """The version of the kernel's Landlock; 0 where there is none or it is switched off."""
    if sys.platform != "linux":
        return 0
    version = ctypes.CDLL(None, use_errno=True).syscall(CREATE_RULESET, None, 0, VERSION)
    return max(int(version), 0)


def rules(
    version: int, *, run: Iterable[Path], read: Iterable[Path], names: Iterable[Path], change: Iterable[Path]
) -> Rules:
    """Everything is refused but what these paths, /proc and a few devices, allow. `version`: of the interface.

    `names`: folders in which only names may be read. /proc is open because a process reads about itself there. What
    other processes keep for themselves (environment, memory, open files) is closed to a confined one: Landlock refuses
    to trace whoever is outside.
    """
    known = (1 << _FILE_RIGHTS.get(version, 16)) - 1
    devices = [Path("/dev") / name for name in ("null", "zero", "full", "random", "urandom")]
    devices += sorted(Path("/dev").glob("nvidia*"))
    paths = []
    groups = ((run, RUN), ([Path("/proc"), *read], READ), (names, READ_DIR), (change, CHANGE), (devices, DEVICE))
    for group, rights in groups:
        for path in group:
            if path.exists():
                paths.append((str(path), rights & known & (-1 if path.is_dir() else ON_FILES)))
    # The structure grew with the versions: files, then network, then scopes.
    return {
        "files": known,
        "network": TCP if version >= 4 else 0,
        "scopes": SCOPES if version >= 6 else 0,
        "size": 24 if version >= 6 else 16 if version >= 4 else 8,
        "paths": paths,
    }
