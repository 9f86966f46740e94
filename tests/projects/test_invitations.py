from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.utils import timezone

from apps.accounts.models import Invitation, Membership, Role
from apps.errors import Refused
from apps.projects.access import Access
from apps.projects.services.invitations import accept_invitation, find_invitation, invite, revoke_invitation
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def access(owner, organization) -> Access:
    return Access(owner, organization, Role.OWNER)


def path_of(url: str) -> str:
    """The link without scheme and host."""
    return "/" + url.split("/", 3)[3]


def test_mail_carries_the_link_and_the_table_only_its_hash(
    access, mailoutbox, django_capture_on_commit_callbacks, settings
):
    settings.BASE_URL = "https://bantam.example"
    with django_capture_on_commit_callbacks(execute=True):
        new = invite(access=access, email=" Grace@Example.com ", role=Role.DEVELOPER)
    [mail] = mailoutbox
    assert mail.to == ["grace@example.com"]
    assert mail.subject == "[Bantam] Join Acme"
    assert "owner@example.com invites you to join Acme on Bantam as developer." in mail.body
    assert new.url in mail.body
    assert new.url.startswith("https://bantam.example/invitations/")
    assert new.url.split("/")[-2] not in str(Invitation.across_tenants.values().get())
    entry = access.organization.audit_entries.get()
    assert (entry.action, entry.details) == ("member.invited", {"role": "developer", "replaced": False})


def test_mail_that_fails_leaves_the_invitation_for_the_inviter_to_hand_over(
    access, monkeypatch, django_capture_on_commit_callbacks, caplog
):
    def refuse(*args, **kwargs):
        raise ConnectionRefusedError("no mail server")

    monkeypatch.setattr("apps.projects.services.invitations.send_mail", refuse)
    with django_capture_on_commit_callbacks(execute=True):
        new = invite(access=access, email="grace@example.com", role=Role.VIEWER)
    assert find_invitation(new.url.split("/")[-2]) == new.invitation
    assert "could not be mailed" in caplog.text


def test_inviting_again_replaces_the_first_link(access):
    first = invite(access=access, email="grace@example.com", role=Role.VIEWER)
    second = invite(access=access, email="GRACE@example.com", role=Role.ADMIN)
    with pytest.raises(Refused, match="withdrawn or replaced"):
        find_invitation(first.url.split("/")[-2])
    assert find_invitation(second.url.split("/")[-2]).role == Role.ADMIN
    assert Invitation.across_tenants.open().count() == 1


def test_member_is_not_invited(access, viewer):
    with pytest.raises(Refused, match=r"viewer@example.com is a member of Acme already"):
        invite(access=access, email="Viewer@example.com", role=Role.ADMIN)


def test_admin_does_not_invite_owners(member, organization):
    with pytest.raises(Refused, match="Only an owner"):
        invite(access=Access(member(Role.ADMIN), organization, Role.ADMIN), email="x@example.com", role=Role.OWNER)
    assert not Invitation.across_tenants.exists()


def test_accepting_makes_a_member_once(access, make_user):
    invitation = invite(access=access, email="grace@example.com", role=Role.DEVELOPER).invitation
    grace = make_user("grace")
    assert accept_invitation(user=grace, invitation=invitation).role == Role.DEVELOPER
    with pytest.raises(Refused, match="accepted already"):
        accept_invitation(user=grace, invitation=invitation)
    assert access.organization.audit_entries.for_page()[0].action == "member.joined"


def test_verified_second_address_counts_and_an_unverified_one_does_not(access, make_user):
    invitation = invite(access=access, email="grace@navy.example", role=Role.VIEWER).invitation
    grace = make_user("grace")
    address = EmailAddress.objects.create(user=grace, email="Grace@navy.example", verified=False)
    with pytest.raises(Refused, match=r"is for grace@navy.example, and you are signed in as grace@example.com"):
        accept_invitation(user=grace, invitation=invitation)
    address.verified = True
    address.save()
    assert accept_invitation(user=grace, invitation=invitation).user == grace


def test_somebody_who_is_a_member_meanwhile_keeps_their_role(access, make_user):
    invitation = invite(access=access, email="grace@example.com", role=Role.VIEWER).invitation
    grace = make_user("grace")
    Membership.across_tenants.create(organization=access.organization, user=grace, role=Role.ADMIN)
    assert accept_invitation(user=grace, invitation=invitation).role == Role.ADMIN


def test_expired_invitation_says_when_and_whom_to_ask(access, make_user):
    invitation = invite(access=access, email="grace@example.com", role=Role.VIEWER).invitation
    Invitation.across_tenants.update(expires_at=timezone.now() - timedelta(days=1))
    with pytest.raises(Refused, match=r"expired on \d+ \w+ \d{4}. Ask owner@example.com for a new one"):
        accept_invitation(user=make_user("grace"), invitation=invitation)
    assert not Invitation.across_tenants.open().exists()


def test_invitation_lasts_seven_days(access):
    left = invite(access=access, email="grace@example.com", role=Role.VIEWER).invitation.expires_at - timezone.now()
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)


