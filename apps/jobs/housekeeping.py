"""Small things to do again and again, on every worker machine: `manage.py work` calls `run_due`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from apps.jobs.database import renew_connection

logger = logging.getLogger(__name__)


@dataclass
class Chore:
    """A short function without arguments. Several machines may run it at the same moment."""

    name: str
    every_s: float
    do: Callable[[], object]
    due_at: float = 0.0


_chores: dict[str, Chore] = {}


def register(name: str, every_s: float, do: Callable[[], object]) -> None:
    """Have `do` called every `every_s` seconds. Apps call this in their AppConfig.ready."""
    _chores[name] = Chore(name, every_s, do)


def run_due() -> None:
    """Do what is due. One chore that fails is logged and keeps none of the others from being done."""
    for chore in _chores.values():
        now = time.monotonic()
        if now < chore.due_at:
            continue
        chore.due_at = now + chore.every_s
        renew_connection()
        try:
            chore.do()
        except Exception:
            logger.exception("Housekeeping failed: %s", chore.name)
