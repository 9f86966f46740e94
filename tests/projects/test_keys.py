from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import Role
from apps.errors import Refused
from apps.projects.access import Access
from apps.projects.authentication import hash_secret
from apps.projects.models import ApiKey
from apps.projects.services.keys import create_key, revoke_key

SERVER, DEVICE = ApiKey.Kind.SERVER, ApiKey.Kind.DEVICE

pytestmark = pytest.mark.django_db


@pytest.fixture
def access(developer, organization, project) -> Access:
    return Access(developer, organization, Role.DEVELOPER, project)


def test_only_the_hash_of_the_secret_is_stored(access):
    new = create_key(access=access, name="CI", kind=SERVER, scopes=["training", "read"])
    assert len(new.secret) == len("sk_") + 43
    row = ApiKey.across_tenants.values().get()
    assert row["secret_hash"] == hash_secret(new.secret)
    assert row["prefix"] == new.secret[:11]
    assert new.secret not in str(row)
    assert row["scopes"] == ["read", "training"]
    entry = access.organization.audit_entries.get()
    assert (entry.action, entry.project) == ("key.created", access.project)
    assert new.secret not in str(entry.details) + entry.target


@pytest.mark.parametrize(
    ("kind", "scopes", "code"),
    [
        (SERVER, [], "scopes_missing"),
        (SERVER, ["fly"], "scopes_unknown"),
        (DEVICE, ["read"], "scopes_not_for_device_keys"),
    ],
)
def test_scopes_that_make_no_sense_are_refused(access, kind, scopes, code):
    with pytest.raises(Refused) as refused:
        create_key(access=access, name="CI", kind=kind, scopes=scopes)
    assert refused.value.code == code
    assert refused.value.details[0]["field"] == "scopes"
    assert not ApiKey.across_tenants.exists()


def test_revoking_twice_is_recorded_once(access):
    key = create_key(access=access, name="App", kind=DEVICE).key
    first = revoke_key(access=access, key=key).revoked_at
    assert revoke_key(access=access, key=key).revoked_at == first
    assert access.organization.audit_entries.filter(action="key.revoked").count() == 1


# --- What a key opens ---


def test_last_use_is_noted_at_most_once_a_minute(server_key, api_of, project, django_assert_num_queries):
    api, url = api_of(server_key), f"/api/v1/projects/{project.pk}"
    with django_assert_num_queries(3):
        api.get(url)
    first = ApiKey.across_tenants.get().last_used_at
    assert first is not None
    with django_assert_num_queries(2):
        api.get(url)
    assert ApiKey.across_tenants.get().last_used_at == first
    ApiKey.across_tenants.update(last_used_at=first - timedelta(minutes=2))
    api.get(url)
    assert ApiKey.across_tenants.filter(last_used_at__gt=first).exists()


def test_revoked_key_opens_nothing(server_key, api_of, project):
    ApiKey.across_tenants.update(revoked_at=timezone.now())
    response = api_of(server_key).get(f"/api/v1/projects/{project.pk}")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert response.json() == {
        "error": {"code": "invalid_key", "message": "This key is unknown or revoked.", "details": []}
    }


@pytest.mark.parametrize("header", ["Bearer ", "Bearer sk_wrong", "bearer dk_wrong", "Bearer sk_ä"])
def test_wrong_key_is_401_in_the_one_error_shape(client, project, header):
    response = client.get(f"/api/v1/projects/{project.pk}", headers={"authorization": header})
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert response.json()["error"]["code"] == "invalid_key"


@pytest.mark.parametrize("header", ["", "Basic YTpi", "sk_without_a_scheme"])
def test_no_key_is_401_and_says_how_to_sign_in(client, project, header):
    response = client.get(f"/api/v1/projects/{project.pk}", headers={"authorization": header})
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert response.json()["error"]["code"] == "not_authenticated"


def test_expired_session_is_401(api_of, viewer, project):
    api = api_of(viewer)
    api.session.flush()
    response = api.get(f"/api/v1/projects/{project.pk}")
    assert (response.status_code, response.json()["error"]["code"]) == (401, "not_authenticated")


def test_device_key_at_the_team_api_is_named_as_the_wrong_kind(api_of, device_key, project):
    response = api_of(device_key).get(f"/api/v1/projects/{project.pk}")
    assert (response.status_code, response.json()["error"]["code"]) == (403, "wrong_key_kind")
    assert response.json()["error"]["message"] == "This needs a server key; the one sent is a device key."


