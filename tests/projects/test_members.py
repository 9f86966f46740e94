from __future__ import annotations

import threading

import pytest
from django.db import connection, connections

from apps.accounts.models import Membership, Role
from apps.errors import Refused
from apps.projects.access import Access
from apps.projects.services.members import change_role, leave_organization, remove_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def access_as(organization, member):
    """`access_as(Role.ADMIN)` → what an admin of the organization was granted."""

    def enter(role: Role) -> Access:
        return Access(member(role), organization, role)

    return enter


@pytest.fixture
def membership(organization, make_user):
    """`membership(Role.VIEWER)` → the membership of somebody else with that role."""

    def make(role: Role) -> Membership:
        return Membership.across_tenants.create(organization=organization, user=make_user(f"other-{role}"), role=role)

    return make


def test_admin_changes_roles_below_owner(access_as, membership, organization):
    row = change_role(access=access_as(Role.ADMIN), member=membership(Role.VIEWER), role=Role.DEVELOPER)
    row.refresh_from_db()
    assert row.role == Role.DEVELOPER
    entry = organization.audit_entries.get()
    assert (entry.action, entry.target) == ("member.role_changed", str(row.user))
    assert entry.details == {"before": "viewer", "after": "developer"}


@pytest.mark.parametrize(("before", "after"), [(Role.VIEWER, Role.OWNER), (Role.OWNER, Role.VIEWER)])
def test_admin_neither_makes_nor_changes_owners(access_as, membership, before, after):
    row = membership(before)
    with pytest.raises(Refused, match=r"Only an owner can make, change or remove an owner. Your role is admin."):
        change_role(access=access_as(Role.ADMIN), member=row, role=after)
    row.refresh_from_db()
    assert row.role == before


def test_owner_makes_owners_and_may_then_step_down(access_as, membership, organization):
    access = access_as(Role.OWNER)
    change_role(access=access, member=membership(Role.VIEWER), role=Role.OWNER)
    own = organization.memberships.get(user=access.user)
    assert change_role(access=access, member=own, role=Role.VIEWER).role == Role.VIEWER


def test_last_owner_is_neither_demoted_nor_removed_nor_lost(access_as, organization):
    access = access_as(Role.OWNER)
    own = organization.memberships.get()
    for attempt in (
        lambda: change_role(access=access, member=own, role=Role.ADMIN),
        lambda: remove_member(access=access, member=own),
        lambda: leave_organization(access=access),
    ):
        with pytest.raises(Refused, match="is the only owner of Acme") as refused:
            attempt()
        assert refused.value.code == "last_owner"
    assert organization.memberships.get().role == Role.OWNER
    assert not organization.audit_entries.exists()


def test_same_role_again_changes_and_records_nothing(access_as, membership, organization):
    change_role(access=access_as(Role.ADMIN), member=membership(Role.VIEWER), role=Role.VIEWER)
    assert not organization.audit_entries.exists()


def test_admin_removes_a_member_but_no_owner(access_as, membership, organization):
    access = access_as(Role.ADMIN)
    remove_member(access=access, member=membership(Role.DEVELOPER))
    assert organization.audit_entries.get().action == "member.removed"
    with pytest.raises(Refused, match="Only an owner"):
        remove_member(access=access, member=membership(Role.OWNER))
    assert sorted(organization.memberships.values_list("role", flat=True)) == ["admin", "owner"]


@pytest.mark.services
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite lets one write at a time anyway.")
@pytest.mark.django_db(transaction=True)
def test_owners_who_leave_at_the_same_moment_do_not_leave_an_organization_without_one(organization, make_user):
    """The check and the deletion of each wait for the other's."""
    owners = [make_user(f"owner-{number}") for number in range(4)]
    for user in owners:
        Membership.across_tenants.create(organization=organization, user=user, role=Role.OWNER)
    start, refused = threading.Barrier(len(owners)), []

    def leave(access: Access) -> None:
        try:
            start.wait(timeout=10)
            leave_organization(access=access)
        except Refused as error:
            refused.append(error.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=leave, args=[Access(user, organization, Role.OWNER)]) for user in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["last_owner"]
    assert organization.memberships.get().role == Role.OWNER


# --- Pages ---


def test_page_shows_members_by_role(viewer, owner, page_of):
    content = page_of(viewer).get("/o/acme/members/").content.decode()
    assert content.index("owner@example.com") < content.index("viewer@example.com", content.index("<table"))
    assert "Invite somebody" not in content
    assert "Remove" not in content


def test_admin_is_not_offered_what_only_owners_may(member, owner, page_of):
    content = page_of(member(Role.ADMIN)).get("/o/acme/members/").content.decode()
    assert "Invite somebody" in content
    assert "Role of owner@example.com" not in content
    assert '<option value="owner"' not in content


def test_page_makes_the_same_queries_for_any_number_of_members(
    owner, page_of, organization, make_user, django_assert_num_queries
):
    page = page_of(owner)
    page.get("/o/acme/members/")
    with django_assert_num_queries(5):
        page.get("/o/acme/members/")
    for number in range(5):
        Membership.across_tenants.create(organization=organization, user=make_user(f"u{number}"), role=Role.VIEWER)
    with django_assert_num_queries(5):
        page.get("/o/acme/members/")


def test_role_is_changed_on_the_page(owner, viewer, page_of, organization):
    row = organization.memberships.get(user=viewer)
    response = page_of(owner).post(f"/o/acme/members/{row.pk}/role/", {"role": "labeler"}, follow=True)
    assert "viewer@example.com is labeler now." in response.content.decode()
    response = page_of(owner).post(f"/o/acme/members/{row.pk}/role/", {"role": "king"}, follow=True)
    assert "There is no role &#x27;king&#x27;." in response.content.decode()


def test_member_is_removed_on_the_page(owner, viewer, page_of, organization):
    row = organization.memberships.get(user=viewer)
    response = page_of(owner).post(f"/o/acme/members/{row.pk}/remove/", follow=True)
    assert "viewer@example.com is no longer a member." in response.content.decode()
    assert page_of(viewer).get("/o/acme/").status_code == 404


# --- API ---


def test_api_lists_changes_and_removes(owner, viewer, api_of, organization):
    api = api_of(owner)
    members = api.get("/api/v1/organizations/acme/members").json()["results"]
    assert {(row["email"], row["role"]) for row in members} == {
        ("owner@example.com", "owner"),
        ("viewer@example.com", "viewer"),
    }
    row = organization.memberships.get(user=viewer)
    url = f"/api/v1/organizations/acme/members/{row.pk}"
    assert api.patch(url, {"role": "developer"}).json()["role"] == "developer"
    assert api.patch(url, {"role": "king"}).json()["error"]["details"][0]["field"] == "role"
    assert api.delete(url).status_code == 204
    assert api.get(url).status_code == 404


def test_api_says_why_the_last_owner_stays(owner, api_of, organization):
    url = f"/api/v1/organizations/acme/members/{organization.memberships.get().pk}"
    response = api_of(owner).delete(url)
    assert response.status_code == 409
    assert response.json()["error"]["code"] == "last_owner"
