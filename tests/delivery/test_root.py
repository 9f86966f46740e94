from __future__ import annotations

import pytest
from tuf.api.metadata import Metadata, Root  # type: ignore[attr-defined]

from apps.delivery.services import rotate_keys


@pytest.fixture
def device(api_of, device_key):
    return api_of(device_key)


def test_root_1_is_there_before_anything_is_published(device):
    answer = device.get("/api/device/v1/root/1")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert "immutable" in answer["Cache-Control"]
    assert Metadata[Root].from_bytes(answer.content).signed.version == 1


def test_the_walk_ends_with_a_404(device, access):
    device.get("/api/device/v1/root/1")
    rotate_keys(access=access)
    assert Metadata[Root].from_bytes(device.get("/api/device/v1/root/2").content).signed.version == 2
    answer = device.get("/api/device/v1/root/3")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_each_project_has_its_own(device, api_of, other_device_key):
    theirs = api_of(other_device_key).get("/api/device/v1/root/1").content
    assert device.get("/api/device/v1/root/1").content != theirs


def test_nobody_without_a_device_key_gets_it(client, api_of, owner, server_key):
    assert client.get("/api/device/v1/root/1").status_code == 401
    assert api_of(owner).get("/api/device/v1/root/1").status_code == 401
    assert api_of(server_key).get("/api/device/v1/root/1").status_code == 403
