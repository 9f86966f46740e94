"""The real server over ASGI, and a real device in a process of its own, with real .tflite files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from django.utils import timezone

from apps.analytics.models import Event
from apps.delivery.models import Installation, InstalledModel
from apps.delivery.services import publish, rollback, rotate_keys
from apps.projects.models import ApiKey
from apps.projects.storage import local_path
from tests.delivery.interceptor import Interceptor
from tests.delivery.rows import make_version

ROOT = Path(__file__).resolve().parents[2]
Device = Callable[..., dict[str, Any]]


@pytest.fixture
def server(transactional_db, settings, unused_tcp_port) -> Iterator[str]:
    """The platform's own ASGI application, served by uvicorn."""
    from config.asgi import application

    address = f"http://127.0.0.1:{unused_tcp_port}"
    settings.BASE_URL = address
    server = uvicorn.Server(
        uvicorn.Config(application, host="127.0.0.1", port=unused_tcp_port, lifespan="off", log_level="warning")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.started
    yield address
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def device(server, device_key, tmp_path) -> Device:
    """`device(predict=3)` starts the device's process, waits for its end and gives its report."""

    def start(*, key: str = device_key, predict: int = 0, correct: str = "7", address: str = server) -> dict[str, Any]:
        script = Path(__file__).with_name("device.py")
        command = [sys.executable, str(script), address, key, str(tmp_path / "device")]
        command += ["--predict", str(predict), "--correct", correct]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "device_client" / "src")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    return start


def test_a_published_version_reaches_the_device_and_its_events_come_back(device, access, model, version):
    publish(access=access, model=model, version=version)
    report = device(predict=20)
    assert report["error"] is None
    assert report["modules"] == []
    assert report["version"] == str(version.pk)
    assert report["sent"] == 3 + 20 + 20
    assert report["pending"] == 0
    events = Event.objects.for_project(access.project)
    assert events.count() == 43
    assert events.filter(type="feedback", is_correct=True).count() == report["predictions"].count("7")
    installation = Installation.objects.for_project(access.project).get()
    assert str(installation.key) == report["installation"]
    assert installation.platform == "linux"
    assert installation.attributes["user"] == {"plan": "paid"}
    assert installation.models.get().state == InstalledModel.State.INFERRED


def test_a_rollback_reaches_the_device(device, access, model, version):
    first = publish(access=access, model=model, version=version)
    second = make_version(model)
    publish(access=access, model=model, version=second)
    assert device()["version"] == str(second.pk)
    rollback(access=access, deployment=first.deployment, revision=first)
    assert device()["version"] == str(version.pk)
    assert Installation.objects.for_project(access.project).get().models.get().version == version


def test_the_device_follows_a_rotation_of_the_keys(device, access, model, version):
    publish(access=access, model=model, version=version)
    assert device()["version"] == str(version.pk)
    rotate_keys(access=access)
    second = make_version(model)
    publish(access=access, model=model, version=second)
    report = device()
    assert (report["error"], report["version"]) == (None, str(second.pk))


def test_a_file_that_was_changed_in_the_storage_is_refused(device, access, model, version):
    publish(access=access, model=model, version=version)
    path = local_path(version.tflite.storage_key)
    if path is None:
        pytest.skip("needs local files")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o640)
    path.write_bytes(content)
    report = device()
    assert report["error"]["code"] == "file_mismatch"
    assert report["version"] is None
    failed = Event.objects.for_project(access.project).get(type="failed")
    assert (failed.data["stage"], failed.data["code"]) == ("verify", "file_mismatch")


def test_a_revoked_key_is_told_to_the_application_and_the_model_keeps_working(device, access, model, version):
    publish(access=access, model=model, version=version)
    device()
    ApiKey.objects.for_project(access.project).update(revoked_at=timezone.now())
    report = device(predict=2)
    assert (report["error"]["type"], report["error"]["code"]) == ("InvalidKeyError", "invalid_key")
    assert report["version"] == str(version.pk)
    assert len(report["predictions"]) == 2
    assert report["flush_error"] == {"type": "InvalidKeyError", "code": "invalid_key"}
    assert report["pending"] > 0


def test_a_manifest_that_was_changed_on_the_way_is_refused(server, device, access, model, version):
    publish(access=access, model=model, version=version)

    def forge(path: str, response: httpx.Response) -> tuple[int, bytes]:
        return response.status_code, response.content.replace(b'"number":1', b'"number":2')

    with Interceptor(server, forge) as network:
        report = device(address=network.address)
    assert report["error"]["code"] == "bad_signature"
    assert report["version"] is None


def test_a_manifest_of_another_project_is_refused(
    server, device, access, model, version, api_of, other_device_key, other_project
):
    publish(access=access, model=model, version=version)
    theirs = api_of(other_device_key).get("/api/device/v1/manifest", {"installation": str(other_project.pk)}).content

    def swap(path: str, response: httpx.Response) -> tuple[int, bytes]:
        return response.status_code, theirs if "/manifest?" in path else response.content

    with Interceptor(server, swap) as network:
        assert device(address=network.address)["error"]["code"] == "bad_signature"


def test_an_old_manifest_that_is_played_again_is_refused(server, device, access, model, version):
    old: list[bytes] = []

    def replay(path: str, response: httpx.Response) -> tuple[int, bytes]:
        if "/manifest?" not in path:
            return response.status_code, response.content
        old.append(response.content)
        return 200, old[0] if is_hostile else response.content

    publish(access=access, model=model, version=version)
    with Interceptor(server, replay) as network:
        is_hostile = False
        device(address=network.address)
        second = make_version(model)
        publish(access=access, model=model, version=second)
        assert device(address=network.address)["version"] == str(second.pk)
        is_hostile = True
        report = device(address=network.address)
    assert report["error"]["code"] == "rollback_refused"
    assert report["version"] == str(second.pk)


def test_a_server_key_is_refused_on_the_device_api(device, server_key):
    with pytest.raises(AssertionError, match="device key"):
        device(key=server_key)
