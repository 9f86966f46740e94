"""Housekeeping that waits for other machines: in a thread of its own, so that the sweep of jobs is never late."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import connections

logger = logging.getLogger(__name__)


def in_background(name: str, do: Callable[[], object]) -> Callable[[], None]:
    """A chore that starts `do` in a thread, unless the last one is still at it."""
    running: list[threading.Thread] = []

    def run() -> None:
        try:
            do()
        except Exception:
            logger.exception("Housekeeping failed: %s", name)
        finally:
            connections.close_all()

    def start() -> None:
        if not (running and running[0].is_alive()):
            running[:] = [threading.Thread(target=run, name=name, daemon=True)]
            running[0].start()

    return start
