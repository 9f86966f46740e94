from __future__ import annotations

from uuid import uuid4

import pytest
from django.utils import timezone

from apps.delivery.installations import installation_of
from apps.delivery.installed import Step, note_steps
from apps.delivery.models import InstalledModel
from tests.delivery.rows import make_version


@pytest.fixture
def url(project) -> str:
    return f"/api/v1/projects/{project.pk}/installations"


def has(project, version) -> str:
    installation = installation_of(project, uuid4())
    note_steps(installation, [Step(version.model_id, version.pk, InstalledModel.State.LOADED, timezone.now())])
    return str(installation.key)


def test_it_says_who_has_what(api_of, viewer, url, project, version):
    key = has(project, version)
    (row,) = api_of(viewer).get(url).json()["results"]
    assert row["installation"] == key
    (installed,) = row["models"]
    assert (installed["model"], installed["number"], installed["state"]) == ("digits", 1, "loaded")


def test_only_those_that_have_a_version(api_of, viewer, url, project, model, version):
    has(project, version)
    key = has(project, make_version(model))
    newest = str(model.versions.get(number=2).pk)
    (row,) = api_of(viewer).get(url, {"version": newest}).json()["results"]
    assert row["installation"] == key
    answer = api_of(viewer).get(url, {"version": "2"})
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == "version"


def test_a_stranger_finds_nothing(api_of, stranger, url, project, version):
    has(project, version)
    assert api_of(stranger).get(url).status_code == 404


def test_a_page_costs_the_same_however_many_devices(
    api_of, server_key, url, project, version, django_assert_num_queries
):
    for _ in range(5):
        has(project, version)
    api = api_of(server_key)
    api.get(url)
    with django_assert_num_queries(6):  # key, project, installations, installed models, their versions, their models
        assert len(api.get(url).json()["results"]) == 5
