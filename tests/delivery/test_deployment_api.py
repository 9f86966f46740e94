from __future__ import annotations

from uuid import uuid4

import pytest

from apps.accounts.models import Role
from apps.delivery.services import publish
from apps.projects.models import ApiKey, Scope
from tests.conftest import make_key
from tests.delivery.rows import access_of, make_model, make_version


@pytest.fixture
def url(project) -> str:
    return f"/api/v1/projects/{project.pk}/deployments"


@pytest.fixture
def published(access, model, version):
    return publish(access=access, model=model, version=version, note="first")


def body(version, **more) -> dict[str, str]:
    return {"model": str(version.model_id), "version": str(version.pk), **more}


def test_publishing_answers_with_the_deployment(api_of, developer, url, version):
    answer = api_of(developer).post(url, body(version, note="first"))
    assert answer.status_code == 201
    deployment = answer.json()
    assert deployment["model"] == {"id": str(version.model_id), "name": "Digits", "slug": "digits"}
    current = deployment["current"]
    assert current["version"] == {"id": str(version.pk), "number": 1, "label": "", "min_runtime": "2.17.0"}
    assert (current["number"], current["note"], current["rolled_back_to"]) == (1, "first", None)
    assert current["created_by"] == developer.email


def test_a_server_key_with_the_scope_publishes(api_of, project, url, version):
    key = make_key(project, ApiKey.Kind.SERVER, [Scope.DEPLOYMENTS], "sk_deploy")
    answer = api_of(key).post(url, body(version))
    assert answer.status_code == 201
    current = answer.json()["current"]
    assert (current["created_by"], current["api_key"]) == (None, str(project.apikeys.get().pk))


def test_a_server_key_without_the_scope_reads_only(api_of, project, url, version, published):
    key = make_key(project, ApiKey.Kind.SERVER, [Scope.MODELS], "sk_models")
    assert api_of(key).get(url).status_code == 200
    assert api_of(key).post(url, body(version)).status_code == 403


def test_a_viewer_reads_only(api_of, viewer, url, version, published):
    api = api_of(viewer)
    assert api.get(url).status_code == api.get(f"{url}/{published.deployment_id}").status_code == 200
    assert api.get(f"{url}/{published.deployment_id}/revisions").status_code == 200
    assert api.post(url, body(version)).status_code == 403
    assert api.post(f"{url}/{published.deployment_id}/rollback", {"revision": str(published.pk)}).status_code == 403


def test_a_stranger_finds_nothing(api_of, stranger, url, version, published, device_key):
    api = api_of(stranger)
    for path in ("", f"/{published.deployment_id}", f"/{published.deployment_id}/revisions"):
        assert api.get(url + path).status_code == 404
    assert api.post(url, body(version)).status_code == 404
    assert api.post(f"{url}/{published.deployment_id}/rollback", {"revision": str(published.pk)}).status_code == 404
    assert api_of(device_key).get(url).status_code in {401, 403}


def test_rows_of_another_project_are_not_there(api_of, developer, stranger, other_project, url, published, version):
    theirs = make_version(make_model(other_project))
    revision = publish(access=access_of(stranger, other_project, Role.OWNER), model=theirs.model, version=theirs)
    api = api_of(developer)
    assert api.post(url, body(theirs)).status_code == 404
    assert api.post(url, {**body(version), "version": str(theirs.pk)}).status_code == 404
    assert api.get(f"{url}/{revision.deployment_id}").status_code == 404
    answer = api.post(f"{url}/{published.deployment_id}/rollback", {"revision": str(revision.pk)})
    assert answer.status_code == 404


def test_what_can_not_be_published_says_why(api_of, developer, url, model, version, published):
    api = api_of(developer)
    again = api.post(url, body(version))
    assert (again.status_code, again.json()["error"]["code"]) == (409, "already_published")
    checking = api.post(url, body(make_version(model, state="checking")))
    assert (checking.status_code, checking.json()["error"]["code"]) == (400, "version_not_ready")
    missing = api.post(url, {"model": "digits"})
    assert missing.status_code == 400
    assert {detail["field"] for detail in missing.json()["error"]["details"]} == {"model", "version"}
    assert api.post(url, {"model": str(uuid4()), "version": str(version.pk)}).status_code == 404


def test_a_rollback_and_the_history(api_of, developer, access, model, version, url, published):
    publish(access=access, model=model, version=make_version(model))
    api = api_of(developer)
    address = f"{url}/{published.deployment_id}"
    answer = api.post(f"{address}/rollback", {"revision": str(published.pk), "note": "wrong on 3"})
    assert answer.status_code == 201
    current = answer.json()["current"]
    assert (current["number"], current["rolled_back_to"], current["version"]["id"]) == (3, 1, str(version.pk))
    history = api.get(f"{address}/revisions").json()["results"]
    assert [revision["number"] for revision in history] == [3, 2, 1]


def test_lists_cost_the_same_however_long(
    api_of, server_key, project, access, url, published, django_assert_num_queries
):
    api = api_of(server_key)
    api.get(url)
    for slug in ("sounds", "faces", "gestures"):
        version = make_version(make_model(project, slug))
        publish(access=access, model=version.model, version=version)
    with django_assert_num_queries(3):  # key, project, deployments
        assert len(api.get(url).json()["results"]) == 4
    with django_assert_num_queries(4):  # key, project, deployment, revisions
        api.get(f"{url}/{published.deployment_id}/revisions")