def test_accepted_invitation_is_not_withdrawn(access, make_user):
    invitation = invite(access=access, email="grace@example.com", role=Role.VIEWER).invitation
    accept_invitation(user=make_user("grace"), invitation=invitation)
    with pytest.raises(Refused, match="Remove the member instead"):
        revoke_invitation(access=access, invitation=invitation)


# --- Pages ---


def test_link_is_shown_once_to_the_inviter(owner, page_of):
    page = page_of(owner)
    response = page.post("/o/acme/members/", {"email": "grace@example.com", "role": "developer"})
    content = response.content.decode()
    assert "grace@example.com is invited" in content
    assert "/invitations/" in content
    assert response["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
    content = page.get("/o/acme/members/").content.decode()
    assert "Open invitations" in content
    assert "http://127.0.0.1:8000/invitations/" not in content


def test_wrong_address_is_said_beside_the_field(owner, page_of):
    response = page_of(owner).post("/o/acme/members/", {"email": "grace", "role": "developer"})
    assert response.status_code == 400
    assert response.context["form"].errors["email"] == ["Enter a valid email address."]


def test_role_above_ones_own_is_not_among_the_choices(member, page_of):
    response = page_of(member(Role.ADMIN)).post("/o/acme/members/", {"email": "g@example.com", "role": "owner"})
    assert response.status_code == 400
    assert "Select a valid choice" in response.context["form"].errors["role"][0]


def test_invitation_is_withdrawn_on_the_page(owner, access, page_of, client):
    new = invite(access=access, email="grace@example.com", role=Role.VIEWER)
    response = page_of(owner).post(f"/o/acme/invitations/{new.invitation.pk}/revoke/", follow=True)
    assert "The invitation to grace@example.com is withdrawn." in response.content.decode()
    response = client.get(path_of(new.url))
    assert response.status_code == 410
    assert "withdrawn or replaced" in response.content.decode()


def test_somebody_without_an_account_signs_up_and_lands_on_accept(access, client):
    link = path_of(invite(access=access, email="grace@example.com", role=Role.DEVELOPER).url)
    content = client.get(link).content.decode()
    assert "Join Acme" in content
    assert "Sign up to accept" in content
    form = {"email": "grace@example.com", "password1": PASSWORD, "password2": PASSWORD, "next": link}
    response = client.post("/accounts/signup/", form, follow=True)
    assert response.redirect_chain[-1][0] == link
    assert "Accept the invitation" in response.content.decode()
    response = client.post(link, follow=True)
    assert response.redirect_chain[-1][0] == "/o/acme/"
    assert "Welcome: you are developer of Acme." in response.content.decode()


def test_sign_up_form_has_the_invited_address_filled_in(access, client):
    link = path_of(invite(access=access, email="grace@example.com", role=Role.DEVELOPER).url)
    response = client.get(f"/accounts/signup/?email=grace%40example.com&next={link}")
    assert 'value="grace@example.com"' in response.content.decode()
    assert f'value="{link}"' in response.content.decode()


def test_somebody_with_an_account_is_asked_to_sign_in(access, client, make_user):
    make_user("grace")
    link = path_of(invite(access=access, email="grace@example.com", role=Role.DEVELOPER).url)
    assert f"/accounts/login/?next={link}" in client.get(link).content.decode()
    response = client.post(link)
    assert response.status_code == 302
    assert response["Location"] == f"/accounts/login/?next={link}"


def test_somebody_else_is_told_for_whom_it_is(access, stranger, page_of):
    link = path_of(invite(access=access, email="grace@example.com", role=Role.DEVELOPER).url)
    page = page_of(stranger)
    content = page.get(link).content.decode()
    assert "You are signed in as stranger@example.com, and this invitation is for grace@example.com." in content
    response = page.post(link)
    assert response.status_code == 403
    assert "ask for an invitation to stranger@example.com" in response.content.decode()
    assert not Membership.across_tenants.filter(user=stranger, organization=access.organization).exists()


def test_unknown_link_is_not_found(client):
    assert client.get("/invitations/made-up/").status_code == 404


# --- API ---


def test_api_invites_lists_and_withdraws(owner, api_of):
    api = api_of(owner)
    response = api.post("/api/v1/organizations/acme/invitations", {"email": "grace@example.com", "role": "viewer"})
    assert response.status_code == 201
    assert response.json()["url"].startswith("http://127.0.0.1:8000/invitations/")
    [row] = api.get("/api/v1/organizations/acme/invitations").json()["results"]
    assert (row["email"], row["role"]) == ("grace@example.com", "viewer")
    assert "url" not in row
    assert api.delete(f"/api/v1/organizations/acme/invitations/{row['id']}").status_code == 204
    assert api.get("/api/v1/organizations/acme/invitations").json()["results"] == []


def test_api_says_what_is_wrong(owner, viewer, api_of):
    url = "/api/v1/organizations/acme/invitations"
    error = api_of(owner).post(url, {"email": "x", "role": "king"}).json()["error"]
    assert {detail["field"] for detail in error["details"]} == {"email", "role"}
    response = api_of(owner).post(url, {"email": "viewer@example.com", "role": "viewer"})
    assert (response.status_code, response.json()["error"]["code"]) == (409, "already_member")
