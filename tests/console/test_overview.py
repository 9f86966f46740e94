from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Invitation, Membership, Organization, Role
from apps.projects.models import Project

pytestmark = pytest.mark.django_db


def test_anonymous_is_sent_to_sign_in():
    response = Client().get("/")
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")


def test_newcomer_is_told_to_make_an_organization(make_user, page_of):
    html = page_of(make_user("new")).get("/").content.decode()
    assert "Start with an organization" in html


def test_member_sees_only_their_own_organizations(owner, project, stranger, page_of):
    html = page_of(owner).get("/").content.decode()
    assert "Acme" in html
    assert "Reader" in html
    assert "Other" not in html


def test_invited_person_is_told_about_it(make_user, organization, page_of):
    user = make_user("invited")
    address = EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=False)
    Invitation.across_tenants.create(
        organization=organization,
        email="Invited@example.com",
        role=Role.VIEWER,
        token_hash="0" * 64,
        expires_at=timezone.now() + timedelta(days=1),
    )
    assert "Acme" not in page_of(user).get("/").content.decode(), "the address may be somebody else's"
    address.verified = True
    address.save()
    html = page_of(user).get("/").content.decode()
    assert "You are invited to join <strong>Acme</strong>" in html


def test_number_of_queries_does_not_grow(owner, organization, page_of, django_assert_num_queries):
    client = page_of(owner)
    for index in range(5):
        other = Organization.objects.create(name=f"Org {index}", slug=f"org-{index}", quota_bytes=1)
        Membership.across_tenants.create(organization=other, user=owner, role=Role.OWNER)
        for number in range(3):
            Project.across_tenants.create(organization=other, name=f"P{number}", slug=f"p{number}")
    with django_assert_num_queries(5):  # session, user, memberships, projects, invitations
        client.get("/")
