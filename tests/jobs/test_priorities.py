"""The place of a waiting job among those of its organization."""

from __future__ import annotations

import pytest

from apps.jobs.leases import take
from apps.jobs.models import Job
from apps.projects.models import AuditEntry

pytestmark = pytest.mark.django_db


def test_a_developer_lets_a_job_come_sooner_from_its_page(page_of, developer, viewer, make_job):
    first, second = make_job(), make_job()
    url = f"/o/acme/p/reader/jobs/{second.pk}/"
    assert "Set</button>" in page_of(developer).get(url).content.decode()
    assert "Set</button>" not in page_of(viewer).get(url).content.decode()
    page_of(developer).post(f"{url}priority/", {"priority": "10"})
    taken = take()
    assert taken is not None
    assert taken[0].pk == second.pk
    entry = AuditEntry.across_tenants.get(action="job.priority_changed")
    assert (entry.user, entry.details) == (developer, {"before": 0, "after": 10})
    assert Job.across_tenants.get(pk=first.pk).priority == 0


def test_a_program_does_the_same(api_of, server_key, project, make_job):
    job = make_job()
    url = f"/api/v1/projects/{project.pk}/jobs/{job.pk}/priority"
    assert api_of(server_key).post(url, {"priority": -3}, format="json").json()["priority"] == -3
    refused = api_of(server_key).post(url, {"priority": 101}, format="json")
    assert refused.status_code == 400
    assert "priority" in str(refused.json()["error"]["details"])
    take()
    late = api_of(server_key).post(url, {"priority": 1}, format="json")
    assert (late.status_code, late.json()["error"]["code"]) == (409, "job_not_waiting")


@pytest.mark.parametrize("given", ["", "high", "1e3"])
def test_what_is_no_number_changes_nothing(page_of, developer, make_job, given):
    job = make_job()
    answer = page_of(developer).post(f"/o/acme/p/reader/jobs/{job.pk}/priority/", {"priority": given}, follow=True)
    assert "whole number" in answer.content.decode()
    job.refresh_from_db()
    assert job.priority == 0
