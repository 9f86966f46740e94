"""Files come whole and right, or not at all; what came before a break is not fetched again."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time

import httpx
import pytest

from device_client import FileMismatchError, ServerRefusedError, ServerUnreachableError, StorageError, _download
from device_client._download import download
from device_client._http import Http
from device_client._manifest import Target
from tests.device_client.server_simulator import STORAGE_HOST, streamed

CONTENT = os.urandom(50_000)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(_download, "FIRST_PAUSE_SECONDS", 0.0)


@pytest.fixture
def http(server):
    http = Http(server=f"{server.url}/", api_key=server.key, user_agent="test", transport=server.transport)
    yield http
    http.close()


@pytest.fixture
def target(server):
    version = server.publish("digits", CONTENT)
    return Target(
        model="digits",
        version=version,
        number=1,
        length=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        url=f"/api/device/v1/models/{version}/file",
        rule=None,
        revision=None,
        routing="device",
        min_runtime=None,
        task=None,
    )


@pytest.fixture
def destination(tmp_path):
    return tmp_path / "model.tflite"


def files(destination):
    return sorted(path.name for path in destination.parent.iterdir())


@pytest.mark.parametrize("storage", [False, True])
def test_a_file_is_fetched_verified_and_named(server, http, target, destination, storage):
    server.storage = storage
    result = download(http, target, destination)
    assert destination.read_bytes() == CONTENT
    assert files(destination) == ["model.tflite"]
    assert (result.received, result.resumed) == (len(CONTENT), False)


@pytest.mark.parametrize("storage", [False, True])
def test_a_broken_download_goes_on_where_it_broke(server, http, target, destination, storage):
    server.storage = storage
    server.break_after.extend([20_000, 15_000])
    result = download(http, target, destination)
    assert destination.read_bytes() == CONTENT
    host = STORAGE_HOST if storage else "bantam.test"
    asked = [request.headers for request in server.requests if request.url.host == host]
    etag = '"md5-of-storage"' if storage else f'"{target.sha256}"'
    assert [(headers.get("Range"), headers.get("If-Range")) for headers in asked] == [
        (None, None),
        ("bytes=20000-", etag),
        ("bytes=35000-", etag),
    ]
    assert (result.received, result.resumed) == (len(CONTENT), True)


def test_the_next_process_goes_on_where_the_last_one_broke(server, http, target, destination):
    server.break_after.extend([10_000] + [0] * 4)
    with pytest.raises(ServerUnreachableError, match="connection reset by peer"):
        download(http, target, destination)
    assert files(destination) == ["model.tflite.part", "model.tflite.part.json"]
    result = download(http, target, destination)
    assert destination.read_bytes() == CONTENT
    assert (result.received, result.resumed) == (len(CONTENT) - 10_000, True)


def test_a_server_without_ranges_is_fetched_from_the_start(server, http, target, destination):
    server.ranges = False
    server.break_after.append(20_000)
    result = download(http, target, destination)
    assert destination.read_bytes() == CONTENT
    assert result.received == len(CONTENT) + 20_000


def test_an_answer_that_ends_early_without_an_error_is_resumed(server, http, target, destination):
    server.answers.append(streamed(200, CONTENT[:7000], {"ETag": f'"{target.sha256}"'}))
    download(http, target, destination)
    assert destination.read_bytes() == CONTENT
    assert server.requests[1].headers["Range"] == "bytes=7000-"


def test_bytes_of_another_version_are_not_continued(server, http, target, destination):
    server.break_after.extend([10_000] * 5)
    server.ranges = False
    with pytest.raises(ServerUnreachableError):
        download(http, target, destination)
    other = os.urandom(30_000)
    version = server.publish("digits", other)
    newer = Target(
        **{
            **vars(target),
            "length": len(other),
            "sha256": hashlib.sha256(other).hexdigest(),
            "url": f"/api/device/v1/models/{version}/file",
        }
    )
    download(http, newer, destination)
    assert destination.read_bytes() == other
    assert "Range" not in server.requests[-1].headers


def test_a_weak_etag_is_not_used_to_resume(server, http, target, destination):
    server.answers.append(streamed(200, CONTENT[:7000], {"ETag": 'W/"x"'}))
    download(http, target, destination)
    assert server.requests[1].headers["If-Range"] == f'"{target.sha256}"'
    assert destination.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("tampering", "message"),
    [
        (lambda content: b"x" + content[1:], r"has SHA-256 .*; .* was signed"),
        (lambda content: content + b"x", "is longer than the 50000 bytes that were signed"),
    ],
)
def test_a_file_that_is_not_the_signed_one_is_refused_and_nothing_of_it_stays(
    server, http, target, destination, tampering, message
):
    server.file_tampering = tampering
    with pytest.raises(FileMismatchError, match=message):
        download(http, target, destination)
    assert files(destination) == []


def test_damaged_bytes_of_an_earlier_attempt_are_found_by_the_hash(server, http, target, destination):
    server.break_after.extend([10_000] + [0] * 4)
    with pytest.raises(ServerUnreachableError):
        download(http, target, destination)
    part = destination.with_name("model.tflite.part")
    part.write_bytes(b"\0" * 10_000)
    with pytest.raises(FileMismatchError):
        download(http, target, destination)
    download(http, target, destination)
    assert destination.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(416),
        streamed(206, CONTENT[:100], {"Content-Range": "bytes 0-99/50000"}),
        streamed(206, CONTENT[:100]),
    ],
    ids=["416", "other part", "no range"],
)
def test_another_part_than_the_one_asked_for_starts_the_file_again(server, http, target, destination, answer):
    server.break_after.extend([10_000] + [0] * 4)
    with pytest.raises(ServerUnreachableError):
        download(http, target, destination)
    server.answers.append(answer)
    download(http, target, destination)
    assert destination.read_bytes() == CONTENT


def test_a_refusal_is_final_but_a_server_error_is_tried_again(server, http, target, destination):
    server.answers.extend([httpx.Response(503), httpx.Response(500)])
    download(http, target, destination)
    destination.unlink()
    server.answers.append(httpx.Response(404))
    with pytest.raises(ServerRefusedError, match="404"):
        download(http, target, destination)
    assert server.count("file") == 4


def test_no_space_is_said_before_anything_is_written(server, http, target, destination, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Usage())
    with pytest.raises(StorageError, match="no space for the 50000 bytes of digits"):
        download(http, target, destination)
    assert files(destination) == []


class _Usage:
    free = 1_000_000


def test_a_full_disk_in_the_middle_is_said_as_such(server, http, target, destination, monkeypatch):
    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match=r"no space|can't be written"):
        download(http, target, destination)
    assert not destination.exists()


def test_a_deadline_ends_a_download_and_keeps_what_came(server, http, target, destination):
    with pytest.raises(ServerUnreachableError, match="the rest is fetched next time"):
        download(http, target, destination, deadline=time.monotonic() - 1)
    assert server.count("file") == 1
    assert destination.with_name("model.tflite.part").stat().st_size > 0
