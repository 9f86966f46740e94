"""Sockets in the file system, wherever their folder lies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def named(socket: Path) -> Iterator[str]:
    """What to bind or connect to for `socket`: a name may have 107 bytes, which a path to a folder of data can pass."""
    if sys.platform != "linux":
        yield str(socket)
        return
    folder = os.open(socket.parent, os.O_PATH)
    try:
        yield f"/proc/self/fd/{folder}/{socket.name}"
    finally:
        os.close(folder)
