"""People, tenants and keys that most tests need. Real rows, made by the plainest means."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from apps.accounts.models import Membership, Organization, Role, User
from apps.projects.authentication import hash_secret
from apps.projects.models import ApiKey, Project, Scope

PASSWORD = "a-long-test-password"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests come first, so that no process is left alone with one (setup/run_tests.py)."""
    long = {item.path for item in items if item.get_closest_marker("engine") or item.get_closest_marker("browser")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker) -> Iterator[None]:
    """PostgreSQL drops no database that a thread of a finished test still has a connection to: such ones are ended."""
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            cursor.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM ({others}) AS others")


@pytest.fixture
def make_user(db) -> Callable[..., User]:
    def make(name: str, **fields) -> User:
        return User.objects.create_user(f"{name}@example.com", PASSWORD, **fields)

    return make


@pytest.fixture
def organization(db) -> Organization:
    return Organization.objects.create(name="Acme", slug="acme", quota_bytes=2**30)


@pytest.fixture
def member(make_user, organization) -> Callable[[Role], User]:
    """`member(Role.VIEWER)` → a user with that role in `organization`."""

    def make(role: Role) -> User:
        user = make_user(role.value)
        Membership.across_tenants.create(organization=organization, user=user, role=role)
        return user

    return make


@pytest.fixture
def owner(member) -> User:
    return member(Role.OWNER)


@pytest.fixture
def developer(member) -> User:
    return member(Role.DEVELOPER)


@pytest.fixture
def viewer(member) -> User:
    return member(Role.VIEWER)


@pytest.fixture
def stranger(make_user) -> User:
    """Somebody with an account and an organization of their own, but no part in `organization`."""
    user = make_user("stranger")
    other = Organization.objects.create(name="Other", slug="other", quota_bytes=2**30)
    Membership.across_tenants.create(organization=other, user=user, role=Role.OWNER)
    return user


@pytest.fixture
def project(organization) -> Project:
    return Project.across_tenants.create(organization=organization, name="Reader", slug="reader")


def make_key(project: Project, kind: ApiKey.Kind, scopes: list[str], secret: str) -> str:
    ApiKey.across_tenants.create(
        project=project,
        name=f"{kind} key",
        kind=kind,
        prefix=secret[:11],
        secret_hash=hash_secret(secret),
        scopes=scopes,
    )
    return secret


@pytest.fixture
def server_key(project) -> str:
    """The secret of a server key with every scope."""
    return make_key(project, ApiKey.Kind.SERVER, [scope.value for scope in Scope], "sk_" + "s" * 40)


@pytest.fixture
def device_key(project) -> str:
    return make_key(project, ApiKey.Kind.DEVICE, [], "dk_" + "d" * 40)


@pytest.fixture
def page_of() -> Callable[[User], Client]:
    """`page_of(user)` → a browser-like client signed in as `user`."""

    def sign_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def api_of() -> Callable[[User | str], APIClient]:
    """`api_of(user)` → a JSON client with a session; `api_of(secret)` → one with a key."""

    def sign_in(who: User | str) -> APIClient:
        client = APIClient()
        client.default_format = "json"
        if isinstance(who, User):
            client.force_login(who)
        else:
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {who}")
        return client

    return sign_in
