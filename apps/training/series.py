"""The metrics of a run as series: what was measured under one name, step by step."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any

from apps.jobs.models import Job, JobEvent
from apps.projects.access import Access

EVENTS_A_QUERY = 5_000


@dataclass
class Series:
    """The values of one metric, such as `validation/student:small/loss`, in the order of their steps.

    `steps`, `wall_times` (seconds since 1970) and `values` are of one length.
    """

    name: str
    steps: array[float] = field(default_factory=lambda: array("d"))
    wall_times: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, step: float, wall_time: float, value: float) -> None:
        """A resumed run takes up at its last checkpoint: what it measures again replaces what was there."""
        while self.steps and self.steps[-1] >= step:
            for column in (self.steps, self.wall_times, self.values):
                column.pop()
        self.steps.append(step)
        self.wall_times.append(wall_time)
        self.values.append(value)


def series_of(access: Access, job: Job) -> list[Series]:
    """All series of the job, sorted by name, up to the event `job.last_sequence`: whoever watches goes on from there.

    One query for every 5,000 events, none of which stays open while others are sent.
    """
    found: dict[str, Series] = {}
    after = 0
    while rows := _events(access, job, after):
        for _, created_at, data in rows:
            for name, value in data["values"].items():
                series = found.get(name) or found.setdefault(name, Series(name))
                series.add(data["step"], created_at.timestamp(), value)
        after = rows[-1][0]
        if len(rows) < EVENTS_A_QUERY:
            break
    return [found[name] for name in sorted(found)]


def _events(access: Access, job: Job, after: int) -> list[Any]:
    metrics = access.query(JobEvent).filter(job=job, kind=JobEvent.Kind.METRICS, sequence__lte=job.last_sequence)
    return list(metrics.after(after).values_list("sequence", "created_at", "data")[:EVENTS_A_QUERY])
