"""Uploads and downloads as an ASGI server passes them on."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import AsyncClient
from django.utils import timezone

from apps.datasets.models import Upload
from apps.projects.file_uploads import FileUploads
from apps.projects.storage import part_of, storage

SIZE = 3 * 2**20 + 17
BODY = bytes(range(256)) * (SIZE // 256 + 1)
BODY = BODY[:SIZE]
KEYS = [f"projects/p/uploads/{n}" for n in range(4)]
KEY = KEYS[0]


@pytest.fixture(autouse=True)
def _local_files(settings, tmp_path):
    local = {"BACKEND": "apps.projects.storage.LocalStorage", "OPTIONS": {"location": str(tmp_path / "media")}}
    settings.STORAGES = {**settings.STORAGES, "default": local}


@pytest.fixture(autouse=True)
def uploads(transactional_db, project):
    """What the links are for: their bytes are waited for. Committed, because other threads look."""
    about = {"project": project, "purpose": "model", "filename": "u", "size": SIZE, "expires_at": timezone.now()}
    return [Upload.across_tenants.create(storage_key=key, **about) for key in KEYS]


@pytest.fixture
def path():
    return Path(storage().path(KEY))


async def django(scope, receive, send) -> None:
    """Stands for the application behind: it says that it was asked."""
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"django"})


@pytest.fixture
async def client():
    transport = httpx.ASGITransport(FileUploads(django))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


def link(expires_s: int = 60) -> str:
    return str(storage().signed_put(KEY, size=SIZE, expires_s=expires_s).path)


async def pieces(body: bytes = BODY, size: int = 100_000):
    for first in range(0, len(body), size):
        yield body[first : first + size]


async def test_a_put_goes_to_its_place(client, path):
    answer = await client.put(link(), content=BODY)
    assert (answer.status_code, answer.json()) == (200, {"received": SIZE, "size": SIZE})
    assert path.read_bytes() == BODY
    assert not part_of(path).exists()


async def test_a_put_of_unannounced_length(client, path):
    assert (await client.put(link(), content=pieces())).status_code == 200
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("body", "status", "code"), [(BODY + b"x", 413, "too_many_bytes"), (BODY[:-1], 400, "too_few_bytes")]
)
async def test_another_size_than_announced_is_refused(client, path, body, status, code):
    for content in (body, pieces(body)):
        answer = await client.put(link(), content=content)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert answer.headers["Connection"] == "close"
        assert not path.exists()


async def test_pieces_make_a_whole(client, path):
    url = link()
    first = await client.put(url, content=BODY[:1000], headers={"Content-Range": f"bytes 0-999/{SIZE}"})
    assert (first.status_code, first.json()["received"]) == (202, 1000)
    last = await client.put(url, content=BODY[1000:], headers={"Content-Range": f"bytes 1000-{SIZE - 1}/{SIZE}"})
    assert last.status_code == 200
    assert path.read_bytes() == BODY


async def test_the_bytes_before_a_broken_connection_stay(path):
    """And the next attempt goes on after them."""
    messages = [
        {"type": "http.request", "body": BODY[:700_000], "more_body": True},
        {"type": "http.request", "body": BODY[700_000:1_500_000], "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    headers = [(b"content-length", str(SIZE).encode())]
    scope = {"type": "http", "method": "PUT", "path": link(), "headers": headers}
    await FileUploads(django)(scope, receive, send)
    assert sent == []
    assert part_of(path).read_bytes() == BODY[:1_500_000]
    assert storage().arrived(KEY) == (1_500_000, False)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        (lambda: link() + "x", "invalid_link"),
        (lambda: link(expires_s=-1), "link_expired"),
        (
            lambda: storage().signed_get(KEY, filename="a", content_type="text/plain", expires_s=60).path,
            "wrong_method",
        ),
    ],
)
async def test_a_link_that_does_not_permit_it_is_refused(client, path, url, code):
    answer = await client.put(url(), content=BODY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, code)
    assert not part_of(path).exists()


@pytest.mark.parametrize("state", ["verified", "used", "refused", "expired"])
async def test_a_live_link_brings_nothing_once_its_upload_waits_no_more(client, path, state):
    await Upload.across_tenants.filter(storage_key=KEY).aupdate(state=state)
    answer = await client.put(link(), content=BODY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "upload_closed")
    assert "Ask for a new one" in answer.json()["error"]["message"]
    assert not path.exists()
    assert not part_of(path).exists()


async def test_an_upload_given_up_while_its_bytes_come_keeps_none(client, path):
    async def body():
        yield BODY[: SIZE // 2]
        await Upload.across_tenants.filter(storage_key=KEY).aupdate(state="expired")
        yield BODY[SIZE // 2 :]

    answer = await client.put(link(), content=body())
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "upload_closed")
    assert not path.exists()
    assert not part_of(path).exists()


async def test_a_full_disk_is_told_and_leaves_no_part_of_the_file(client, path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("apps.projects.receiving.os.write", full)
        answer = await client.put(link(), content=BODY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "storage_full")
    assert not part_of(path).exists()
    assert (await client.put(link(), content=BODY)).status_code == 200


@pytest.mark.parametrize(
    ("method", "url"), [("GET", "/files/x"), ("HEAD", "/files/x"), ("PUT", "/other"), ("POST", "/files/x")]
)
async def test_everything_else_is_left_to_django(client, method, url):
    assert (await client.request(method, url)).status_code == 299


async def test_two_uploads_at_the_same_moment_do_not_wait_for_each_other(client, settings):
    links = [storage().signed_put(key, size=SIZE, expires_s=60).path for key in KEYS]
    answers = await asyncio.gather(*(client.put(url, content=pieces(size=10_000)) for url in links))
    assert [answer.status_code for answer in answers] == [200] * 4


async def test_a_download_is_not_gathered_in_memory(path):
    """Django would do so with an iterator that is not asynchronous."""
    path.parent.mkdir(parents=True)
    path.write_bytes(BODY)
    url = storage().signed_get(KEY, filename="a.bin", content_type="application/octet-stream", expires_s=60).path
    response: Any = await AsyncClient().get(url, headers={"Range": "bytes=100-2000099"})
    assert response.is_async
    blocks = [block async for block in response.streaming_content]
    assert len(blocks) == 8
    assert b"".join(blocks) == BODY[100:2_000_100]
