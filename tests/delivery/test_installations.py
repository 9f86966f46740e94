from __future__ import annotations

import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from apps.delivery import installations
from apps.delivery.installations import installation_of, see_installation
from apps.delivery.models import Installation
from apps.delivery.snapshot import Attributes


@pytest.fixture
def attributes() -> Attributes:
    return Attributes(
        installation=uuid4(), app_version="2.3.0", platform="linux", ram_mb=4000, user=(("plan", "paid"),)
    )


@pytest.fixture(autouse=True)
def _commits(monkeypatch):
    """A test's transaction never commits; what waits for that runs at once."""
    monkeypatch.setattr("apps.delivery.installations.transaction.on_commit", lambda action: action())


def only(project) -> Installation:
    row: Installation = Installation.objects.for_project(project).get()
    return row


def test_the_first_question_makes_the_row(project, attributes):
    see_installation(project, attributes)
    row = only(project)
    assert (row.key, row.app_version, row.platform) == (attributes.installation, "2.3.0", "linux")
    assert row.attributes == {"ram_mb": 4000, "user": {"plan": "paid"}}


def test_the_same_within_a_minute_writes_nothing(project, attributes, django_assert_num_queries):
    see_installation(project, attributes)
    with django_assert_num_queries(0):
        see_installation(project, attributes)


def test_a_change_is_written_at_once_and_keeps_what_was_first(project, attributes, django_assert_num_queries):
    see_installation(project, attributes)
    first = only(project)
    changed = Attributes(installation=attributes.installation, app_version="2.4.0")
    with django_assert_num_queries(1):
        see_installation(project, changed)
    row = only(project)
    assert (row.pk, row.first_seen_at) == (first.pk, first.first_seen_at)
    assert (row.app_version, row.platform, row.attributes) == ("2.4.0", "", {})
    assert row.last_seen_at > first.last_seen_at


def test_a_minute_later_it_is_seen_again(project, attributes, monkeypatch):
    see_installation(project, attributes)
    first = only(project)
    later = time.monotonic() + 61
    monkeypatch.setattr("apps.delivery.installations.time.monotonic", lambda: later)
    see_installation(project, attributes)
    assert only(project).last_seen_at > first.last_seen_at


def test_the_same_id_in_another_project_is_another_device(project, other_project, attributes):
    see_installation(project, attributes)
    see_installation(other_project, attributes)
    assert Installation.across_tenants.count() == 2


def test_what_is_remembered_is_bounded(project, monkeypatch):
    monkeypatch.setattr(installations, "MAX_REMEMBERED", 3)
    for _ in range(5):
        see_installation(project, Attributes(installation=uuid4()))
    assert len(installations._seen._written) == 3


def test_events_of_a_device_that_never_asked_make_the_row(project):
    key = uuid4()
    assert installation_of(project, key).key == key
    assert installation_of(project, key) == only(project)


def test_events_count_as_being_seen_once_a_minute(project, attributes):
    see_installation(project, attributes)
    before = timezone.now() - timedelta(minutes=5)
    Installation.objects.for_project(project).update(last_seen_at=before)
    seen = installation_of(project, attributes.installation).last_seen_at
    assert seen > before
    assert installation_of(project, attributes.installation).last_seen_at == seen
