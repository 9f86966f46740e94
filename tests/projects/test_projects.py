from __future__ import annotations

import pytest

from apps.accounts.models import Role
from apps.errors import Refused
from apps.projects.access import Access
from apps.projects.models import Project
from apps.projects.services.projects import create_project, rename_project

pytestmark = pytest.mark.django_db


def test_slug_is_unique_within_the_organization_only(owner, organization, project, stranger):
    access = Access(owner, organization, Role.OWNER)
    assert create_project(access=access, name="Reader").slug == "reader-2"
    with pytest.raises(Refused, match="'reader' is taken"):
        create_project(access=access, name="Another", slug="reader")
    theirs = stranger.memberships.get().organization
    assert create_project(access=Access(stranger, theirs, Role.OWNER), name="Reader").slug == "reader"


def test_making_and_renaming_are_recorded_with_the_project(owner, organization):
    project = create_project(access=Access(owner, organization, Role.OWNER), name="Notes")
    rename_project(access=Access(owner, organization, Role.OWNER, project), name="Note  taker")
    renamed, created = organization.audit_entries.for_page()
    assert (created.action, created.project, created.user) == ("project.created", project, owner)
    assert (renamed.action, renamed.target, renamed.details) == ("project.renamed", "Note taker", {"before": "Notes"})


# --- Pages ---


def test_admin_makes_a_project_and_lands_in_it(member, page_of, organization):
    page = page_of(member(Role.ADMIN))
    assert "New project" in page.get("/o/acme/projects/new/").content.decode()
    response = page.post("/o/acme/projects/new/", {"name": "Note taker", "slug": "notes"}, follow=True)
    assert response.redirect_chain[-1][0] == "/o/acme/p/notes/"
    assert "Note taker is ready." in response.content.decode()


def test_taken_address_is_said_beside_the_field(owner, page_of, project):
    response = page_of(owner).post("/o/acme/projects/new/", {"name": "Another", "slug": "reader"})
    assert response.status_code == 400
    assert "is taken" in response.context["form"].errors["slug"][0]


def test_developer_may_not_make_projects_and_is_told_who_may(developer, page_of, organization):
    response = page_of(developer).get("/o/acme/projects/new/")
    assert response.status_code == 403
    assert "This needs the role admin or above. Yours is developer." in response.content.decode()


def test_settings_show_the_id_and_rename(owner, viewer, page_of, project):
    content = page_of(viewer).get("/o/acme/p/reader/settings/").content.decode()
    assert str(project.pk) in content
    assert "Save the name" not in content
    response = page_of(owner).post("/o/acme/p/reader/settings/", {"name": "Digits"}, follow=True)
    assert "The project&#x27;s name is saved." in response.content.decode()
    assert Project.across_tenants.get().name == "Digits"


# --- API ---


def test_api_makes_lists_and_renames(owner, api_of, project):
    api = api_of(owner)
    response = api.post("/api/v1/organizations/acme/projects", {"name": "Notes"})
    assert response.status_code == 201
    made = response.json()
    assert (made["organization"], made["slug"], made["name"]) == ("acme", "notes", "Notes")
    assert {row["slug"] for row in api.get("/api/v1/organizations/acme/projects").json()["results"]} == {
        "notes",
        "reader",
    }
    assert api.patch(f"/api/v1/projects/{made['id']}", {"name": "New"}).json()["name"] == "New"


def test_api_list_makes_the_same_queries_for_any_number(
    owner, api_of, organization, project, django_assert_num_queries
):
    api = api_of(owner)
    url = "/api/v1/organizations/acme/projects"
    with django_assert_num_queries(4):
        assert len(api.get(url).json()["results"]) == 1
    for number in range(5):
        organization.projects.create(name=f"P{number}", slug=f"p{number}")
    with django_assert_num_queries(4):
        assert len(api.get(url).json()["results"]) == 6


def test_api_pages_by_key(owner, api_of, organization):
    for number in range(5):
        organization.projects.create(name=f"P{number}", slug=f"p{number}")
    first = api_of(owner).get("/api/v1/organizations/acme/projects?page_size=3").json()
    assert [row["slug"] for row in first["results"]] == ["p4", "p3", "p2"]
    second = api_of(owner).get(first["next"]).json()
    assert [row["slug"] for row in second["results"]] == ["p1", "p0"]
    assert second["next"] is None


def test_server_key_reads_its_own_project(server_key, api_of, project, organization):
    other = organization.projects.create(name="Other", slug="other-one")
    assert api_of(server_key).get(f"/api/v1/projects/{project.pk}").json()["slug"] == "reader"
    assert api_of(server_key).get(f"/api/v1/projects/{other.pk}").status_code == 404
