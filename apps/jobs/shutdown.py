"""How a worker learns that it has to end: by `manage.py work`, which it was forked from, or by SIGTERM."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# Made before the cluster forks, so every worker process shares it.
_announced = multiprocessing.get_context("fork").Event()
_terminated = False


def announce() -> None:
    """Tell all workers forked from this process to hand back what they do."""
    _announced.set()


def withdraw() -> None:
    """For a new cluster, once no process of the one before is left."""
    _announced.clear()


def is_coming() -> bool:
    return _terminated or _announced.is_set()


@contextmanager
def noticed() -> Iterator[None]:
    """While the context is open, SIGTERM asks the worker to end instead of ending it; it then ends with the context."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's; the queue's workers run tasks in it
        return
    previous = signal.signal(signal.SIGTERM, _note)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
    if _terminated:
        # The cluster is gone or about to: nobody is left to give this process work, or to end it.
        raise SystemExit(128 + signal.SIGTERM)


def _note(number: int, frame: FrameType | None) -> None:
    global _terminated
    _terminated = True
