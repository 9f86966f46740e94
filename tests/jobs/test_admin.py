from __future__ import annotations

import pytest

from apps.jobs.models import JobEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(make_user):
    return make_user("operator", is_staff=True)


def test_operators_see_jobs_of_all_tenants_and_change_none(page_of, operator, make_job):
    job = make_job()
    client = page_of(operator)
    listed = client.get("/admin/jobs/job/")
    assert listed.status_code == 200
    assert "Check digits" in listed.content.decode()
    one = client.get(f"/admin/jobs/job/{job.pk}/change/")
    assert one.status_code == 200
    assert 'name="_save"' not in one.content.decode()
    assert client.post(f"/admin/jobs/job/{job.pk}/delete/").status_code == 403


def test_operators_find_a_job_s_events(page_of, operator, make_job):
    job = make_job()
    event = JobEvent.across_tenants.get(job=job)
    client = page_of(operator)
    assert client.get(f"/admin/jobs/jobevent/?q={job.pk}").status_code == 200
    assert client.get(f"/admin/jobs/jobevent/{event.pk}/change/").status_code == 200


def test_nobody_else_gets_in(page_of, owner, make_job):
    make_job()
    assert page_of(owner).get("/admin/jobs/job/").status_code == 302
