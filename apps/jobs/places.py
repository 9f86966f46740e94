"""Where jobs run: on the platform's workers, or on a Ray cluster beside them. Processes take those of their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from apps.jobs.models import Job

_here = Job.Place.WORKERS


def here() -> Job.Place:
    """Whose jobs this process takes."""
    return _here


@contextmanager
def at(place: Job.Place) -> Iterator[None]:
    """Take the jobs of another place meanwhile. A process runs one job at a time, so this is for all of it."""
    global _here
    before, _here = _here, place
    try:
        yield
    finally:
        _here = before
