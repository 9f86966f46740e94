"""Jobs whose child is a real process that plays a script (fake_engine), run in this process by the real worker code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.models import Role, User
from apps.jobs import child, handlers, supervise
from apps.jobs.events import NewEvent
from apps.jobs.leases import Lease, take
from apps.jobs.models import Job, JobEvent
from apps.jobs.services import create_job
from apps.projects.access import Access
from apps.projects.models import Project
from tests.jobs.scripted.handler import FAKE_ENGINE, ScriptedHandler, link

RESULT = ["result", {"answer": 42}]


def begin(job: Job) -> Lease:
    """Take the job as a worker would, without doing its work."""
    taken = take()
    assert taken is not None
    assert taken[0].pk == job.pk
    return taken[1]


def log_line(message: str, level: str = "info") -> NewEvent:
    return NewEvent(JobEvent.Kind.LOG, {"level": level, "message": message})


@pytest.fixture
def scripted(monkeypatch, settings, tmp_path) -> ScriptedHandler:
    """Makes compatibility checks play scripts."""
    handler = ScriptedHandler()
    monkeypatch.setattr(child, "ENGINE_PATH", FAKE_ENGINE)
    monkeypatch.setattr(supervise, "GRACE_S", 0.5)
    monkeypatch.setattr(supervise, "BEAT_S", 0.1)
    monkeypatch.setitem(handlers._handlers, Job.Kind.CHECK, handler)
    monkeypatch.setitem(handlers._links, Job.Kind.CHECK, link)
    settings.DATA_DIR = tmp_path
    settings.JOBS_DIR = tmp_path / "jobs"
    return handler


@pytest.fixture
def access(project: Project, developer: User) -> Access:
    return Access(developer, project.organization, Role.DEVELOPER, project)


@pytest.fixture
def make_job(access: Access, scripted: ScriptedHandler) -> Callable[..., Job]:
    """`make_job([word, value …], …, time_limit_s=…, trip=…)` → a queued job that plays these steps."""

    def make(*steps: list[Any], time_limit_s: int = 60, **payload: Any) -> Job:
        payload["steps"] = list(steps)
        return create_job(
            access=access, kind=Job.Kind.CHECK, title="Check digits", payload=payload, time_limit_s=time_limit_s
        )

    return make


@pytest.fixture
def story() -> Callable[[Job], list[Any]]:
    """`story(job)` → its events as (kind, data), after making sure that their numbers have no gap."""

    def tell(job: Job) -> list[Any]:
        events = list(JobEvent.across_tenants.filter(job=job).order_by("sequence"))
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        job.refresh_from_db()
        assert job.last_sequence == len(events)
        return [(event.kind, event.data) for event in events]

    return tell
