"""A lock that threads and processes share, held on a file of the client's directory.

The operating system drops it when its process ends, however it ends, so a crash leaves no stale lock.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from device_client._exceptions import StorageError

POLL_SECONDS = 0.05

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


class BusyError(StorageError):
    """Somebody else holds the lock. Nothing is wrong."""

    code = "busy"


class FileLock:
    """An exclusive lock between the threads of this process and between processes. Re-entrant for one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread_lock = threading.RLock()
        self._depth = 0
        self._descriptor = -1

    @contextmanager
    def hold(self, timeout: float) -> Iterator[None]:
        """Hold the lock for the block.

        Raises:
            BusyError: somebody else held it for all of `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        if not self._thread_lock.acquire(timeout=max(timeout, 0)):
            raise self._too_long("another thread", timeout)
        try:
            if self._depth == 0:
                self._acquire(deadline, timeout)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._release()
        finally:
            self._thread_lock.release()

    def _acquire(self, deadline: float, timeout: float) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise self._too_long("another process", timeout)
            time.sleep(POLL_SECONDS)
        self._descriptor = descriptor

    def _release(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        try:
            _unlock(descriptor)
        finally:
            os.close(descriptor)

    def _too_long(self, who: str, timeout: float) -> BusyError:
        return BusyError(f"{who} of this application has held {self._path} for {timeout:g} seconds")
