"""The figures of the analytics pages and API, each worked out by the database. Percentiles are exact (nearest rank).

Everything counts by the moment of arrival: devices' clocks are wrong too often to put events on days by them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import CharField, Count, F, Q, Sum, Window
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, RowNumber, Substr

from apps.analytics.models import Event
from apps.models.models import ModelVersion

Type = Event.Type


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one inference on the devices; None where none was reported."""

    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True)
class Feedback:
    """What somebody said of predictions: of `count` whether they were right, of `measured` by how much they were off.

    Those of a regression are measured, all others counted; over several models there may be both.
    """

    count: int = 0
    correct: int = 0
    measured: int = 0
    error_sum: float = 0.0

    @property
    def accuracy(self) -> float | None:
        """The share of predictions that were right, of those that somebody judged so. None without any."""
        return self.correct / self.count if self.count else None

    @property
    def mean_absolute_error(self) -> float | None:
        """Of the regressions' predictions, in what they predict. None without any."""
        return self.error_sum / self.measured if self.measured else None

    @property
    def is_measured(self) -> bool:
        """Whether all of it is about regressions."""
        return bool(self.measured and not self.count)

    def __add__(self, other: Feedback) -> Feedback:
        return Feedback(
            self.count + other.count,
            self.correct + other.correct,
            self.measured + other.measured,
            self.error_sum + other.error_sum,
        )


@dataclass(frozen=True)
class VersionFigures:
    """What devices reported of one version."""

    events: dict[str, int] = field(default_factory=lambda: dict.fromkeys(Type.values, 0))
    installations: int = 0
    feedback: Feedback = Feedback()
    latency: Latency = Latency()


@dataclass(frozen=True)
class Tally:
    """How many events of one type about one version arrived on one UTC day ("2026-11-23"), and what they said.

    `judged`: of how many it was said whether they were right; `measured`: of how many, by how much they were off.
    """

    day: str
    version: UUID | None
    type: str
    count: int
    judged: int
    correct: int
    measured: int
    error_sum: float | None

    @property
    def feedback(self) -> Feedback:
        return Feedback(self.judged, self.correct, self.measured, self.error_sum or 0.0)


def tallies_of(events: Any) -> list[Tally]:
    """What every count below is summed up from. One query, one pass over the events.

    The day is cut out of the moment's text: on SQLite, TruncDate would call back into Python for every event.
    """
    day = Substr(Cast("received_at", CharField()), 1, len("2026-11-23"))
    rows = events.order_by().values_list(day, "version", "type")
    counted = rows.annotate(
        count=Count("pk"),
        judged=Count("is_correct"),
        correct=Count("pk", filter=Q(is_correct=True)),
        measured=Count("error"),
        error_sum=Sum("error"),
    )
    return [Tally(*row) for row in counted]


def version_figures(events: Any, tallies: Iterable[Tally]) -> dict[UUID, VersionFigures]:
    """Figures by version of the events that have one, in two queries more. `tallies` are those of the same events."""
    counts: dict[UUID, dict[str, int]] = {}
    feedback: dict[UUID, Feedback] = {}
    for tally in tallies:
        if tally.version is not None:
            of_version = counts.setdefault(tally.version, dict.fromkeys(Type.values, 0))
            of_version[tally.type] += tally.count
            feedback[tally.version] = feedback.get(tally.version, Feedback()) + tally.feedback
    devices = events.order_by().values_list("version").annotate(count=Count("installation", distinct=True))
    installations = dict(devices) if counts else {}
    latencies = latency_percentiles(events) if counts else {}
    return {
        version: VersionFigures(
            events=of_version,
            installations=installations[version],
            feedback=feedback[version],
            latency=latencies.get(version, Latency()),
        )
        for version, of_version in counts.items()
    }


def latency_percentiles(events: Any) -> dict[UUID, Latency]:
    """p50 and p95 by version: the smallest value that at least so many percent of the values don't exceed.

    Window functions, because SQLite has no percentile_disc. One query.
    """
    ranked = (
        events.exclude(version=None)
        .filter(type=Type.INFERRED, latency_ms__isnull=False)
        .order_by()
        .annotate(
            rank=Window(RowNumber(), partition_by="version", order_by="latency_ms"),
            total=Window(Count("pk"), partition_by="version"),
        )
        .annotate(rank_50=(F("total") * 50 + 99) / 100, rank_95=(F("total") * 95 + 99) / 100)
        .filter(Q(rank=F("rank_50")) | Q(rank=F("rank_95")))
        .values_list("version", "latency_ms", "rank", "rank_50", "rank_95")
    )
    found: dict[UUID, dict[str, float]] = {}
    for version, latency, rank, rank_50, rank_95 in ranked:
        percentiles = found.setdefault(version, {})
        if rank == rank_50:
            percentiles["p50"] = latency
        if rank == rank_95:
            percentiles["p95"] = latency
    return {version: Latency(**percentiles) for version, percentiles in found.items()}


def confusion_matrix(events: Any, version: ModelVersion) -> dict[str, Any] | None:
    """{"labels", "matrix"} of the feedback on `version`; None without any that was right or wrong.

    Rows are the right labels, columns the predicted ones.
    """
    pairs = list(
        events.filter(version=version, type=Type.FEEDBACK, is_correct__isnull=False)
        .order_by()
        .annotate(predicted=KT("data__label"), right=KT("data__correct"))
        .values_list("right", "predicted")
        .annotate(count=Count("pk"))
    )
    if not pairs:
        return None
    labels = sorted({label for right, predicted, _ in pairs for label in (right, predicted)})
    place = {label: index for index, label in enumerate(labels)}
    matrix = [[0] * len(labels) for _ in labels]
    for right, predicted, count in pairs:
        matrix[place[right]][place[predicted]] = count
    return {"labels": labels, "matrix": matrix}


def events_by_day(tallies: Iterable[Tally], *, first: date, last: date) -> dict[str, Any]:
    """{"days": ["2026-11-23", …], "series": {type: [count a day]}} from `first` to `last`, days without events too."""
    days = [date.fromordinal(day).isoformat() for day in range(first.toordinal(), last.toordinal() + 1)]
    place = {day: index for index, day in enumerate(days)}
    series = {kind: [0] * len(days) for kind in Type.values}
    for tally in tallies:
        if tally.day in place:
            series[tally.type][place[tally.day]] += tally.count
    return {"days": days, "series": series}
