"""Every operation of the team API and the device API, with what its description allows and with what it forbids: no
answer is a fault of the server. schemathesis makes the requests from the OpenAPI schema, the same ones each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from django.conf import settings
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.test import Client, override_settings
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error

from apps.accounts.models import Role
from config.wsgi import application
from tests.access.world import World, make_world

if TYPE_CHECKING:
    APIOperation = schemathesis.APIOperation[Any, Any, Any, Any]


def whole_answers(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The platform, read to the end and closed, as a server does it; the client of schemathesis leaves files open."""
    # As Django's own test client: the test's transaction must outlive the request, and its connection with it.
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    try:
        with closing(application(environ, start_response)) as response:
            return list(response)
    finally:
        request_started.connect(close_old_connections)
        request_finished.connect(close_old_connections)


SCHEMA = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))
SCHEMA.app = whole_answers
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]
EXAMPLES = 5

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[World]:
    storages = dict(settings.STORAGES)
    if storages["default"]["BACKEND"].endswith("LocalStorage"):
        storages["default"] = {**storages["default"], "OPTIONS": {"location": str(tmp_path_factory.mktemp("media"))}}
    with override_settings(STORAGES=storages), django_db_blocker.unblock(), transaction.atomic():
        yield make_world("ours")
        transaction.set_rollback(True)


def credentials(operation: APIOperation, world: World) -> dict[str, str]:
    """The headers of whoever may do everything there: a device key, or the owner's browser with its CSRF token."""
    if operation.path.startswith("/api/device/"):
        return {"Authorization": f"Bearer {world.keys['device']}"}
    client = Client()
    client.force_login(world.people[Role.OWNER])
    session, token = client.cookies[settings.SESSION_COOKIE_NAME].value, "c" * 32
    return {
        "Cookie": f"{settings.SESSION_COOKIE_NAME}={session}; {settings.CSRF_COOKIE_NAME}={token}",
        "X-CSRFToken": token,
    }


def row_of(operation: APIOperation, name: str, world: World) -> str | None:
    """The row that a parameter or a field of this name means here, None where it means none."""
    if name == "project":
        name = "project_id"
    if name == "version" and "/datasets/" in operation.path:
        name = "dataset_version"
    return str(world.rows[name]) if name in world.rows else None


def cases(operation: APIOperation) -> st.SearchStrategy[Case]:
    allowed = operation.as_strategy(GenerationMode.POSITIVE)
    if operation.body or operation.query:
        return st.one_of(allowed, operation.as_strategy(GenerationMode.NEGATIVE))
    return allowed


def test_the_schema_has_both_apis():
    paths = {operation.path for operation in OPERATIONS}
    assert len(OPERATIONS) > 50
    assert {"/api/v1/projects/{project}/training-runs", "/api/device/v1/manifest", "/api/device/v1/events"} <= paths


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_no_request_is_answered_with_a_fault(operation: APIOperation, world: World):
    headers = credentials(operation, world)

    @hypothesis_settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases(operation), has_rows=st.booleans())
    def check(case: Case, has_rows: bool) -> None:
        # An invented id gets no further than 404, so the address leads to a row, and every other body names rows too.
        for name in case.path_parameters:
            case.path_parameters[name] = row_of(operation, name, world) or case.path_parameters[name]
        if has_rows and isinstance(case.body, dict):
            for name in case.body:
                case.body[name] = row_of(operation, name, world) or case.body[name]
        with transaction.atomic():
            response = case.call(headers=headers)
            case.validate_response(response, checks=[not_a_server_error])
            transaction.set_rollback(True)

    check()
