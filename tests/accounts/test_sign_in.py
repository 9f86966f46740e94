"""Signing up, in and out, a forgotten password, another address: allauth's flows through our pages."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from apps.accounts.models import User
from tests.conftest import PASSWORD

NEW_PASSWORD = "quite-another-password"

pytestmark = pytest.mark.django_db


def link_in(mail):
    """The path of the link in a mail."""
    return re.findall(r"https?://[^/]+(/\S+)", mail.body)[0]


def sign_up(client: Client, email: str = "ada@example.com", **fields):
    form = {"email": email, "password1": PASSWORD, "password2": PASSWORD, **fields}
    return client.post("/accounts/signup/", form, follow=True)


def sign_in(client: Client, email: str, password: str = PASSWORD, **fields):
    return client.post("/accounts/login/", {"login": email, "password": password, **fields}, follow=True)


def test_sign_up_leads_to_making_an_organization(client, mailoutbox):
    response = sign_up(client)
    assert response.redirect_chain[-1][0] == "/"
    assert "Make an organization" in response.content.decode()
    assert User.objects.get().email == "ada@example.com"
    assert "please confirm" in mailoutbox[0].subject.lower()
    assert mailoutbox[0].body.startswith("Hello,")


def test_address_is_kept_in_lower_case_and_signs_in_in_any_case(client):
    sign_up(client, "Ada@Example.COM")
    assert User.objects.get().email == "ada@example.com"
    client.logout()
    assert sign_in(client, "ADA@example.com").redirect_chain[-1][0] == "/"


@pytest.mark.parametrize(
    ("fields", "where", "text"),
    [
        ({"email": "ada"}, "email", "Enter a valid email address."),
        ({"password1": "short", "password2": "short"}, "password1", "It must contain at least 10 characters."),
        ({"password2": "another-password"}, "password2", "You must type the same password each time."),
        ({"password1": "password1234", "password2": "password1234"}, "password1", "too common"),
    ],
)
def test_sign_up_says_beside_the_field_what_is_wrong(client, fields, where, text):
    response = sign_up(client, **fields)
    assert text in response.context["form"].errors[where][0]
    assert f'id="id_{where}_error"' in response.content.decode()
    assert not User.objects.exists()


def test_address_that_has_an_account_does_not_get_a_second_one(client, make_user):
    make_user("ada")
    response = sign_up(client, "Ada@example.com")
    assert "already registered" in response.context["form"].errors["email"][0]
    assert User.objects.count() == 1


def test_wrong_password_is_said_without_saying_which_half(client, make_user):
    make_user("ada")
    for email in ("ada@example.com", "nobody@example.com"):
        response = sign_in(client, email, "a-wrong-password")
        assert "The email address and/or password you specified are not correct." in response.content.decode()


def test_too_many_wrong_passwords_are_slowed_down(client, make_user):
    make_user("ada")
    for _ in range(5):
        sign_in(client, "ada@example.com", "a-wrong-password")
    assert "Too many failed login attempts" in sign_in(client, "ada@example.com").content.decode()


def test_page_that_was_asked_for_comes_after_the_sign_in(client, owner, project):
    response = client.get("/o/acme/p/reader/keys/")
    assert response["Location"] == "/accounts/login/?next=/o/acme/p/reader/keys/"
    response = sign_in(client, "owner@example.com", next="/o/acme/p/reader/keys/")
    assert response.redirect_chain[-1][0] == "/o/acme/p/reader/keys/"


def test_sign_in_does_not_lead_to_another_site(client, make_user):
    make_user("ada")
    response = sign_in(client, "ada@example.com", next="https://evil.example/")
    assert response.redirect_chain[-1][0] == "/"


def test_sign_out_needs_a_post(client, make_user):
    client.force_login(make_user("ada"))
    assert "Are you sure" in client.get("/accounts/logout/").content.decode()
    assert client.get("/").status_code == 200
    response = client.post("/accounts/logout/", follow=True)
    assert response.redirect_chain[-1][0] == "/accounts/login/"
    assert client.get("/").status_code == 302


def test_forgotten_password(client, make_user, mailoutbox):
    make_user("ada")
    response = client.post("/accounts/password/reset/", {"email": "ada@example.com"}, follow=True)
    assert "Look into your mail" in response.content.decode()
    link = link_in(mailoutbox[0])
    form = client.get(link, follow=True)
    response = client.post(
        form.redirect_chain[-1][0], {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}, follow=True
    )
    assert "Your password is changed" in response.content.decode()
    assert "was invalid" in Client().get(link, follow=True).content.decode()
    assert sign_in(Client(), "ada@example.com", NEW_PASSWORD).redirect_chain[-1][0] == "/"


def test_forgotten_password_of_nobody_answers_the_same(client, db, mailoutbox):
    response = client.post("/accounts/password/reset/", {"email": "nobody@example.com"}, follow=True)
    assert "Look into your mail" in response.content.decode()


def test_changed_password_is_told_by_mail(client, make_user, mailoutbox):
    make_user("ada")
    sign_in(client, "ada@example.com")
    form = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    response = client.post("/accounts/password/change/", form, follow=True)
    assert "Password successfully changed." in response.content.decode()
    assert "password" in mailoutbox[-1].subject.lower()


def test_address_changes_once_the_new_one_is_confirmed(client, mailoutbox):
    sign_up(client)
    client.post(link_in(mailoutbox[0]))
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    response = client.post("/accounts/email/", {"email": "ada@new.example", "action_add": ""}, follow=True)
    assert "ada@new.example takes its place once you have opened the link" in response.content.decode()
    assert User.objects.get().email == "ada@example.com"
    link = next(link_in(mail) for mail in mailoutbox if mail.to == ["ada@new.example"])
    assert "Confirm" in client.get(link).content.decode()
    client.post(link)
    assert User.objects.get().email == "ada@new.example"
    assert "ada@new.example" in client.get("/accounts/email/").content.decode()
    client.logout()
    assert sign_in(client, "ada@new.example").redirect_chain[-1][0] == "/"


def test_change_of_address_is_called_off(client, mailoutbox):
    sign_up(client)
    client.post(link_in(mailoutbox[0]))
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.post("/accounts/email/", {"email": "ada@new.example", "action_add": ""})
    response = client.post("/accounts/email/", {"email": "ada@new.example", "action_remove": ""}, follow=True)
    assert "takes its place" not in response.content.decode()


@pytest.mark.parametrize("path", ["login", "signup", "password/reset", "password/reset/done"])
def test_entrance_page_is_the_consoles_card(client, db, path):
    content = client.get(f"/accounts/{path}/").content.decode()
    assert 'class="card card-md"' in content
    assert "css/console.css" in content
    assert content.count("<h1") == 1
    assert "style=" not in content


@pytest.mark.parametrize("path", ["email", "password/change", "2fa", "logout"])
def test_page_of_ones_account_is_a_console_page_with_tabs(make_user, page_of, path):
    content = page_of(make_user("ada")).get(f"/accounts/{path}/").content.decode()
    assert 'aria-label="Your account"' in content
    assert content.count("<h1") == 1
    assert "style=" not in content
