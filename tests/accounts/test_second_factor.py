"""Authenticator app and recovery codes."""

from __future__ import annotations

import time

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core.cache import cache
from django.test import Client

from apps.encryption import UnreadableError
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def code_of(secret: str):
    """The code of these 30 seconds, with at least 2 of them left to use it in."""
    left = 30 - time.time() % 30
    if left < 2:
        time.sleep(left)
    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


def sign_in(client: Client):
    return client.post("/accounts/login/", {"login": "ada@example.com", "password": PASSWORD}, follow=True)


def begin(client: Client):
    """The page that switches the second factor on: signing in is not enough, the password is asked for again."""
    sign_in(client)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client.get("/accounts/2fa/totp/activate/")


@pytest.fixture
def ada(make_user):
    user = make_user("ada")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


@pytest.fixture
def secret(client, ada):
    """Ada, signed in by `client`, has switched the second factor on."""
    form = begin(client)
    secret = form.context["form"].secret
    client.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)})
    assert Authenticator.objects.filter(user=ada).count() == 2
    return secret


def test_switching_on_shows_the_secret_as_picture_and_text_and_gives_recovery_codes(client, ada):
    form = begin(client)
    content = form.content.decode()
    assert 'src="data:image/svg+xml' in content
    assert form.context["form"].secret in content
    response = client.post("/accounts/2fa/totp/activate/", {"code": "000000"})
    assert response.context["form"].errors["code"] == ["Incorrect code."]
    response = client.post("/accounts/2fa/totp/activate/", {"code": code_of(form.context["form"].secret)}, follow=True)
    assert "There are 10 out of 10 recovery codes available." in response.content.decode()


def test_account_is_confirmed_before_the_second_factor_is_touched(page_of, ada):
    response = page_of(ada).get("/accounts/2fa/totp/activate/")
    assert response["Location"].startswith("/accounts/reauthenticate/?next=")


def test_address_has_to_be_confirmed_first(client, ada):
    """Else somebody could sign up with another person's address and keep that person out for good."""
    EmailAddress.objects.update(verified=False)
    sign_in(client)
    response = client.get("/accounts/2fa/totp/activate/", follow=True)
    assert "until you have verified your email address" in response.content.decode()


def test_sign_in_asks_for_the_code(client, secret):
    client.post("/accounts/logout/")
    response = sign_in(client)
    assert response.redirect_chain[-1][0] == "/accounts/2fa/authenticate/"
    assert client.get("/").status_code == 302
    response = client.post("/accounts/2fa/authenticate/", {"code": "123"}, follow=True)
    assert "Incorrect code." in response.content.decode()
    cache.clear()  # a code works once, and this one switched the second factor on
    response = client.post("/accounts/2fa/authenticate/", {"code": code_of(secret)}, follow=True)
    assert response.redirect_chain[-1][0] == "/"


def recovery_code():
    return Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()[0]


def test_recovery_code_works_once(client, secret):
    code = recovery_code()
    for expected in ("/", "/accounts/2fa/authenticate/"):
        client.post("/accounts/logout/")
        sign_in(client)
        response = client.post("/accounts/2fa/authenticate/", {"code": code}, follow=True)
        assert response.request["PATH_INFO"] == expected


def give_code(client: Client, code: str):
    client.post("/accounts/logout/")
    sign_in(client)
    cache.clear()  # a code works once, and this one may have switched the second factor on
    return client.post("/accounts/2fa/authenticate/", {"code": code}, follow=True)


def test_neither_the_secret_nor_the_seed_of_the_codes_is_stored_readable(secret):
    stored = {row.type: row.data for row in Authenticator.objects.all()}
    assert secret not in str(stored)
    for token in (stored["totp"]["secret"], stored["recovery_codes"]["seed"]):
        assert token.startswith("gAAAA")  # a Fernet token


def test_codes_work_on_after_the_secret_key_was_changed(client, secret, settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 10, [settings.SECRET_KEY]
    assert give_code(client, code_of(secret)).redirect_chain[-1][0] == "/"
    assert give_code(client, recovery_code()).redirect_chain[-1][0] == "/"


def test_without_the_former_secret_key_nobody_gets_in_and_the_log_says_what_to_do(client, secret, settings):
    """Letting somebody in with the password alone would take their second factor away unasked."""
    settings.SECRET_KEY = "another" * 10
    with pytest.raises(UnreadableError, match="SECRET_KEY_FALLBACKS"):
        give_code(client, code_of(secret))
    assert client.get("/").status_code == 302


def test_switching_off_is_told_by_mail(client, secret, mailoutbox):
    assert "Are you sure?" in client.get("/accounts/2fa/totp/deactivate/").content.decode()
    response = client.post("/accounts/2fa/totp/deactivate/", follow=True)
    assert "Authenticator app deactivated." in response.content.decode()
    assert "deactivated" in mailoutbox[-1].body
    client.post("/accounts/logout/")
    assert sign_in(client).redirect_chain[-1][0] == "/"
