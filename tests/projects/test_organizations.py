from __future__ import annotations

import pytest

from apps.accounts.models import Membership, Organization, Role
from apps.errors import Refused
from apps.projects.models import AuditEntry
from apps.projects.services.organizations import create_organization

pytestmark = pytest.mark.django_db


def test_maker_becomes_owner_with_the_default_quota(make_user, settings):
    settings.DEFAULT_QUOTA_BYTES = 5_000
    ada = make_user("ada")
    organization = create_organization(user=ada, name="  Analytical \n Engines ")
    assert (organization.name, organization.slug) == ("Analytical Engines", "analytical-engines")
    assert (organization.quota_bytes, organization.used_bytes) == (5_000, 0)
    assert Membership.across_tenants.get(organization=organization).role == Role.OWNER
    entry = AuditEntry.across_tenants.get(organization=organization)
    assert (entry.action, entry.user, entry.target) == ("organization.created", ada, "Analytical Engines")


def test_slug_made_of_the_name_avoids_taken_ones(make_user):
    ada = make_user("ada")
    slugs = [create_organization(user=ada, name="Acme").slug for _ in range(3)]
    assert slugs == ["acme", "acme-2", "acme-3"]
    assert create_organization(user=ada, name="日本").slug == "organization"
    assert len(create_organization(user=ada, name="long " * 20).slug) <= 50


def test_given_slug_that_is_taken_is_refused(make_user, organization):
    with pytest.raises(Refused, match="'acme' is taken") as refused:
        create_organization(user=make_user("ada"), name="Another", slug="ACME")
    assert refused.value.code == "slug_taken"
    assert refused.value.status == 409


def test_name_of_blanks_is_refused(make_user):
    with pytest.raises(Refused, match="at least one character"):
        create_organization(user=make_user("ada"), name=" \t\n")


# --- Pages ---


def test_person_without_organization_makes_one(make_user, page_of):
    page = page_of(make_user("ada"))
    assert "New organization" in page.get("/organizations/new/").content.decode()
    response = page.post("/organizations/new/", {"name": "Engines", "slug": ""}, follow=True)
    assert response.redirect_chain[-1][0] == "/o/engines/"
    assert "Engines is ready" in response.content.decode()
    assert "Make the first project" in response.content.decode()


def test_taken_address_is_said_beside_the_field(make_user, page_of, organization):
    response = page_of(make_user("ada")).post("/organizations/new/", {"name": "Engines", "slug": "acme"})
    assert response.status_code == 400
    assert "is taken" in response.context["form"].errors["slug"][0]
    assert Organization.objects.count() == 1


def test_page_lists_projects(viewer, page_of, project):
    content = page_of(viewer).get("/o/acme/").content.decode()
    assert "Reader" in content
    assert str(project.pk) in content
    assert "New project" not in content


def test_admin_is_offered_a_new_project(member, page_of, project):
    assert "New project" in page_of(member(Role.ADMIN)).get("/o/acme/").content.decode()


def test_page_makes_the_same_queries_for_any_number_of_projects(
    viewer, page_of, project, organization, django_assert_num_queries
):
    page = page_of(viewer)
    page.get("/o/acme/")
    with django_assert_num_queries(4):
        page.get("/o/acme/")
    for number in range(5):
        organization.projects.create(name=f"P{number}", slug=f"p{number}")
    with django_assert_num_queries(4):
        page.get("/o/acme/")


def test_settings_show_storage_and_rename(owner, page_of, organization):
    Organization.objects.filter(pk=organization.pk).update(used_bytes=2**28)
    page = page_of(owner)
    content = page.get("/o/acme/settings/").content.decode()
    assert "256.0 MB of 1.0 GB used" in content
    assert "25.0 %" in content
    response = page.post("/o/acme/settings/", {"name": "Acme Corporation"}, follow=True)
    assert "The organization&#x27;s name is saved." in response.content.decode()
    organization.refresh_from_db()
    assert (organization.name, organization.slug) == ("Acme Corporation", "acme")
    entry = organization.audit_entries.get(action="organization.renamed")
    assert entry.details == {"before": "Acme", "after": "Acme Corporation"}


def test_viewer_sees_the_settings_without_a_button_to_save(viewer, page_of):
    content = page_of(viewer).get("/o/acme/settings/").content.decode()
    assert "Save the name" not in content
    assert "Leave Acme" in content


def test_member_leaves(viewer, page_of, organization):
    response = page_of(viewer).post("/o/acme/leave/", follow=True)
    assert "You have left Acme." in response.content.decode()
    assert not organization.memberships.filter(user=viewer).exists()
    assert organization.audit_entries.get().action == "member.left"


def test_last_owner_cannot_leave(owner, page_of, organization):
    response = page_of(owner).post("/o/acme/leave/", follow=True)
    assert "is the only owner of Acme and can&#x27;t leave" in response.content.decode()
    assert organization.memberships.filter(user=owner).exists()


# --- API ---


def test_api_lists_ones_own_organizations_with_ones_role(viewer, stranger, api_of):
    results = api_of(viewer).get("/api/v1/organizations").json()["results"]
    assert [(row["slug"], row["role"], row["quota_bytes"]) for row in results] == [("acme", "viewer", 2**30)]


def test_api_makes_an_organization(make_user, api_of):
    response = api_of(make_user("ada")).post("/api/v1/organizations", {"name": "Engines", "slug": "eng"})
    assert response.status_code == 201
    assert (response.json()["slug"], response.json()["role"]) == ("eng", "owner")


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "name"), ({"name": ""}, "name"), ({"name": "A", "slug": "a b"}, "slug"), ({"name": "x" * 101}, "name")],
)
def test_api_names_the_field_that_is_wrong(make_user, api_of, body, field):
    response = api_of(make_user("ada")).post("/api/v1/organizations", body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid"
    assert [detail["field"] for detail in response.json()["error"]["details"]] == [field]


def test_api_refuses_a_taken_slug(make_user, api_of, organization):
    response = api_of(make_user("ada")).post("/api/v1/organizations", {"name": "A", "slug": "acme"})
    assert response.status_code == 409
    assert response.json()["error"]["code"] == "slug_taken"


def test_api_renames(member, api_of, organization):
    response = api_of(member(Role.ADMIN)).patch("/api/v1/organizations/acme", {"name": "New"})
    assert (response.json()["name"], response.json()["slug"], response.json()["role"]) == ("New", "acme", "admin")
