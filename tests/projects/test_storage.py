"""Both storages keep the same promises. The object store is spoken to over HTTP."""

from __future__ import annotations

import hashlib
import shutil
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError
from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation
from django.test import Client
from django.utils import timezone

from apps.datasets.models import Upload
from apps.projects.storage import local_path, storage
from config.files import storage_from_url

BODY = bytes(range(256)) * 20_000  # 5 MB: several chunks, not a multiple of one
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(BODY)
    return path


def send(link, body: bytes) -> int:
    """PUT as a client of the platform would: to it, or straight to the object store."""
    if link.path:
        return Client().put(link.path, body, content_type="application/octet-stream").status_code
    return httpx.put(link.url, content=body, headers=link.headers).status_code


def fetch(link, **headers: str) -> tuple[int, bytes, str]:
    """GET: (status, body, Content-Disposition)."""
    if link.path:
        response = Client().get(link.path, headers=headers)
        return response.status_code, b"".join(response), response.headers["Content-Disposition"]
    answer = httpx.get(link.url, headers=headers)
    return answer.status_code, answer.content, answer.headers["Content-Disposition"]


def test_a_signed_put_and_a_signed_get(files, project):
    Upload.across_tenants.create(
        project=project, filename="a", size=len(BODY), storage_key="projects/p/a", expires_at=timezone.now()
    )
    link = storage().signed_put("projects/p/a", size=len(BODY), expires_s=60)
    assert link.method == "PUT"
    assert storage().arrived("projects/p/a") == (0, False)
    assert send(link, BODY) == 200
    assert storage().arrived("projects/p/a") == (len(BODY), True)
    assert storage().digest("projects/p/a") == SHA256
    link = storage().signed_get("projects/p/a", filename="Größe.bin", content_type="image/png", expires_s=60)
    status, body, disposition = fetch(link)
    assert (status, hashlib.sha256(body).hexdigest()) == (200, SHA256)
    assert disposition == "attachment; filename*=utf-8''Gr%C3%B6%C3%9Fe.bin"
    status, body, _ = fetch(link, Range="bytes=1000-1999")
    assert (status, body) == (206, BODY[1000:2000])


def test_a_link_of_an_object_store_asks_nothing_of_the_client_but_what_it_says(s3):
    link = storage().signed_put("projects/p/a", size=5, expires_s=60)
    query = parse_qs(urlsplit(link.url).query)
    # The size is signed, so the store takes no other; no checksum that clients would have to compute.
    assert query["X-Amz-SignedHeaders"] == ["content-length;content-type;host"]
    assert query["X-Amz-Expires"] == ["60"]
    assert not [name for name in query if "checksum" in name.lower()]
    assert link.path == ""
    assert not link.resumable


def test_files_go_to_a_worker_and_back(files, file, tmp_path):
    storage().save_from(file, "projects/p/deep/er/a")
    assert storage().fetch_to("projects/p/deep/er/a", tmp_path / "in" / "copy") == SHA256
    assert (tmp_path / "in" / "copy").read_bytes() == BODY
    file.write_bytes(b"new")
    storage().save_from(file, "projects/p/deep/er/a")
    assert storage().digest("projects/p/deep/er/a") == hashlib.sha256(b"new").hexdigest()


def test_what_is_not_there_is_not_found_and_leaves_no_file(files, tmp_path):
    with pytest.raises(FileNotFoundError):
        storage().fetch_to("projects/p/nothing", tmp_path / "copy")
    with pytest.raises(FileNotFoundError):
        storage().digest("projects/p/nothing")
    assert not list(tmp_path.glob("copy*"))
    assert not list(tmp_path.glob(".writing-*"))


def test_discarding(files, file):
    for key in ("projects/p/tree/a", "projects/p/tree/deep/b", "projects/p/tree-not/c"):
        storage().save_from(file, key)
    storage().discard("projects/p/tree/a")
    storage().discard("projects/p/tree/a")
    assert storage().arrived("projects/p/tree/a") == (0, False)
    storage().discard_tree("projects/p/tree")
    storage().discard_tree("projects/p/tree")
    assert storage().arrived("projects/p/tree/deep/b") == (0, False)
    assert storage().arrived("projects/p/tree-not/c") == (len(BODY), True)


@pytest.mark.parametrize("prefix", ["", "/", "//"])
def test_the_whole_storage_is_never_discarded(files, file, prefix):
    storage().save_from(file, "projects/p/a")
    with pytest.raises(ValueError, match="whole storage"):
        storage().discard_tree(prefix)
    assert storage().arrived("projects/p/a")[1]


def test_a_tree_of_more_objects_than_one_request_takes(s3):
    client = storage().connection.meta.client
    for number in range(1005):
        client.put_object(Bucket="bantam", Key=f"projects/many/{number}", Body=b"")
    storage().discard_tree("projects/many")
    assert client.list_objects_v2(Bucket="bantam", Prefix="projects/many").get("KeyCount") == 0


def test_files_of_an_object_store_have_no_path(files):
    assert (local_path("projects/p/a") is None) == (files == "s3")


def test_a_copy_that_breaks_off_leaves_what_was_there(local, file, tmp_path, monkeypatch):
    storage().save_from(file, "projects/p/a")

    def breaks(source, target, length):
        target.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", breaks)
    with pytest.raises(OSError, match="No space"):
        storage().save_from(file, "projects/p/a")
    assert storage().digest("projects/p/a") == SHA256
    assert not list((tmp_path / "media").rglob(".writing-*"))


def test_a_key_can_not_leave_the_storage(local, file):
    with pytest.raises(SuspiciousFileOperation):
        storage().save_from(file, "../outside")


def test_an_object_store_that_refuses_is_an_error_and_not_an_absence(object_store, settings, tmp_path):
    wrong = object_store.replace("/bantam?", "/another-bucket?")
    settings.STORAGES = {**settings.STORAGES, "default": storage_from_url(wrong, tmp_path).backend}
    with pytest.raises(ClientError, match="NoSuchBucket"):
        storage().digest("projects/p/a")
    storage().connection.meta.client.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://host/bucket", "Received the scheme 'http'"),
        ("s3://host/bucket", "key, secret, host or bucket is missing"),
        ("s3://key:secret@host/", "bucket is missing"),
        ("s3://key:secret@host/a/b", "bucket has a slash"),
        ("s3://key:secret@host/a?regoin=x", "Unknown: regoin"),
        ("s3://key:secret@host/a?secure=maybe", "secure"),
        ("s3://key:secret@host:port/a", "port"),
    ],
)
def test_a_storage_url_that_is_wrong_says_what(url, says, tmp_path):
    with pytest.raises(ImproperlyConfigured, match=says):
        storage_from_url(url, tmp_path)


def test_what_a_storage_url_means(tmp_path):
    where = storage_from_url("s3://k%2Fey:s%40cret@s3.example:9000/files?region=eu-west-1", tmp_path)
    assert where.origin == ["https://s3.example:9000"]
    options = where.backend["OPTIONS"]
    assert (options["access_key"], options["secret_key"]) == ("k/ey", "s@cret")
    assert (options["bucket_name"], options["region_name"]) == ("files", "eu-west-1")
    assert storage_from_url("", tmp_path).origin == []
