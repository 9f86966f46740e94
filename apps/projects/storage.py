"""The storage backends: local files, or S3. Each gives signed links, so that file bytes need no other permission check.

A signed link of local files is served by apps/projects/file_views.py; one of S3 by the object store itself. Keys are
relative paths with forward slashes, made by the platform and never by a client.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol, cast

from botocore.exceptions import ClientError
from django.conf import settings
from django.core import signing
from django.core.files.storage import FileSystemStorage, default_storage
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import content_disposition_header
from storages.backends.s3 import S3Storage as DjangoS3Storage

SALT = "bantam.file-link"
CHUNK = 1024 * 1024
PART = ".part"


@dataclass(frozen=True)
class SignedRequest:
    """What a client has to send: method, address (absolute) and headers.

    `path` is the address without its origin where this platform serves it itself, else "". `resumable`: a PUT may come
    in pieces (see apps/projects/receiving.py), so a broken one need not begin again.
    """

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    path: str = ""
    resumable: bool = False

    def url_at(self, request: HttpRequest) -> str:
        """The address as the sender of `request` reaches it: through the host name that they used themselves."""
        return request.build_absolute_uri(self.path) if self.path else self.url


class SignedStorage(Protocol):
    """What both backends offer beside Django's storage interface."""

    max_put_bytes: int | None
    """The most that one signed PUT may bring; None: no limit of its own."""

    def signed_put(self, key: str, *, size: int, expires_s: int) -> SignedRequest:
        """A link to send exactly `size` bytes to, for `expires_s` seconds."""
        ...

    def signed_get(self, key: str, *, filename: str, content_type: str, expires_s: int) -> SignedRequest:
        """A link that gives the file as a download named `filename`, for `expires_s` seconds. Makes no query."""
        ...

    def arrived(self, key: str) -> tuple[int, bool]:
        """How many bytes a signed PUT has brought so far, and whether the file is there as a whole."""
        ...

    def digest(self, key: str) -> str:
        """The file's SHA-256, hexadecimal, computed while streaming it. Raises FileNotFoundError."""
        ...

    def fetch_to(self, key: str, path: Path) -> str:
        """Copy the file to `path` and return its SHA-256 as copied. Raises FileNotFoundError."""
        ...

    def save_from(self, path: Path, key: str) -> None:
        """Copy `path` to `key`, replacing what is there. The file appears there as a whole or not at all."""
        ...

    def discard(self, key: str) -> None:
        """Delete the file, and what an unfinished PUT has left of it. Fine when there is nothing."""
        ...

    def discard_tree(self, prefix: str) -> None:
        """Delete everything below the folder `prefix`. Fine when there is nothing."""
        ...


class LocalStorage(FileSystemStorage):
    """Files below DATA_DIR/media. Links are signed by SECRET_KEY and carry key, method, size or name, and expiry."""

    max_put_bytes: int | None = None

    def signed_put(self, key: str, *, size: int, expires_s: int) -> SignedRequest:
        path = _link({"k": key, "m": "PUT", "n": size, "x": int(time.time()) + expires_s})
        headers = {"Content-Type": "application/octet-stream"}
        return SignedRequest("PUT", settings.BASE_URL + path, headers, path, resumable=True)

    def signed_get(self, key: str, *, filename: str, content_type: str, expires_s: int) -> SignedRequest:
        path = _link({"k": key, "m": "GET", "f": filename, "t": content_type, "x": int(time.time()) + expires_s})
        return SignedRequest("GET", settings.BASE_URL + path, path=path)

    def arrived(self, key: str) -> tuple[int, bool]:
        path = Path(self.path(key))
        for candidate, whole in ((path, True), (part_of(path), False)):
            with suppress(FileNotFoundError):
                return candidate.stat().st_size, whole
        return 0, False

    def digest(self, key: str) -> str:
        with Path(self.path(key)).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def fetch_to(self, key: str, path: Path) -> str:
        with Path(self.path(key)).open("rb") as file, _whole_file(path) as out:
            return _copy(iter(lambda: file.read(CHUNK), b""), out)

    def save_from(self, path: Path, key: str) -> None:
        target = Path(self.path(key))
        with path.open("rb") as file, _whole_file(target) as out:
            shutil.copyfileobj(file, out, CHUNK)
        target.chmod(settings.FILE_UPLOAD_PERMISSIONS)

    def discard(self, key: str) -> None:
        path = Path(self.path(key))
        path.unlink(missing_ok=True)
        part_of(path).unlink(missing_ok=True)
        _remove_empty_folders(path.parent, Path(self.location))

    def discard_tree(self, prefix: str) -> None:
        folder = Path(self.path(_folder(prefix)))
        shutil.rmtree(folder, ignore_errors=True)
        _remove_empty_folders(folder.parent, Path(self.location))


