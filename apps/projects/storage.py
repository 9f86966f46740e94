"""The storage backends: local files, or S3. Each gives signed links, so that file bytes need no other permission check.

A signed link of local files is served by apps/projects/file_views.py; one of S3 by the object store itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import quote

from django.conf import settings
from django.core import signing
from django.core.files.storage import FileSystemStorage, default_storage
from django.urls import reverse
from storages.backends.s3 import S3Storage as DjangoS3Storage

SALT = "bantam.file-link"


@dataclass(frozen=True)
class SignedRequest:
    """What a client has to send: method, address (absolute) and headers."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)


class SignedStorage(Protocol):
    """What both backends offer beside Django's storage interface. Keys are relative paths with forward slashes."""

    def signed_put(self, key: str, *, size: int, expires_s: int) -> SignedRequest: ...
    def signed_get(self, key: str, *, filename: str, content_type: str, expires_s: int) -> SignedRequest: ...


class LocalStorage(FileSystemStorage):
    """Files below DATA_DIR/media. Links are signed by SECRET_KEY and carry key, method, size limit and expiry."""

    def signed_put(self, key: str, *, size: int, expires_s: int) -> SignedRequest:
        token = signing.dumps({"k": key, "m": "PUT", "n": size, "x": expires_s}, salt=SALT, compress=True)
        return SignedRequest("PUT", settings.BASE_URL + reverse("file-link", args=[token]), {"Content-Type": "application/octet-stream"})

    def signed_get(self, key: str, *, filename: str, content_type: str, expires_s: int) -> SignedRequest:
        token = signing.dumps({"k": key, "m": "GET", "f": filename, "t": content_type, "x": expires_s}, salt=SALT, compress=True)
        return SignedRequest("GET", settings.BASE_URL + reverse("file-link", args=[token]))


class S3Storage(DjangoS3Storage):  # type: ignore[misc]
    """Objects of one bucket. Links are presigned by the store's own protocol."""

    def signed_put(self, key: str, *, size: int, expires_s: int) -> SignedRequest:
        parameters = {"Bucket": self.bucket_name, "Key": key, "ContentLength": size, "ContentType": "application/octet-stream"}
        url = self.connection.meta.client.generate_presigned_url("put_object", Params=parameters, ExpiresIn=expires_s)
        return SignedRequest("PUT", cast(str, url), {"Content-Type": "application/octet-stream"})

    def signed_get(self, key: str, *, filename: str, content_type: str, expires_s: int) -> SignedRequest:
        parameters: dict[str, Any] = {
            "Bucket": self.bucket_name,
            "Key": key,
            "ResponseContentType": content_type,
            "ResponseContentDisposition": f"attachment; filename*=UTF-8''{quote(filename)}",
        }
        url = self.connection.meta.client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=expires_s)
        return SignedRequest("GET", cast(str, url))


def storage() -> Any:
    """The configured storage, which is a SignedStorage as well as Django's Storage."""
    return default_storage


def local_path(key: str) -> Path | None:
    """Where `key` lies on this machine, or None when files are in an object store."""
    try:
        return Path(default_storage.path(key))
    except NotImplementedError:
        return None
