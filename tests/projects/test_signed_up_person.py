"""The way of somebody new, over the doors that they use: sign-up form, then the API with the session's CSRF token."""

from __future__ import annotations

import pytest
from django.test import Client
from rest_framework.test import APIClient

from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def test_signs_up_and_makes_organization_project_and_keys_over_the_api():
    client = Client(enforce_csrf_checks=True)
    client.get("/accounts/signup/")
    token = client.cookies["csrftoken"].value
    form = {"email": "ada@example.com", "password1": PASSWORD, "password2": PASSWORD, "csrfmiddlewaretoken": token}
    assert client.post("/accounts/signup/", form).status_code == 302

    def post(path: str, body: dict):
        headers = {"X-CSRFToken": client.cookies["csrftoken"].value}
        return client.post(path, body, content_type="application/json", headers=headers)

    organization = post("/api/v1/organizations", {"name": "Ada & Co"})
    assert organization.status_code == 201, organization.json()
    assert organization.json()["slug"] == "ada-co"
    assert organization.json()["role"] == "owner"

    project = post("/api/v1/organizations/ada-co/projects", {"name": "Reader"})
    assert project.status_code == 201, project.json()
    keys = f"/api/v1/projects/{project.json()['id']}/keys"

    key = post(keys, {"name": "script", "kind": "server", "scopes": ["read", "datasets"]})
    assert key.status_code == 201, key.json()
    assert key.json()["secret"].startswith("sk_")
    assert post(keys, {"name": "app", "kind": "device"}).json()["secret"].startswith("dk_")

    program = APIClient()
    program.credentials(HTTP_AUTHORIZATION=f"Bearer {key.json()['secret']}")
    assert program.get(f"/api/v1/projects/{project.json()['id']}").json()["name"] == "Reader"


def test_session_without_csrf_token_is_refused_in_the_one_error_shape(owner):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    response = client.post("/api/v1/organizations", {"name": "Acme"}, content_type="application/json")
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "permission_denied"
    assert "CSRF" in response.json()["error"]["message"]
