from __future__ import annotations

import sys

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from apps.jobs import places
from apps.jobs.leases import take
from apps.jobs.models import Job
from apps.jobs.ray import dispatch
from apps.jobs.ray.dispatch import Dispatcher, NoCluster
from apps.jobs.ray.task import NotGuarded, run_one
from apps.jobs.services import create_job
from apps.jobs.turns import has_next


@pytest.fixture
def for_ray(access) -> Job:
    return create_job(access=access, kind=Job.Kind.CHECK, title="Check", payload={}, runs_on=Job.Place.RAY)


def test_workers_leave_a_job_for_the_cluster_alone(for_ray):
    assert OrmQ.objects.count() == 0
    assert not has_next(timezone.now())
    assert take() is None
    assert for_ray.events.get(kind="state").data["message"] == "Waiting for the Ray cluster."


def test_the_cluster_takes_its_own_jobs_only(for_ray, access):
    other = create_job(access=access, kind=Job.Kind.CHECK, title="Check", payload={})
    with places.at(Job.Place.RAY):
        taken = take()
        assert taken is not None
        assert taken[0] == for_ray
        assert take() is None
    assert places.here() == Job.Place.WORKERS
    taken = take()
    assert taken is not None
    assert taken[0] == other


def test_dispatcher_says_that_there_is_no_address(settings):
    settings.RAY_ADDRESS = ""
    with pytest.raises(NoCluster, match="RAY_ADDRESS is empty"):
        Dispatcher()


def test_dispatcher_says_how_ray_is_installed(settings, monkeypatch):
    settings.RAY_ADDRESS = "127.0.0.1:6379"
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setenv("RAY_AUTH_MODE", "")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "")
    with pytest.raises(NoCluster, match=r"not installed.*requirements/ray\.txt") as refused:
        Dispatcher()
    assert dispatch.INSTALL in str(refused.value)


def test_node_without_a_token_runs_nothing(monkeypatch, for_ray):
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with pytest.raises(NotGuarded, match="RAY_AUTH_MODE=token"):
        run_one(str(for_ray.pk))
    for_ray.refresh_from_db()
    assert for_ray.state == Job.State.QUEUED