def test_key_of_somebody_deactivated_stays_and_their_session_ends(api_of, developer, server_key, project):
    api = api_of(developer)
    developer.is_active = False
    developer.save()
    assert api.get(f"/api/v1/projects/{project.pk}").status_code == 401
    assert api_of(server_key).get(f"/api/v1/projects/{project.pk}").status_code == 200


# --- Pages ---


def test_secret_is_shown_once(developer, page_of, project):
    page = page_of(developer)
    response = page.post("/o/acme/p/reader/keys/new/", {"name": "CI", "kind": "server", "scopes": ["read", "models"]})
    assert response.status_code == 201
    assert "no-store" in response["Cache-Control"]
    secret = response.context["new"].secret
    assert f">{secret}<" in response.content.decode()
    content = page.get("/o/acme/p/reader/keys/").content.decode()
    assert "CI" in content
    assert secret[:11] in content
    assert secret not in content
    assert secret not in str(dict(page.session))


def test_form_says_that_a_server_key_needs_a_scope(developer, page_of, project):
    response = page_of(developer).post("/o/acme/p/reader/keys/new/", {"name": "CI", "kind": "server"})
    assert response.status_code == 400
    assert "Choose one or more of: read, datasets" in response.context["form"].errors["scopes"][0]


def test_developer_revokes(developer, page_of, project, server_key):
    key = ApiKey.across_tenants.get()
    response = page_of(developer).post(f"/o/acme/p/reader/keys/{key.pk}/revoke/", follow=True)
    assert "is revoked. Whatever still uses it gets an error from now on." in response.content.decode()
    assert "Revoked" in response.content.decode()


def test_viewer_sees_keys_without_buttons(viewer, page_of, project, server_key):
    content = page_of(viewer).get("/o/acme/p/reader/keys/").content.decode()
    assert "server key" in content
    assert "New key" not in content
    assert "Revoke server key" not in content


def test_empty_list_says_what_to_do_next(developer, viewer, page_of, project):
    assert "Make a key" in page_of(developer).get("/o/acme/p/reader/keys/").content.decode()
    assert "A developer, admin or owner makes them." in page_of(viewer).get("/o/acme/p/reader/keys/").content.decode()


def test_list_makes_the_same_queries_for_any_number(viewer, page_of, access, django_assert_num_queries):
    page = page_of(viewer)
    create_key(access=access, name="0", kind=DEVICE)
    page.get("/o/acme/p/reader/keys/")
    with django_assert_num_queries(5):
        page.get("/o/acme/p/reader/keys/")
    for number in range(5):
        create_key(access=access, name=str(number), kind=DEVICE)
    with django_assert_num_queries(5):
        page.get("/o/acme/p/reader/keys/")


# --- API ---


def test_api_makes_lists_and_revokes(developer, api_of, project):
    api, url = api_of(developer), f"/api/v1/projects/{project.pk}/keys"
    made = api.post(url, {"name": "CI", "kind": "server", "scopes": ["read"]})
    assert made.status_code == 201
    assert set(made.json()) == {
        "id", "name", "kind", "prefix", "scopes", "created_at", "last_used_at", "revoked_at", "secret"
    }  # fmt: skip
    [row] = api.get(url).json()["results"]
    assert (row["id"], "secret" in row) == (made.json()["id"], False)
    assert api.delete(f"{url}/{row['id']}").status_code == 204
    assert api.get(f"{url}/{row['id']}").json()["revoked_at"] is not None
    assert api_of(made.json()["secret"]).get(f"/api/v1/projects/{project.pk}").status_code == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "server", "scopes": ["read"]}, "name"),
        ({"name": "x", "scopes": ["read"]}, "kind"),
        ({"name": "x", "kind": "robot"}, "kind"),
        ({"name": "x", "kind": "server"}, "scopes"),
        ({"name": "x", "kind": "server", "scopes": ["fly"]}, "scopes.0"),
        ({"name": "x", "kind": "device", "scopes": ["read"]}, "scopes"),
    ],
)
def test_api_names_the_field_that_is_wrong(developer, api_of, project, body, field):
    response = api_of(developer).post(f"/api/v1/projects/{project.pk}/keys", body)
    assert response.status_code == 400
    assert [detail["field"] for detail in response.json()["error"]["details"]] == [field]


def test_keys_do_not_make_keys(server_key, api_of, project):
    response = api_of(server_key).post(f"/api/v1/projects/{project.pk}/keys", {"name": "x", "kind": "device"})
    assert response.status_code == 403
    assert response.json()["error"]["message"] == "This needs a signed-in member; a server key can't do it."
