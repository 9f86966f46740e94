"""Signed links of local files: what they let in, and what they give out."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import tracemalloc
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import urlsplit

import pytest
from django.core import signing
from django.test import Client, RequestFactory
from django.utils import timezone

from apps.datasets.models import Upload
from apps.datasets.uploads import drop_upload
from apps.projects.file_views import file_link, serve_file
from apps.projects.storage import part_of, storage

BODY = bytes(range(256)) * 40
SIZE = len(BODY)
KEY = "projects/p/uploads/u"


@pytest.fixture(autouse=True)
def _local_files(settings, tmp_path):
    local = {"BACKEND": "apps.projects.storage.LocalStorage", "OPTIONS": {"location": str(tmp_path / "media")}}
    settings.STORAGES = {**settings.STORAGES, "default": local}


@pytest.fixture(autouse=True)
def upload(project):
    """What the links are for: its bytes are waited for."""
    return Upload.across_tenants.create(
        project=project, purpose="model", filename="u", size=SIZE, storage_key=KEY, expires_at=timezone.now()
    )


@pytest.fixture
def path():
    return Path(storage().path(KEY))


@pytest.fixture
def stored(path):
    path.parent.mkdir(parents=True)
    path.write_bytes(BODY)
    return path


def address(link):
    return urlsplit(link.url).path


def put_link(size=SIZE, expires_s=60):
    return address(storage().signed_put(KEY, size=size, expires_s=expires_s))


def get_link(filename="model.tflite", content_type="application/octet-stream", expires_s=60):
    return address(storage().signed_get(KEY, filename=filename, content_type=content_type, expires_s=expires_s))


def put(body, *, url=None, **extra):
    return Client().put(url or put_link(), body, content_type="application/octet-stream", **extra)


def code(response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def content(response) -> bytes:
    return b"".join(response.streaming_content)


# --- Putting ---------------------------------------------------------------------------------------------------------


def test_a_put_brings_the_file_without_a_session_or_a_csrf_token(path):
    response = Client(enforce_csrf_checks=True).put(put_link(), BODY, content_type="application/octet-stream")
    assert (response.status_code, response.json()) == (200, {"received": len(BODY), "size": len(BODY)})
    assert path.read_bytes() == BODY
    assert not part_of(path).exists()


def test_more_bytes_than_announced_are_refused_before_they_are_read(path):
    assert code(put(BODY + b"x")) == (413, "too_many_bytes")
    assert not path.exists()
    assert not part_of(path).exists()


def test_fewer_bytes_than_announced_are_refused(path):
    response = put(BODY[:-1])
    assert code(response) == (400, "too_few_bytes")
    assert "10240 bytes were announced; 10239 are being sent" in response.json()["error"]["message"]
    assert not path.exists()


@pytest.mark.parametrize(("body", "expected"), [(BODY + b"x", "too_many_bytes"), (BODY[:-1], "too_few_bytes")])
def test_without_a_content_length_the_bytes_are_counted(path, body, expected):
    request = RequestFactory().generic("PUT", put_link(), content_type="application/octet-stream")
    request.META["CONTENT_LENGTH"] = ""
    request._stream = io.BytesIO(body)
    response = _answer(request)
    assert json.loads(response.content)["error"]["code"] == expected
    assert not path.exists()


def _answer(request):
    return file_link(request, request.path.removeprefix("/files/"))


def test_pieces_make_a_whole(path):
    url = put_link()
    first = put(BODY[:4000], url=url, HTTP_CONTENT_RANGE=f"bytes 0-3999/{len(BODY)}")
    assert (first.status_code, first.json()["received"]) == (202, 4000)
    assert Client().head(url).headers["Upload-Offset"] == "4000"
    assert not path.exists()
    last = put(BODY[4000:], url=url, HTTP_CONTENT_RANGE=f"bytes 4000-{len(BODY) - 1}/{len(BODY)}")
    assert last.status_code == 200
    assert path.read_bytes() == BODY
    head = Client().head(url)
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == (str(len(BODY)), str(len(BODY)))


def test_a_piece_that_leaves_a_gap_is_told_where_to_go_on(path):
    url = put_link()
    put(BODY[:100], url=url, HTTP_CONTENT_RANGE=f"bytes 0-99/{len(BODY)}")
    response = put(BODY[200:300], url=url, HTTP_CONTENT_RANGE=f"bytes 200-299/{len(BODY)}")
    assert code(response) == (409, "wrong_offset")
    assert "100 bytes have been received" in response.json()["error"]["message"]
    assert part_of(path).read_bytes() == BODY[:100]


def test_a_put_from_the_start_begins_again(path):
    url = put_link()
    put(b"?" * 500, url=url, HTTP_CONTENT_RANGE=f"bytes 0-499/{len(BODY)}")
    assert put(BODY, url=url).status_code == 200
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(
    "header",
    ["bytes 0-3/9", "bytes 5-3/10240", "bytes 0-10240/10240", "pages 1-2/10240", "bytes 0-/10240", "bytes */10240"],
)
def test_a_content_range_that_makes_no_sense_is_refused(header):
    assert code(put(b"1234", HTTP_CONTENT_RANGE=header)) == (400, "invalid_range")


def test_a_file_that_has_arrived_is_not_overwritten(stored):
    assert code(put(b"?" * len(BODY))) == (409, "already_received")
    assert stored.read_bytes() == BODY
    assert not part_of(stored).exists()


def test_two_transfers_of_one_file_do_not_mix(path):
    path.parent.mkdir(parents=True)
    with part_of(path).open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert code(put(BODY)) == (409, "transfer_running")
    assert put(BODY).status_code == 200


def test_a_put_is_never_held_in_memory(path):
    size = 64 * 2**20

    class Zeros:
        left = size

        def read(self, count=-1):
            count = min(count if count >= 0 else self.left, self.left)
            self.left -= count
            return bytes(count)

    request = RequestFactory().generic("PUT", put_link(size), content_type="application/octet-stream")
    request.META["CONTENT_LENGTH"] = str(size)
    request._stream = cast(BinaryIO, Zeros())
    tracemalloc.start()
    try:
        assert _answer(request).status_code == 200
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()
    assert path.stat().st_size == size


@pytest.mark.parametrize("state", ["verified", "used", "refused", "expired"])
def test_a_live_link_brings_nothing_once_its_upload_waits_no_more(path, upload, state):
    url = put_link()
    upload.state = state
    upload.save()
    assert code(put(BODY, url=url)) == (410, "upload_closed")
    assert code(put(BODY[:9], url=url, HTTP_CONTENT_RANGE=f"bytes 0-8/{SIZE}")) == (410, "upload_closed")
    assert not path.exists()
    assert not part_of(path).exists()


def test_an_upload_given_up_while_its_bytes_come_keeps_none(path, upload, django_capture_on_commit_callbacks):
    class Body(io.BytesIO):
        is_deleted_at_once = True

        def read(self, count=-1):
            if not self.tell():
                with django_capture_on_commit_callbacks(execute=self.is_deleted_at_once):
                    drop_upload(upload, Upload.State.EXPIRED)
            return super().read(count)

    for is_deleted_at_once in (True, False):  # else the deleting came before the first byte did
        Upload.across_tenants.update(state=Upload.State.WAITING)
        request = RequestFactory().generic("PUT", put_link(), content_type="application/octet-stream")
        request.META["CONTENT_LENGTH"] = str(SIZE)
        request._stream = Body(BODY)
        request._stream.is_deleted_at_once = is_deleted_at_once
        response = _answer(request)
        assert (response.status_code, json.loads(response.content)["error"]["code"]) == (410, "upload_closed")
        assert not path.exists()
        assert not part_of(path).exists()


def test_a_full_disk_is_told_and_leaves_no_part_of_the_file(path, monkeypatch):
    url = put_link()
    put(BODY[:4000], url=url, HTTP_CONTENT_RANGE=f"bytes 0-3999/{SIZE}")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("apps.projects.receiving.os.write", full)
        assert code(put(BODY, url=url)) == (507, "storage_full")
    assert not part_of(path).exists()
    with monkeypatch.context() as patch:
        patch.setattr("apps.projects.receiving.os.fsync", full)
        assert code(put(BODY, url=url)) == (507, "storage_full")
    assert not part_of(path).exists()
    assert put(BODY, url=url).status_code == 200


# --- Links -----------------------------------------------------------------------------------------------------------


def test_a_tampered_link_opens_nothing(stored):
    url = get_link()
    other = url[:-1] + ("A" if url[-1] != "A" else "B")
    assert code(Client().get(other)) == (403, "invalid_link")
    assert code(put(BODY, url=other)) == (403, "invalid_link")
    assert code(Client().get("/files/nonsense")) == (403, "invalid_link")


def test_an_expired_link_opens_nothing(stored):
    assert code(Client().get(get_link(expires_s=-1))) == (403, "link_expired")
    assert code(put(BODY, url=put_link(expires_s=-1))) == (403, "link_expired")


def test_a_link_is_for_one_method(stored):
    assert code(Client().get(put_link())) == (403, "wrong_method")
    assert code(put(BODY, url=get_link())) == (403, "wrong_method")
    assert Client().post(get_link()).status_code == 405
    assert Client().delete(get_link()).status_code == 405


def test_a_link_made_for_another_purpose_is_not_a_file_link(stored):
    token = signing.dumps({"k": KEY, "m": "GET", "x": 2**40}, salt="something else")
    assert code(Client().get(f"/files/{token}")) == (403, "invalid_link")


def test_a_link_to_a_file_that_is_gone():
    assert code(Client().get(get_link())) == (404, "not_found")


def test_a_link_follows_the_host_name_that_was_used(settings):
    settings.ALLOWED_HOSTS = ["console.example"]
    link = storage().signed_get(KEY, filename="a", content_type="text/plain", expires_s=60)
    request = RequestFactory().get("/", headers={"host": "console.example"})
    assert link.url.startswith(settings.BASE_URL + "/files/")
    assert link.url_at(request) == f"http://console.example{link.path}"


# --- Getting ---------------------------------------------------------------------------------------------------------


def test_a_get_gives_the_file_as_a_download(stored):
    response = Client().get(get_link(filename='mo"del ü.tflite'))
    assert content(response) == BODY
    assert response.headers["Content-Length"] == str(len(BODY))
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Content-Disposition"].startswith("attachment; filename*=utf-8''mo%22del%20%C3%BC.tflite")
    assert response.headers["Content-Type"] == "application/octet-stream"


def test_a_head_tells_the_same_without_the_bytes(stored):
    response = Client().head(get_link(content_type="image/png"))
    assert response.headers["Content-Length"] == str(len(BODY))
    assert response.headers["Content-Type"] == "image/png"
    assert response.content == b""


@pytest.mark.parametrize(
    ("header", "expected", "content_range"),
    [
        ("bytes=0-0", BODY[:1], "bytes 0-0/10240"),
        ("bytes=100-199", BODY[100:200], "bytes 100-199/10240"),
        ("bytes=10000-", BODY[10000:], "bytes 10000-10239/10240"),
        ("bytes=10000-99999", BODY[10000:], "bytes 10000-10239/10240"),
        ("bytes=-40", BODY[-40:], "bytes 10200-10239/10240"),
        ("bytes=-99999", BODY, "bytes 0-10239/10240"),
    ],
)
def test_a_range(stored, header, expected, content_range):
    response = Client().get(get_link(), HTTP_RANGE=header)
    assert response.status_code == 206
    assert response.headers["Content-Range"] == content_range
    assert response.headers["Content-Length"] == str(len(expected))
    assert content(response) == expected


@pytest.mark.parametrize("header", ["bytes=10240-", "bytes=99999-100000", "bytes=-0"])
def test_a_range_beyond_the_end(stored, header):
    response = Client().get(get_link(), HTTP_RANGE=header)
    assert (response.status_code, response.headers["Content-Range"]) == (416, "bytes */10240")


@pytest.mark.parametrize("header", ["bytes=0-1,5-6", "bytes=-", "bytes=9-3", "lines=0-1", "bytes=a-b", ""])
def test_a_range_that_is_not_understood_gives_everything(stored, header):
    response = Client().get(get_link(), HTTP_RANGE=header)
    assert response.status_code == 200
    assert content(response) == BODY


def test_an_etag_saves_the_second_download(stored):
    url = get_link()
    first = Client().get(url)
    content(first)
    etag = first.headers["ETag"]
    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        response = Client().get(url, HTTP_IF_NONE_MATCH=known)
        assert (response.status_code, response.content, response.headers["ETag"]) == (304, b"", etag)
    assert content(Client().get(url, HTTP_IF_NONE_MATCH='"x"')) == BODY


def test_a_resumed_download_of_a_file_that_changed_begins_again(stored):
    url = get_link()
    etag = Client().head(url).headers["ETag"]
    assert content(Client().get(url, HTTP_RANGE="bytes=5-", HTTP_IF_RANGE=etag)) == BODY[5:]
    stored.write_bytes(BODY + b"changed")
    assert content(Client().get(url, HTTP_RANGE="bytes=5-", HTTP_IF_RANGE=etag)) == BODY + b"changed"


def test_an_empty_file(path):
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    response = Client().get(get_link())
    assert (response.status_code, content(response), response.headers["Content-Length"]) == (200, b"", "0")
    assert Client().get(get_link(), HTTP_RANGE="bytes=0-").status_code == 416


@pytest.mark.django_db
def test_a_view_that_has_its_own_permission_serves_with_its_own_etag(stored, rf):
    response = serve_file(
        rf.get("/"), KEY, filename="m.tflite", etag="abc", cache_control="private, max-age=31536000, immutable"
    )
    assert response.headers["ETag"] == '"abc"'
    assert response.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert content(response) == BODY
    response.close()
    assert serve_file(rf.get("/", HTTP_IF_NONE_MATCH='"abc"'), KEY, filename="m", etag="abc").status_code == 304


@pytest.mark.django_db
def test_the_file_is_closed_when_the_answer_ends_early(stored, rf):
    response = serve_file(rf.get("/"), KEY, filename="m")
    next(iter(response))
    response.close()  # an unclosed file would be an error: warnings are
