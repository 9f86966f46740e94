"""Something that schedules can start, and schedules of it."""

from __future__ import annotations

from typing import Any

import pytest
from django import forms
from django_q.brokers import get_broker
from django_q.scheduler import scheduler

from apps.errors import Refused
from apps.jobs.models import Job
from apps.jobs.schedules import starting
from apps.jobs.schedules.models import JobSchedule
from apps.jobs.schedules.services import (
    create_schedule,
)
from apps.jobs.schedules.starting import Startable, Subject
from apps.jobs.services import create_job
from apps.projects.access import Access
from tests.jobs.schedules.moments import plan


@pytest.fixture
def startable(monkeypatch, scripted) -> Startable:
    """A schedule may start checks: `wants` says what of, "nothing" is refused, "dust" is a fault of the platform."""

    def describe(access: Access, payload: dict[str, Any]) -> Subject:
        if payload.get("wants") == "chaos":
            message = "Chaos can't be checked."
            raise Refused("unknown", message, details=[{"field": "payload.wants", "message": message}])
        return Subject(f"Check {payload['wants']}", f"A check of {payload['wants']}", payload)

    def start(access: Access, payload: dict[str, Any], key: str | None) -> Job:
        title = f"Check {payload['wants']}"
        job = create_job(access=access, kind=Job.Kind.CHECK, title=title, payload={}, idempotency_key=key)
        if payload["wants"] == "nothing":
            raise Refused("nothing_there", "There is nothing to check.")
        if payload["wants"] == "dust":
            raise ValueError("dust")
        return job

    made = Startable("check", "Check", {"wants": forms.CharField()}, describe, start, lambda access, payload: "/there/")
    monkeypatch.setitem(starting._startables, "check", made)
    return made


@pytest.fixture
def make_schedule(access, startable):
    """`make_schedule("digits", every="hour", weekday="")` → a schedule that checks digits."""

    def make(wants: str = "digits", **fields: Any) -> JobSchedule:
        return create_schedule(access=access, starts="check", plan=plan(wants, **fields))

    return make


@pytest.fixture
def send(monkeypatch):
    """`send()` → the round that django-q2's sentinel makes every half a minute, over the connection of the test."""
    monkeypatch.setattr("django_q.scheduler.close_old_django_connections", lambda: None)
    return lambda: scheduler(get_broker())
