"""What a child may read of the machine: the system's programs and libraries, its Python, the engine."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

ROOT_FOLDERS = tuple(map(Path, ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")))
# Of /etc only what the loader, the clock and OpenSSL look for: no accounts, no addresses, no keys.
SYSTEM_FILES = (
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime"),
    *("/etc/timezone", "/etc/mime.types", "/etc/ssl/openssl.cnf", "/etc/OpenCL", "/etc/nvidia"),
)
# How many processors and nodes there are; with a graphics processor, its drivers look at more of it.
MACHINE = ("/sys/devices/system/cpu", "/sys/devices/system/node")


def programs(engine: Path) -> list[Path]:
    """Folders whose files may be read and run. `engine` is the folder that `python -m ml` finds the engine in."""
    executable = Path(sys.executable).resolve()
    folders = [Path("/usr"), Path(sys.prefix), Path(sys.base_prefix), executable.parent.parent, engine / "ml"]
    if Path("/nix/store") in executable.parents:
        folders.append(Path("/nix/store"))
    folders += [Path(path) for path in settings.SANDBOX_READABLE]
    return _outermost([path for path in folders if path.exists()])


def readable() -> list[Path]:
    """Files and folders that may be read, beside the programs."""
    machine = ("/sys",) if has_graphics_processor() else MACHINE
    return [path for path in map(Path, (*SYSTEM_FILES, *machine)) if path.exists()]


def has_graphics_processor() -> bool:
    return Path("/dev/nvidiactl").exists()


def _outermost(folders: Sequence[Path]) -> list[Path]:
    """Without those that lie in another one of them, and without doubles."""
    folders = list(dict.fromkeys(Path(os.path.normpath(path)) for path in folders))
    return [path for path in folders if not any(other in path.parents for other in folders)]
