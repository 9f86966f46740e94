"""What can be known to fail before anything is installed or started."""

import errno
import importlib.util
import shutil
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from setup.failure import SetupError

GIGABYTE = 10**9
# A fresh installation takes 3.3 GB of packages; unpacking and the package cache need room beside it.
FRESH_BYTES = 5 * GIGABYTE
UPDATE_BYTES = 2 * GIGABYTE


def require_disk(folder: Path, needed: int) -> None:
    """Raise SetupError when the disk of `folder` has fewer than `needed` free bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SetupError(
            f"Not enough disk space in {folder}: the installation needs about {needed / GIGABYTE:.1f} GB, "
            f"{free / GIGABYTE:.1f} GB are free. Free some space and run the command again."
        )


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return the existing folder nearest to uv's package cache, which may lie on another disk than the project."""
    home = Path(environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or "/") / ".cache")
    folder = Path(environment.get("UV_CACHE_DIR") or home / "uv")
    while not folder.exists():
        folder = folder.parent
    return folder


def require_disks(root: Path, environment: Mapping[str, str], *, needed: int) -> None:
    """Check the project's disk and, where it is another one, the disk of the package cache."""
    require_disk(root, needed)
    cache = cache_folder(environment)
    if cache.stat().st_dev != root.stat().st_dev and environment.get("UV_NO_CACHE", "") in {"", "0", "false"}:
        require_disk(cache, needed)


def require_venv_module() -> None:
    """Raise SetupError when this Python cannot make virtual environments, as Debian's does without python3-venv."""
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise SetupError(
            f"This Python ({version}, {sys.executable}) comes without its venv and ensurepip modules. On Debian or "
            f"Ubuntu: apt-get install python{version}-venv. Or name another Python: make PYTHON=/path/to/python3.12 …"
        )


def parse_port(text: str) -> int:
    """Return `text` as a TCP port. Raises SetupError with the accepted range."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise SetupError(f"PORT must be a number from 1 to 65535. Received: {text!r}")
    return int(text)


def require_free_port(port: int, *, host: str = "127.0.0.1") -> None:
    """Raise SetupError when a server could not listen on `host`:`port` now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port that only waits for old connections to fade counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise SetupError(
                    f"Port {port} on {host} is taken by another program. Stop it, or choose another port: "
                    f"make … PORT={port + 1 if port < 65535 else 8001}"
                ) from None
            raise SetupError(
                f"Cannot listen on {host}, port {port}: {error.strerror}. Choose another PORT or BIND."
            ) from None
