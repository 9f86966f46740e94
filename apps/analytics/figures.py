"""The figures of the analytics pages and API, each worked out by the database. Percentiles are exact (nearest rank).

Everything counts by the moment of arrival: devices' clocks are wrong too often to put events on days by them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, Window
from django.db.models.fields.json import KT
from django.db.models.functions import RowNumber, TruncDate

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
    count: int = 0
    correct: int = 0

    @property
    def accuracy(self) -> float | None:
        """The share of predictions that were right, of those that somebody judged. None without feedback."""
        return self.correct / self.count if self.count else None


@dataclass(frozen=True)
class VersionFigures:
    """What devices reported of one version."""

    events: dict[str, int] = field(default_factory=lambda: dict.fromkeys(Type.values, 0))
    installations: int = 0
    feedback: Feedback = Feedback()
    latency: Latency = Latency()


def version_figures(events: Any) -> dict[UUID, VersionFigures]:
    """Figures by version of the events in a QuerySet that have one, in two queries."""
    counted = (
        events.exclude(version=None)
        .order_by()
        .values("version")
        .annotate(
            installations=Count("installation", distinct=True),
            correct=Count("pk", filter=Q(is_correct=True)),
            **{kind.value: Count("pk", filter=Q(type=kind)) for kind in Type},
        )
    )
    latencies = latency_percentiles(events)
    return {
        row["version"]: VersionFigures(
            events={kind.value: row[kind.value] for kind in Type},
            installations=row["installations"],
            feedback=Feedback(row[Type.FEEDBACK.value], row["correct"]),
            latency=latencies.get(row["version"], Latency()),
        )
        for row in counted
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
    """{"labels", "matrix"} of the feedback on `version`; None without any.

    Rows are the right labels, columns the predicted ones.
    """
    pairs = list(
        events.filter(version=version, type=Type.FEEDBACK)
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


def events_by_day(events: Any, *, since: datetime, until: datetime) -> dict[str, Any]:
    """{"days": ["2026-11-23", …], "series": {type: [count a day]}}: UTC days of arrival, empty ones too. One query."""
    first, last = since.date(), until.date()
    days = [date.fromordinal(number) for number in range(first.toordinal(), last.toordinal() + 1)]
    series = {kind.value: [0] * len(days) for kind in Type}
    rows: Iterable[tuple[date, str, int]] = (
        events.filter(received_at__gte=since)
        .order_by()
        .values_list(TruncDate("received_at"), "type")
        .annotate(count=Count("pk"))
    )
    for day, kind, count in rows:
        if first <= day <= last:
            series[kind][day.toordinal() - first.toordinal()] = count
    return {"days": [day.isoformat() for day in days], "series": series}
