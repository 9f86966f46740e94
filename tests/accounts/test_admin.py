"""What operators may do to people and organizations."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator

from apps.accounts.models import Organization, User
from apps.projects.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(make_user, page_of):
    return page_of(make_user("operator", is_staff=True, is_superuser=True))


@pytest.fixture
def helper(make_user, page_of):
    """An operator who may look, and has been given no permission to change."""
    return page_of(make_user("helper", is_staff=True))


def test_operator_changes_name_and_quota_but_not_the_address(operator, organization):
    url = f"/admin/accounts/organization/{organization.pk}/change/"
    form = {"name": "Acme Inc", "quota_bytes": 5, "slug": "other", "used_bytes": 7}
    assert operator.post(url, form).status_code == 302
    organization.refresh_from_db()
    assert (organization.name, organization.quota_bytes) == ("Acme Inc", 5)
    assert (organization.slug, organization.used_bytes) == ("acme", 0)
    renamed, quota = AuditEntry.objects.for_organization(organization).order_by("id")
    assert (renamed.action, renamed.user.email) == ("organization.renamed", "operator@example.com")
    assert renamed.details == {"before": "Acme", "after": "Acme Inc"}
    assert (quota.action, quota.user.email) == ("organization.quota_changed", "operator@example.com")
    assert quota.details == {"before": 2**30, "after": 5}


def test_saving_an_organization_unchanged_is_no_change(operator, organization):
    form = {"name": organization.name, "quota_bytes": organization.quota_bytes}
    operator.post(f"/admin/accounts/organization/{organization.pk}/change/", form)
    assert not AuditEntry.across_tenants.exists()


def test_a_name_of_invisible_characters_is_said_beside_the_field(operator, organization):
    form = {"name": "\u2028", "quota_bytes": 5}
    response = operator.post(f"/admin/accounts/organization/{organization.pk}/change/", form)
    assert response.status_code == 200
    organization.refresh_from_db()
    assert organization.name == "Acme"


@pytest.mark.parametrize(
    ("field", "taken", "given"),
    [
        ("is_active", "user.deactivated", "user.activated"),
        ("is_staff", "user.operator_withdrawn", "user.operator_appointed"),
        ("is_superuser", "user.superuser_withdrawn", "user.superuser_appointed"),
    ],
)
def test_what_a_person_may_is_recorded_in_their_organizations_log(operator, owner, organization, field, taken, given):
    url = f"/admin/accounts/user/{owner.pk}/change/"
    form = {"email": owner.email, "is_active": "on"}
    other = {"email": owner.email} if field == "is_active" else {**form, field: "on"}
    for fields in (other, form, form):  # the last one changes nothing
        assert operator.post(url, fields).status_code == 302
    entries = AuditEntry.objects.for_organization(organization).order_by("id")
    expected = [taken, given] if field == "is_active" else [given, taken]
    assert [(entry.action, entry.target, entry.user.email) for entry in entries] == [
        (action, "owner@example.com", "operator@example.com") for action in expected
    ]
    assert [entry.details["after"] for entry in entries] == [action == given for action in expected]


def test_what_is_done_to_somebody_in_no_organization_is_recorded_too(operator, make_user):
    ada = make_user("ada")
    operator.post(f"/admin/accounts/user/{ada.pk}/change/", {"email": "ada@new.example", "is_staff": "on"})
    entries = AuditEntry.across_tenants.order_by("id")
    assert {entry.organization for entry in entries} == {None}
    assert [entry.action for entry in entries] == ["user.email_changed", "user.deactivated", "user.operator_appointed"]
    assert entries[0].details == {"before": "ada@example.com", "after": "ada@new.example"}
    assert "user.email_changed" in operator.get("/admin/projects/auditentry/").content.decode()


def test_a_persons_and_an_organizations_page_list_the_memberships(operator, owner, organization):
    for path in (f"user/{owner.pk}", f"organization/{organization.pk}"):
        content = operator.get(f"/admin/accounts/{path}/change/").content.decode()
        assert f"/admin/accounts/membership/{owner.memberships.get().pk}/change/" in content
        assert "owner@example.com is owner of Acme" in content


def test_organizations_are_neither_made_nor_deleted_in_the_admin(operator, organization):
    assert operator.get("/admin/accounts/organization/add/").status_code == 403
    assert operator.post(f"/admin/accounts/organization/{organization.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Organization.objects.exists()


def test_operator_adds_a_person_and_changes_their_password(operator):
    password = "a-password-of-an-operator"
    form = {"email": "new@example.com", "usable_password": "true", "password1": password, "password2": password}
    assert operator.get("/admin/accounts/user/add/").status_code == 200
    assert operator.post("/admin/accounts/user/add/", form).status_code == 302
    person = User.objects.get(email="new@example.com")
    assert person.check_password(password)
    assert operator.get(f"/admin/accounts/user/{person.pk}/change/").status_code == 200
    form = {"usable_password": "true", "password1": "another-password-yet", "password2": "another-password-yet"}
    assert operator.post(f"/admin/accounts/user/{person.pk}/password/", form).status_code == 302
    person.refresh_from_db()
    assert person.check_password("another-password-yet")
    operator.post(f"/admin/accounts/user/{person.pk}/password/", {**form, "password2": "mistyped"})
    actions = AuditEntry.across_tenants.order_by("id").values_list("action", "target")
    assert list(actions) == [("user.added", "new@example.com"), ("user.password_set", "new@example.com")]


@pytest.mark.parametrize("model", ["accounts/membership", "accounts/invitation", "projects/project", "projects/apikey"])
def test_tenants_rows_are_looked_at_only(operator, helper, owner, project, server_key, model):
    for page in (operator, helper):
        assert page.get(f"/admin/{model}/").status_code == 200
        assert page.get(f"/admin/{model}/add/").status_code == 403


def test_admin_never_shows_a_keys_hash(operator, project, server_key):
    key = project.apikeys.get()
    content = operator.get(f"/admin/projects/apikey/{key.pk}/change/").content.decode()
    assert "sk_sssss" in content
    assert key.secret_hash not in content


@pytest.mark.parametrize("model", ["account/emailaddress", "mfa/authenticator"])
def test_addresses_and_second_factors_are_looked_at_only(operator, owner, model):
    row = (
        EmailAddress.objects.create(user=owner, email=owner.email, primary=True)
        if model == "account/emailaddress"
        else Authenticator.objects.create(user=owner, type="totp", data={"secret": "what-makes-the-codes"})
    )
    assert owner.email in operator.get(f"/admin/{model}/?q={owner.email}").content.decode()
    content = operator.get(f"/admin/{model}/{row.pk}/change/").content.decode()
    assert owner.email in content
    assert "what-makes-the-codes" not in content
    assert "<textarea" not in content
    assert operator.get(f"/admin/{model}/add/").status_code == 403
    assert operator.post(f"/admin/{model}/{row.pk}/change/", {"verified": "on"}).status_code == 403


def test_search_over_tenants(operator, project, server_key):
    assert "server key" in operator.get("/admin/projects/apikey/?q=acme").content.decode()
    assert "Reader" in operator.get("/admin/projects/project/?q=acme").content.decode()
    assert operator.get("/admin/projects/auditentry/?q=acme").status_code == 200
