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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, cast

from botocore.exceptions import BotoCoreError, ClientError
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
WRITING = ".writing-"
# What either backend raises when it can't be reached or refuses.
FAILURES = (OSError, BotoCoreError, ClientError)
# Called with the key of what a listing leaves out, and why.
Skip = Callable[[str, OSError], None]


class Listed(NamedTuple):
    """A file as the storage lists it: size in bytes, and when it was last written; None: it does not say.

    `upload_id`: of an object that is sent in parts, and is not there before the last of them.
    """

    key: str
    size: int
    modified: datetime | None
    upload_id: str = ""


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

    def files(self, prefix: str, after: str = "", skip: Skip | None = None) -> Iterator[Listed]:
        """Everything below the folder `prefix`, in an order that stays the same; of that what comes after a key.

        Files that are being written are among them, by the name that they have until they are whole. What can't be read
        is left out where `skip` is given, which is called with its key and the error; else the error is raised. What an
        object store raises ends the listing in any case.
        """
        ...

    def unfinished(self, prefix: str, before: datetime) -> Iterator[Listed]:
        """Below the folder `prefix`, the objects that are sent in parts, or were until the sender died.

        Those begun before `before`. `size` and `modified` are of the parts that have arrived.
        """
        ...

    def abandon(self, unfinished: Listed) -> None:
        """Delete the parts that have arrived of an unfinished object. Fine when there are none any more."""
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

    def files(self, prefix: str, after: str = "", skip: Skip | None = None) -> Iterator[Listed]:
        folder = _folder(prefix)
        rest = after.removeprefix(f"{folder}/").split("/") if after.startswith(f"{folder}/") else []
        yield from _walk(Path(self.path(folder)), folder, rest, skip or _raise)

    def unfinished(self, prefix: str, before: datetime) -> Iterator[Listed]:
        return iter(())  # they are files, under names of their own

    def abandon(self, unfinished: Listed) -> None:
        self.discard(unfinished.key)


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

    def files(self, prefix: str, after: str = "", skip: Skip | None = None) -> Iterator[Listed]:
        request = {"Bucket": self.bucket_name, "Prefix": _folder(prefix) + "/"}
        if after:
            request["StartAfter"] = after
        for page in self._client.get_paginator("list_objects_v2").paginate(**request):
            for item in page.get("Contents", []):
                yield Listed(item["Key"], int(item["Size"]), item.get("LastModified"))

    def unfinished(self, prefix: str, before: datetime) -> Iterator[Listed]:
        where = {"Bucket": self.bucket_name, "Prefix": _folder(prefix) + "/"}
        for page in self._client.get_paginator("list_multipart_uploads").paginate(**where):
            for item in page.get("Uploads", []):
                begun = item.get("Initiated")
                if begun is not None and begun < before:
                    sent = self._sent(item["Key"], item["UploadId"])
                    newest = max([begun, *(at for _, at in sent)])
                    yield Listed(item["Key"], sum(size for size, _ in sent), newest, item["UploadId"])

    def abandon(self, unfinished: Listed) -> None:
        try:
            self._client.abort_multipart_upload(
                Bucket=self.bucket_name, Key=unfinished.key, UploadId=unfinished.upload_id
            )
        except ClientError as error:
            if not _is_missing(error):
                raise

    def _sent(self, key: str, upload_id: str) -> list[tuple[int, datetime]]:
        """Size and time of each part that has arrived; none of an object that was finished or given up meanwhile."""
        parts = self._client.get_paginator("list_parts")
        try:
            pages = parts.paginate(Bucket=self.bucket_name, Key=key, UploadId=upload_id)
            return [(int(part["Size"]), part["LastModified"]) for page in pages for part in page.get("Parts", [])]
        except ClientError as error:
            if _is_missing(error):
                return []
            raise

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
    return error.response.get("Error", {}).get("Code") in {"404", "NoSuchKey", "NoSuchUpload", "NotFound"}


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
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=WRITING)
    try:
        with os.fdopen(descriptor, "wb") as out:
            yield out
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _raise(key: str, error: OSError) -> None:
    raise error


def _walk(folder: Path, key: str, after: list[str], skip: Skip) -> Iterator[Listed]:
    """The files below `folder`, whose key is `key`, by name; of them those after the path `after` below it."""
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry for entry in entries if _is_text(entry.name)), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return  # deleted meanwhile
    except OSError as error:
        skip(key, error)
        return
    for entry in found:
        if after and entry.name < after[0]:
            continue
        rest = after[1:] if after and entry.name == after[0] else []
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{key}/{entry.name}", rest, skip)
        elif entry.is_file(follow_symlinks=False) and not (after and entry.name == after[0]):
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError as error:
                skip(f"{key}/{entry.name}", error)
                continue
            yield Listed(f"{key}/{entry.name}", status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _is_text(name: str) -> bool:
    """Whether the bytes of a file's name are UTF-8, as those of all that the platform makes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


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
