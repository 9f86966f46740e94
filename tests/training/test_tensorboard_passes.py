"""Passes: what they are worth after keys were exchanged, and that no log of the platform's own has one."""

from __future__ import annotations

import io
import logging
from types import SimpleNamespace

import pytest
from django.contrib.auth import HASH_SESSION_KEY
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse

from apps.accounts.sessions import user_of
from apps.projects.access import enter_project
from apps.training.tensorboard import passes, views
from apps.training.tensorboard.boards import AllInUseError

pytestmark = pytest.mark.django_db


@pytest.fixture
def access(viewer, project):
    return enter_project(viewer, id=project.pk)


@pytest.fixture
def signed_in(client, viewer) -> Client:
    client.force_login(viewer)
    return client


@pytest.fixture
def given(signed_in, access) -> str:
    request = HttpRequest()
    request.session = signed_in.session
    return passes.new_pass(request, access)


@pytest.fixture
def boards(monkeypatch, settings):
    """Of which none is ever there; `open` may be exchanged."""

    def refuse(*about):
        raise AllInUseError

    settings.TENSORBOARD_MAX = 1
    found = SimpleNamespace(running=lambda project: None, open=refuse)
    monkeypatch.setattr(views, "boards", lambda: found)
    return found


@pytest.fixture
def said():
    """What the platform's own handler writes."""
    written = io.StringIO()
    handler = next(one for one in logging.getLogger().handlers if type(one) is logging.StreamHandler)
    before = handler.setStream(written)
    yield written
    handler.setStream(before)


def part(given: str) -> str:
    return reverse("tensorboard-part", args=["acme", "reader", given, "data/environment"])


def test_a_pass_and_a_session_outlive_an_exchange_of_the_secret_key(given, signed_in, viewer, settings, boards):
    key = signed_in.session.session_key
    assert (user_of(key), passes.holder_of(given).user) == (viewer, viewer)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 9, [settings.SECRET_KEY]
    assert signed_in.session[HASH_SESSION_KEY] != viewer.get_session_auth_hash()
    assert (user_of(key), passes.holder_of(given).user) == (viewer, viewer)
    settings.SECRET_KEY_FALLBACKS = []
    assert (user_of(key), passes.holder_of(given)) == (None, None)


def test_nobody_s_session_is_nobody_s(given, signed_in, viewer):
    key = signed_in.session.session_key
    viewer.is_active = False
    viewer.save()
    assert [user_of(key), user_of(None), user_of("none"), passes.holder_of(given)] == [None] * 4


@pytest.mark.parametrize("status", [503, 500, 404, 405])
def test_no_part_of_a_pass_is_in_the_log(status, given, boards, caplog, said, monkeypatch):
    def break_down(*about):
        raise RuntimeError("It broke down.")

    client, address = Client(raise_request_exception=False), part(given)
    if status == 500:
        boards.open = break_down
    if status == 404:
        address = address.replace("/p/reader/", "/p/other/")
    response = client.put(address) if status == 405 else client.get(address)
    assert response.status_code == status
    for text in (caplog.text, said.getvalue()):
        assert "/training/tensorboard/…" in text
        assert not any(given[at : at + 12] in text for at in range(0, len(given) - 12, 12))
    assert ("It broke down." in said.getvalue()) == (status == 500)


def test_other_addresses_are_in_the_log_as_ever(caplog):
    assert Client().get("/nowhere/").status_code == 404
    assert "Not Found: /nowhere/" in caplog.text