class S3Storage(DjangoS3Storage):  # type: ignore[misc]
    """Objects of one bucket. Links are presigned by the store's own protocol."""

    max_put_bytes: int | None = 5 * 2**30  # of the protocol: one PUT, one object of at most 5 GiB

    def signed_put(self, key: str, *, size: int, expires_s: int) -> SignedRequest:
        content_type = "application/octet-stream"
        parameters = {"Bucket": self.bucket_name, "Key": key, "ContentLength": size, "ContentType": content_type}
        url = self._client.generate_presigned_url("put_object", Params=parameters, ExpiresIn=expires_s)
        return SignedRequest("PUT", cast(str, url), {"Content-Type": content_type})

    def signed_get(self, key: str, *, filename: str, content_type: str, expires_s: int) -> SignedRequest:
        parameters: dict[str, Any] = {
            "Bucket": self.bucket_name,
            "Key": key,
            "ResponseContentType": content_type,
            "ResponseContentDisposition": content_disposition_header(True, filename),
        }
        url = self._client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=expires_s)
        return SignedRequest("GET", cast(str, url))

    def arrived(self, key: str) -> tuple[int, bool]:
        try:
            return int(self._client.head_object(Bucket=self.bucket_name, Key=key)["ContentLength"]), True
        except ClientError as error:
            if _is_missing(error):
                return 0, False
            raise

    def digest(self, key: str) -> str:
        sha256 = hashlib.sha256()
        for chunk in self._read(key):
            sha256.update(chunk)
        return sha256.hexdigest()

    def fetch_to(self, key: str, path: Path) -> str:
        with _whole_file(path) as out:
            return _copy(self._read(key), out)

    def save_from(self, path: Path, key: str) -> None:
        self._client.upload_file(str(path), self.bucket_name, key)  # in parts where it is large; whole or not at all

    def discard(self, key: str) -> None:
        self._client.delete_object(Bucket=self.bucket_name, Key=key)

    def discard_tree(self, prefix: str) -> None:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket_name, Prefix=_folder(prefix) + "/"
        )
        for page in pages:
            keys = [{"Key": item["Key"]} for item in page.get("Contents", [])]
            if keys:
                self._client.delete_objects(Bucket=self.bucket_name, Delete={"Objects": keys, "Quiet": True})

    @property
    def _client(self) -> Any:
        return self.connection.meta.client

    def _read(self, key: str) -> Iterator[bytes]:
        try:
            body = self._client.get_object(Bucket=self.bucket_name, Key=key)["Body"]
        except ClientError as error:
            if _is_missing(error):
                raise FileNotFoundError(key) from error
            raise
        with body:
            yield from body.iter_chunks(CHUNK)


def storage() -> Any:
    """The configured storage, which is a SignedStorage as well as Django's Storage."""
    return default_storage


def local_path(key: str) -> Path | None:
    """Where `key` lies on this machine, or None when files are in an object store."""
    try:
        return Path(default_storage.path(key))
    except NotImplementedError:
        return None


def part_of(path: Path) -> Path:
    """Where the bytes of `path` gather until all have arrived."""
    return path.with_name(path.name + PART)


def _link(content: dict[str, Any]) -> str:
    return reverse("file-link", args=[signing.dumps(content, salt=SALT, compress=True)])


def _folder(prefix: str) -> str:
    folder = prefix.strip("/")
    if not folder:
        raise ValueError("Refusing to delete the whole storage: the prefix is empty.")
    return folder


def _is_missing(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") in {"404", "NoSuchKey", "NotFound"}


def _copy(chunks: Iterable[bytes], out: IO[bytes]) -> str:
    sha256 = hashlib.sha256()
    for chunk in chunks:
        sha256.update(chunk)
        out.write(chunk)
    return sha256.hexdigest()


@contextmanager
def _whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Write under another name; `path` appears when everything is there, and only then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(descriptor, "wb") as out:
            yield out
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _remove_empty_folders(folder: Path, root: Path) -> None:
    """Upwards from `folder`, below `root`, as far as they are empty."""
    while folder != root and root in folder.parents:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return
        folder = folder.parent
