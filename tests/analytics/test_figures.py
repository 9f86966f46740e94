"""Every figure against a slow reference."""

from __future__ import annotations

import math
import random
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from apps.analytics.figures import (
    VersionFigures,
    confusion_matrix,
    events_by_day,
    latency_percentiles,
    tallies_of,
    version_figures,
)
from apps.analytics.models import Event
from apps.delivery.installations import installation_of
from apps.delivery.models import Installation
from tests.delivery.rows import make_version


@pytest.fixture
def make_event(project):
    devices: dict[int, Installation] = {}

    def make(version, kind: str, *, device: int = 0, **fields) -> Event:
        if device not in devices:
            devices[device] = installation_of(project, UUID(int=device))
        return Event.across_tenants.create(
            project=project,
            key=uuid4(),
            installation=devices[device],
            type=kind,
            model=version.model,
            version=version,
            **{"occurred_at": timezone.now(), **fields},
        )

    return make


def nearest_rank(values: list[float], percent: int) -> float:
    """The definition, word for word: the value at place ⌈n·p/100⌉ of the sorted values."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


@pytest.mark.parametrize("size", [1, 2, 3, 19, 20, 21, 100, 101])
def test_percentiles_are_the_nearest_rank(project, version, make_event, size):
    values = [random.Random(size + number).lognormvariate(0, 1) for number in range(size)]
    for value in values:
        make_event(version, "inferred", latency_ms=value)
    make_event(version, "inferred", latency_ms=None)
    found = latency_percentiles(Event.objects.for_project(project))[version.pk]
    assert found.p50 == pytest.approx(nearest_rank(values, 50))
    assert found.p95 == pytest.approx(nearest_rank(values, 95))


def test_percentiles_of_equal_values(project, version, make_event):
    for _ in range(7):
        make_event(version, "inferred", latency_ms=0.5)
    found = latency_percentiles(Event.objects.for_project(project))[version.pk]
    assert (found.p50, found.p95) == (0.5, 0.5)


def test_versions_are_counted_apart(project, version, make_event, django_assert_num_queries):
    second = make_version(version.model)
    make_event(version, "downloaded")
    make_event(version, "inferred", latency_ms=1.0)
    make_event(version, "inferred", latency_ms=3.0, device=1)
    make_event(version, "feedback", is_correct=True)
    make_event(version, "feedback", is_correct=True)
    make_event(version, "feedback", is_correct=False)
    make_event(second, "failed")
    events = Event.objects.for_project(project)
    with django_assert_num_queries(3):
        figures = version_figures(events, tallies_of(events))
    first = figures[version.pk]
    assert first.events == {
        "assigned": 0,
        "downloaded": 1,
        "loaded": 0,
        "inferred": 2,
        "feedback": 3,
        "failed": 0,
    }
    assert first.installations == 2
    assert (first.feedback.count, first.feedback.correct, first.feedback.accuracy) == (3, 2, 2 / 3)
    assert (first.latency.p50, first.latency.p95) == (1.0, 3.0)
    assert figures[second.pk].events["failed"] == 1
    assert figures[second.pk].feedback.accuracy is None
    assert figures[second.pk].latency.p50 is None


def test_without_events_everything_is_nought(project):
    events = Event.objects.for_project(project)
    assert version_figures(events, tallies_of(events)) == {}
    assert set(VersionFigures().events.values()) == {0}


def test_events_without_a_version_count_for_none(project, version, make_event):
    make_event(version, "inferred", latency_ms=1.0)
    Event.across_tenants.update(version=None)
    events = Event.objects.for_project(project)
    assert [tally.count for tally in tallies_of(events)] == [1]
    assert version_figures(events, tallies_of(events)) == {}


def test_the_confusion_matrix_has_the_right_labels_as_rows(project, version, make_event):
    for label, correct, times in [("7", "7", 3), ("7", "1", 2), ("1", "1", 1), ("3", "8", 1)]:
        for _ in range(times):
            make_event(version, "feedback", data={"label": label, "correct": correct}, is_correct=label == correct)
    make_event(version, "inferred", data={"label": "9"})
    found = confusion_matrix(Event.objects.for_project(project), version)
    assert found == {
        "labels": ["1", "3", "7", "8"],
        "matrix": [[1, 0, 2, 0], [0, 0, 0, 0], [0, 0, 3, 0], [0, 1, 0, 0]],
    }
    assert confusion_matrix(Event.objects.for_project(project), make_version(version.model)) is None


def test_every_day_is_there_even_an_empty_one(project, version, make_event, django_assert_num_queries):
    now = timezone.now().replace(hour=12, minute=0)
    make_event(version, "inferred", received_at=now)
    make_event(version, "inferred", received_at=now - timedelta(days=2))
    make_event(version, "failed", received_at=now - timedelta(days=2))
    make_event(version, "failed", received_at=now - timedelta(days=9))
    with django_assert_num_queries(1):
        tallies = tallies_of(Event.objects.for_project(project))
    found = events_by_day(tallies, first=(now - timedelta(days=3)).date(), last=now.date())
    assert found["days"] == [str((now - timedelta(days=ago)).date()) for ago in (3, 2, 1, 0)]
    assert found["series"]["inferred"] == [0, 1, 0, 1]
    assert found["series"]["failed"] == [0, 1, 0, 0]
    assert found["series"]["loaded"] == [0, 0, 0, 0]


def test_a_day_is_a_day_of_utc(project, version, make_event):
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    make_event(version, "inferred", received_at=midnight)
    make_event(version, "inferred", received_at=midnight - timedelta(microseconds=1))
    days = sorted(tally.day for tally in tallies_of(Event.objects.for_project(project)))
    assert days == [str((midnight - timedelta(days=1)).date()), str(midnight.date())]
