"""What the analytics page and the overview API show of one period, in a fixed number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count
from django.utils import timezone

from apps.analytics.figures import Feedback, VersionFigures, events_by_day, tallies_of, version_figures
from apps.analytics.models import Event
from apps.models.metrics import ANSWERED, PRIMARY, Headline, answered_of
from apps.models.models import ModelVersion, RegisteredModel
from apps.projects.access import Access

PERIODS = (7, 30, 90)
DEFAULT_PERIOD = 30
MAX_VERSIONS = 100
MAX_FAILURES = 20
MEASURED = {*PRIMARY.values(), *ANSWERED.values()}


@dataclass(frozen=True)
class VersionRow:
    """A version that devices reported in the period, beside what the server measured of the same file."""

    version: ModelVersion
    figures: VersionFigures

    @property
    def on_test(self) -> Headline | None:
        """What the feedback can be held against: the same, measured on the test split."""
        return answered_of({name: getattr(self.version, f"measured_{name}") for name in MEASURED})


@dataclass(frozen=True)
class Overview:
    """`by_day` is what `figures.events_by_day` gives. `versions` has the most recently made first."""

    days: int
    model: RegisteredModel | None
    devices: int
    counts: dict[str, int]
    feedback: Feedback
    by_day: dict[str, Any]
    versions: list[VersionRow]
    failures: list[Event]

    @property
    def is_one_model(self) -> bool:
        """Whether all of it is about one model, so that errors are all in the same unit."""
        return len({row.version.model_id for row in self.versions}) == 1

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def overview_of(access: Access, *, days: int = DEFAULT_PERIOD, model: UUID | None = None) -> Overview:
    """The last `days` UTC days, today included, of all models or of one. Raises Http404 for an unknown model."""
    now = timezone.now()
    since = datetime.combine((now - timedelta(days=days - 1)).date(), time.min, tzinfo=now.tzinfo)
    events = access.query(Event).filter(received_at__gte=since)
    found = access.get(RegisteredModel, model) if model else None
    if found is not None:
        events = events.filter(model=found)
    tallies = tallies_of(events)
    by_day = events_by_day(tallies, first=since.date(), last=now.date())
    figures = version_figures(events, tallies)
    versions = access.query(ModelVersion).select_related("model").filter(pk__in=list(figures)[:900])
    versions = versions.with_figures(*MEASURED)
    counts = {kind: sum(series) for kind, series in by_day["series"].items()}
    return Overview(
        days=days,
        model=found,
        devices=events.aggregate(count=Count("installation", distinct=True))["count"],
        counts=counts,
        feedback=sum((tally.feedback for tally in tallies), Feedback()),
        by_day=by_day,
        versions=[VersionRow(version, figures[version.pk]) for version in versions.order_by("-pk")[:MAX_VERSIONS]],
        failures=list(events.filter(type=Event.Type.FAILED).for_page()[:MAX_FAILURES]),
    )
