from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Invitation, Membership, Organization, Role
from apps.jobs.models import Job
from apps.projects.models import Project
from tests.access.world import make_world

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
            job = {"kind": "train", "title": "Train", "state": "running"}
            Job.across_tenants.create(project=Project.across_tenants.get(organization=other, slug=f"p{number}"), **job)
    # session, user, memberships, projects, invitations, jobs, versions, devices
    with django_assert_num_queries(8):
        client.get("/")


def test_what_a_person_comes_back_to(page_of, make_user):
    ours, theirs = make_world("ours"), make_world("theirs")
    job = Job.across_tenants.get(pk=ours.rows["job"])
    for world, title in ((ours, "Train ours"), (theirs, "Train theirs")):
        failed = {"state": "failed", "finished_at": timezone.now()}
        Job.across_tenants.create(project=world.project, kind="train", title=title, **failed)
        old = {"state": "failed", "finished_at": timezone.now() - timedelta(days=8)}
        Job.across_tenants.create(project=world.project, kind="train", title="Long ago", **old)
        Job.across_tenants.create(project=world.project, kind="train", title="Went well", state="succeeded")
    Organization.objects.filter(slug="ours").update(used_bytes=2**29)
    html = page_of(ours.people[Role.VIEWER]).get("/").content.decode()
    for expected in ("Train ours", job.title, "Digits v1", "1 device seen, 1 today", "512.0 MB of 1.0 GB used"):
        assert expected in html
    for other in ("Train theirs", "Long ago", "Went well", "/o/theirs/"):
        assert other not in html


def test_nothing_is_said_of_what_is_not_there_yet(owner, project, page_of):
    html = page_of(owner).get("/").content.decode()
    assert "Running and failed jobs" not in html
    assert "0 B of 1.0 GB used" in html
