from __future__ import annotations

import pytest

from apps.jobs.models import Job

pytestmark = pytest.mark.django_db


def test_empty_project_names_the_first_step(owner, project, page_of):
    html = page_of(owner).get("/o/acme/p/reader/").content.decode()
    assert "Upload examples" in html
    assert html.count(">Next<") == 1
    assert "No jobs yet" in html


def test_newest_jobs_are_listed_in_a_fixed_number_of_queries(owner, project, page_of, django_assert_num_queries):
    client = page_of(owner)
    for index in range(8):
        Job.across_tenants.create(project=project, kind=Job.Kind.IMPORT, title=f"Import {index}", created_by=owner)
    with django_assert_num_queries(12):  # session, user, project, role, and eight of the overview
        html = client.get("/o/acme/p/reader/").content.decode()
    assert "Import 7" in html
    assert "Import 1" not in html


def test_stranger_learns_nothing(stranger, project, page_of):
    response = page_of(stranger).get("/o/acme/p/reader/")
    assert response.status_code == 404
    assert "Reader" not in response.content.decode()
