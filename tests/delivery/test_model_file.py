from __future__ import annotations

import pytest

from apps.delivery.services import publish
from apps.models.models import ModelVersion
from apps.projects.storage import local_path
from tests.delivery.rows import make_version
from tests.device_client.model_files import digits_model


@pytest.fixture
def device(api_of, device_key):
    return api_of(device_key)


@pytest.fixture
def published(access, model, version):
    return publish(access=access, model=model, version=version)


def url_of(version) -> str:
    return f"/api/device/v1/models/{version.pk}/file"


def body_of(answer) -> bytes:
    """Reading to the end is what closes the file."""
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def status_of(answer) -> int:
    body_of(answer)
    status: int = answer.status_code
    return status


@pytest.fixture
def local(version) -> None:
    if local_path(version.tflite.storage_key) is None:
        pytest.skip("needs local files")


def test_it_is_the_file_that_the_manifest_names(device, published, version, local):
    answer = device.get(url_of(version))
    assert answer.status_code == 200
    assert body_of(answer) == digits_model(seed=1)
    assert answer["ETag"] == f'"{version.tflite.sha256}"'
    assert int(answer["Content-Length"]) == version.tflite.bytes


def test_a_download_that_broke_goes_on_where_it_was(device, published, version, local):
    whole = digits_model(seed=1)
    answer = device.get(url_of(version), HTTP_RANGE="bytes=100-", HTTP_IF_RANGE=f'"{version.tflite.sha256}"')
    assert answer.status_code == 206
    assert answer["Content-Range"] == f"bytes 100-{len(whole) - 1}/{len(whole)}"
    assert body_of(answer) == whole[100:]


def test_the_rest_of_another_file_is_not_given(device, published, version, local):
    answer = device.get(url_of(version), HTTP_RANGE="bytes=100-", HTTP_IF_RANGE='"another"')
    assert answer.status_code == 200
    assert body_of(answer) == digits_model(seed=1)


def test_an_object_store_gives_it_by_a_signed_address_without_the_key(device, published, version, device_key):
    if local_path(version.tflite.storage_key) is not None:
        pytest.skip("needs an object store")
    answer = device.get(url_of(version))
    assert answer.status_code == 302
    assert "Signature" in answer["Location"]
    assert device_key not in answer["Location"]


def test_a_version_that_was_published_once_stays_there(device, access, model, version, published):
    publish(access=access, model=model, version=make_version(model))
    assert status_of(device.get(url_of(version))) in {200, 302}


def test_a_version_that_was_never_published_is_not_there(device, model, published):
    answer = device.get(url_of(make_version(model)))
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("state", [ModelVersion.State.CHECKING, ModelVersion.State.REFUSED])
def test_a_version_that_is_not_ready_is_not_there(device, published, version, state):
    ModelVersion.across_tenants.filter(pk=version.pk).update(state=state)
    assert device.get(url_of(version)).status_code == 404


def test_a_device_of_another_project_gets_404(api_of, other_device_key, published, version):
    assert api_of(other_device_key).get(url_of(version)).status_code == 404


def test_nobody_without_a_device_key_gets_it(client, api_of, owner, server_key, published, version):
    assert client.get(url_of(version)).status_code == 401
    assert api_of(owner).get(url_of(version)).status_code == 401
    assert api_of(server_key).get(url_of(version)).status_code == 403


def test_it_costs_two_queries(device, published, version, django_assert_num_queries):
    status_of(device.get(url_of(version)))
    with django_assert_num_queries(2):
        status_of(device.get(url_of(version)))
