from __future__ import annotations

import pytest
from django.urls import reverse

from apps.models.models import ModelVersion, RegisteredModel
from apps.projects.models import Project
from tests.models.downloads import downloaded
from tests.models.tflite_files import GOOD


def url(name: str, project: Project, *args: object) -> str:
    return reverse(f"api-{name}", args=[project.pk, *args])


def test_models_are_registered_listed_and_shown(api_of, developer, project):
    api = api_of(developer)
    made = api.post(url("model-list", project), {"name": "Digit reader"})
    assert made.status_code == 201
    assert made.json()["slug"] == "digit-reader"
    assert made.json()["newest_number"] is None
    assert api.get(url("model-list", project)).json()["results"] == [made.json()]
    assert api.get(url("model", project, made.json()["id"])).json() == made.json()


def test_refusals_have_the_one_shape(api_of, developer, project, model):
    answer = api_of(developer).post(url("model-list", project), {"name": "Pets"})
    assert answer.status_code == 409
    error = answer.json()["error"]
    assert (error["code"], error["details"][0]["field"]) == ("slug_taken", "slug")


def test_version_says_everything_that_is_known(api_of, viewer, project, make_version):
    version = make_version()
    body = api_of(viewer).get(url("model-version", project, version.pk)).json()
    assert body["model"] == {"id": str(version.model_id), "name": "Pets", "slug": "pets"}
    assert (body["number"], body["state"], body["label"]) == (1, "ready", "small")
    assert (body["bytes"], body["accuracy"]) == (len(GOOD), 0.85)
    assert body["metrics"]["test"]["confusion_matrix"] == [[9, 1], [2, 8]]
    (artifact,) = body["artifacts"]
    assert artifact["url"] == url("artifact-file", project, artifact["id"])
    assert artifact["sha256"] == version.tflite.sha256


def test_versions_are_listed_newest_first_in_five_queries(
    api_of, server_key, project, model, make_version, django_assert_num_queries
):
    for number in range(1, 6):
        make_version(number)
    api = api_of(server_key)
    api.get(url("model-version-list", project, model.pk))  # notes the key's use
    # the key, the project, the model, the versions, their artifacts
    with django_assert_num_queries(5):
        answer = api.get(url("model-version-list", project, model.pk))
    assert [row["number"] for row in answer.json()["results"]] == [5, 4, 3, 2, 1]


def test_models_are_listed_in_three_queries(api_of, server_key, project, make_version, django_assert_num_queries):
    make_version()
    RegisteredModel.across_tenants.create(project=project, name="Other", slug="other")
    api = api_of(server_key)
    api.get(url("model-list", project))
    with django_assert_num_queries(3):
        rows = api.get(url("model-list", project)).json()["results"]
    assert [(row["slug"], row["version_count"], row["newest_state"]) for row in rows] == [
        ("other", 0, None),
        ("pets", 1, "ready"),
    ]


def test_upload_becomes_a_version(api_of, server_key, project, model, make_upload):
    upload = make_upload()
    answer = api_of(server_key).post(url("model-version-list", project, model.pk), {"upload": str(upload.pk)})
    assert answer.status_code == 201
    assert (answer.json()["number"], answer.json()["state"], answer.json()["upload"]) == (1, "checking", str(upload.pk))
    again = api_of(server_key).post(url("model-version-list", project, model.pk), {"upload": str(upload.pk)})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "upload_used")


@pytest.mark.parametrize("body", [{}, {"upload": "x"}, {"upload": None}, [], {"upload": ["a"]}])
def test_bad_body_is_refused_and_never_a_fault(api_of, developer, project, model, body):
    answer = api_of(developer).post(url("model-version-list", project, model.pk), body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid")


def test_upload_of_another_project_is_not_found(api_of, developer, organization, project, model, make_upload):
    other = Project.across_tenants.create(organization=organization, name="Other", slug="other")
    upload = make_upload(project=other)
    answer = api_of(developer).post(url("model-version-list", project, model.pk), {"upload": str(upload.pk)})
    assert answer.status_code == 404
    assert not ModelVersion.across_tenants.exists()


def test_file_is_a_redirect_to_a_signed_link_that_gives_the_bytes(api_of, viewer, client, project, make_version):
    version = make_version()
    answer = api_of(viewer).get(url("artifact-file", project, version.tflite.pk))
    assert answer.status_code == 302
    content, disposition = downloaded(client, answer["Location"])
    assert content == GOOD
    assert "pets-v1-model.tflite" in disposition


def test_check_is_repeated_over_the_api(api_of, developer, viewer, project, make_version):
    broken = make_version(state=ModelVersion.State.REFUSED, compatibility=None)
    assert api_of(viewer).post(url("model-version-check", project, broken.pk)).status_code == 403
    answer = api_of(developer).post(url("model-version-check", project, broken.pk))
    assert (answer.status_code, answer.json()["state"]) == (200, "checking")
    ready = make_version(2)
    assert api_of(developer).post(url("model-version-check", project, ready.pk)).status_code == 409


def test_stranger_finds_nothing_and_viewer_changes_nothing(api_of, stranger, viewer, project, model, make_version):
    version = make_version()
    addresses = [
        url("model-list", project),
        url("model", project, model.pk),
        url("model-version-list", project, model.pk),
        url("model-version", project, version.pk),
        url("artifact-file", project, version.tflite.pk),
    ]
    for address in addresses:
        assert api_of(stranger).get(address).status_code == 404
    assert api_of(viewer).post(addresses[0], {"name": "Mine"}).status_code == 403
    assert api_of(viewer).post(addresses[2], {"upload": str(version.pk)}).status_code == 403
