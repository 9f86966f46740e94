"""Every URL and method of the console and both APIs, as everybody who could knock.

The strangers get 404 (nothing is admitted to exist), nobody in particular is sent to the sign-in or gets 401, a role or
key that is too low gets 403, and who may gets an answer that is no refusal and no fault.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.test import Client

from apps.accounts.models import Role, User
from config.urls import websocket_urlpatterns
from tests.access.lines import LINES, WEBSOCKETS, Door, Line
from tests.access.urls import BY_NAME, addresses, row_of, url_of
from tests.access.world import World

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# They have no line: whoever may not read gets no more from these than from GET.
TELLING = ("HEAD", "OPTIONS")
LINED = {(line.name, line.method) for line in LINES}
# Parameters that name no row of a tenant.
PLAIN = {"path", "number", "token"}
NOBODY = AnonymousUser()

pytestmark = pytest.mark.django_db


def answer(line: Line, url: str, who: User | str | AnonymousUser = NOBODY) -> Any:
    """What `who` (a person or a key's secret) gets. Whatever the request changed is taken back."""
    client = Client(headers={"authorization": f"Bearer {who}"} if isinstance(who, str) else {})
    with transaction.atomic():
        if isinstance(who, User):
            client.force_login(who)
        is_json = BY_NAME[line.name].is_api
        body = {"data": line.data or {}, "content_type": "application/json"} if is_json else {"data": line.data or {}}
        response = getattr(client, line.method.lower())(url, **({} if line.method in {"GET", *TELLING} else body))
        if response.streaming:
            response.getvalue()  # to the end, so that its file is closed
        transaction.set_rollback(True)
    return response


def is_open(response: Any) -> Any:
    refused = response.status_code in {401, 403, 404, 405} or asks_to_sign_in(response)
    return not refused and response.status_code < 500


def asks_to_sign_in(response: Any) -> Any:
    return response.status_code == 302 and response["Location"].startswith("/accounts/login/")


def said(response: Any) -> str:
    where = response.headers.get("Location", "")
    return f"{response.status_code} {where} {b'' if response.streaming else response.content[:300]!r}"


def expect_refusal(line: Line, response: Any, status: int, who: str) -> None:
    assert response.status_code == status, f"{who} got {said(response)}, expected {status}"
    if BY_NAME[line.name].is_api:
        error = response.json()["error"]
        assert error["code"], who
        assert error["message"], who


# --- The table is complete ---


def test_every_address_has_a_line():
    known = {line.name for line in LINES}
    missing = [f"{address.name} ({address.route})" for address in addresses() if address.name not in known]
    assert not missing, f"Add a line to tests/access/lines.py for: {', '.join(missing)}"


def test_every_line_has_an_address():
    assert [str(line) for line in LINES if line.name not in BY_NAME] == []


def test_every_websocket_has_a_test_of_its_own():
    assert {pattern.name for pattern in websocket_urlpatterns} == set(WEBSOCKETS)
    assert [path for path in WEBSOCKETS.values() if not (settings.BASE_DIR / path).is_file()] == []


def test_no_line_stands_twice():
    assert len(LINED) == len(LINES)


@pytest.mark.parametrize("name", sorted({line.name for line in LINES if line.name in BY_NAME}))
def test_method_without_a_line_is_not_allowed(name: str, worlds: tuple[World, World]):
    """A method that the table does not name is answered with 405 to somebody who may do everything."""
    ours, _ = worlds
    template = next(line for line in LINES if line.name == name)
    for method in METHODS:
        if (name, method) in LINED:
            continue
        line = Line(name, method, template.needs, template.scope, template.data, template.query, template.rows)
        who = ours.keys["device"] if line.needs is Door.DEVICE else ours.people[Role.OWNER]
        response = answer(line, url_of(line, ours), who)
        hint = "Add a line for it, or refuse it (@require_GET …)."
        assert response.status_code == 405, f"{method} {url_of(line, ours)} answered {said(response)}. {hint}"


@pytest.mark.parametrize("name", sorted({line.name for line in LINES if line.name in BY_NAME}))
def test_head_and_options_open_no_door_that_get_leaves_shut(name: str, worlds: tuple[World, World]):
    ours, theirs = worlds
    template = next(line for line in LINES if line.name == name)
    url = url_of(template, ours)
    everybody: dict[str, User | str | AnonymousUser] = {
        "nobody": NOBODY,
        "another organization's owner": theirs.people[Role.OWNER],
        **{f"the {role}": person for role, person in ours.people.items()},
        "a key with every scope": ours.keys["all"],
        "a key without scopes": ours.keys[""],
        "a device key": ours.keys["device"],
        "another project's key": theirs.keys["all"],
        "another project's device key": theirs.keys["device"],
        "a revoked key": ours.keys["revoked"],
    }
    for who, actor in everybody.items():
        read = answer(replace(template, method="GET", data=None), url, actor)
        for method in TELLING:
            response = answer(replace(template, method=method, data=None), url, actor)
            what = f"{method}: {who} got {said(response)}, by GET {said(read)}"
            assert response.status_code < 500, what
            if method == "HEAD" and not response.streaming:
                assert response.content == b"", what
            if method == "OPTIONS" and response.status_code == 200:
                assert not BY_NAME[name].is_api or set(response.json()) == {"methods"}, what
                is_a_tenants = isinstance(template.needs, Role)
                assert is_open(read) or read.status_code == 405 or not (is_a_tenants or read.status_code == 401), what
            else:
                assert response.status_code in {read.status_code, 405}, what


# --- Who gets in ---


def lines(*doors: Door) -> pytest.MarkDecorator:
    chosen = [line for line in LINES if (line.needs in doors if doors else isinstance(line.needs, Role))]
    return pytest.mark.parametrize("line", chosen, ids=str)


@lines()
def test_page_or_endpoint_of_a_tenant(line: Line, worlds: tuple[World, World]):
    ours, theirs = worlds
    assert isinstance(line.needs, Role)
    url, is_api = url_of(line, ours), BY_NAME[line.name].is_api
    is_project = "project" in BY_NAME[line.name].parameters

    anonymous = answer(line, url)
    if is_api:
        expect_refusal(line, anonymous, 401, "nobody")
        assert anonymous["WWW-Authenticate"] == "Bearer"
    else:
        assert asks_to_sign_in(anonymous), f"nobody got {said(anonymous)}"

    for role, stranger in theirs.people.items():
        expect_refusal(line, answer(line, url, stranger), 404, f"another organization's {role}")

    for role, person in ours.people.items():
        response = answer(line, url, person)
        if role.covers(line.needs):
            assert is_open(response), f"the {role} got {said(response)}"
        else:
            expect_refusal(line, response, 403, f"the {role}")

    if not is_api:  # a key is nothing to the console
        assert asks_to_sign_in(answer(line, url, ours.keys["all"]))
        assert asks_to_sign_in(answer(line, url, ours.keys["device"]))
        return
    expect_refusal(line, answer(line, url, "sk_made_up"), 401, "an unknown key")
    expect_refusal(line, answer(line, url, ours.keys["revoked"]), 401, "a revoked key")
    expect_refusal(line, answer(line, url, ours.keys["device"]), 403, "a device key")
    expect_refusal(line, answer(line, url, theirs.keys["all"]), 404, "another project's key")
    expect_refusal(line, answer(line, url, ours.keys[""]), 403 if is_project else 404, "a key without scopes")
    if line.scope is None:
        expect_refusal(line, answer(line, url, ours.keys["all"]), 403 if is_project else 404, "a key with every scope")
        return
    response = answer(line, url, ours.keys[line.scope.value])
    assert is_open(response), f"a key with the scope {line.scope} got {said(response)}"
    if line.scope != "read":  # every scope includes reading
        expect_refusal(line, answer(line, url, ours.keys[f"all but {line.scope}"]), 403, f"a key without {line.scope}")


@lines()
def test_another_tenants_row_under_ones_own_address(line: Line, worlds: tuple[World, World]):
    """Replacing any one part of the address by the other tenant's leads nowhere, even for an owner or a full key."""
    ours, theirs = worlds
    parameters = BY_NAME[line.name].parameters
    for parameter in set(parameters) - PLAIN:
        url = url_of(line, ours, **{parameter: theirs.rows[row_of(line, parameter)]})
        expect_refusal(line, answer(line, url, ours.people[Role.OWNER]), 404, f"the owner with another {parameter}")
        if line.scope is not None:
            key = ours.keys[line.scope.value]
            expect_refusal(line, answer(line, url, key), 404, f"a key with another {parameter}")


@lines(Door.SIGNED_IN)
def test_what_every_signed_in_person_may(line: Line, worlds: tuple[World, World]):
    ours, _ = worlds
    url, is_api = url_of(line, ours), BY_NAME[line.name].is_api
    anonymous = answer(line, url)
    if is_api:
        expect_refusal(line, anonymous, 401, "nobody")
        expect_refusal(line, answer(line, url, ours.keys["all"]), 403, "a server key")
        expect_refusal(line, answer(line, url, ours.keys["device"]), 403, "a device key")
    else:
        assert asks_to_sign_in(anonymous), f"nobody got {said(anonymous)}"
    somebody = User.objects.create(email="invited@ours.example")
    assert is_open(answer(line, url, somebody)), said(answer(line, url, somebody))
    somebody.delete()


@lines(Door.ANYBODY)
def test_what_everybody_may(line: Line, worlds: tuple[World, World]):
    ours, _ = worlds
    everybody: list[User | str | AnonymousUser] = [NOBODY, *ours.people.values(), ours.keys["device"]]
    for who in everybody:
        response = answer(line, url_of(line, ours), who)
        assert is_open(response), f"{who} got {said(response)}"


@lines(Door.DEVICE)
def test_device_endpoint(line: Line, worlds: tuple[World, World]):
    ours, theirs = worlds
    url = url_of(line, ours)
    expect_refusal(line, answer(line, url), 401, "nobody")
    expect_refusal(line, answer(line, url, ours.people[Role.OWNER]), 401, "a signed-in owner")
    expect_refusal(line, answer(line, url, "dk_made_up"), 401, "an unknown key")
    expect_refusal(line, answer(line, url, ours.keys["revoked"]), 401, "a revoked key")
    expect_refusal(line, answer(line, url, ours.keys["all"]), 403, "a server key")
    response = answer(line, url, ours.keys["device"])
    assert is_open(response), f"the device key got {said(response)}"
    if set(BY_NAME[line.name].parameters) - PLAIN:
        expect_refusal(line, answer(line, url, theirs.keys["device"]), 404, "another project's device key")
