"""The stored files of a dataset version: which there are, and signed links to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from django.conf import settings
from django.http import Http404, HttpRequest

from apps.datasets.models import DatasetVersion
from apps.projects.storage import SignedRequest, storage

CONTENT_TYPES = {".json": "application/json", ".jsonl": "application/jsonl", ".png": "image/png"}


@dataclass(frozen=True)
class VersionFile:
    key: str
    filename: str
    content_type: str


def file_of(version: DatasetVersion, path: str) -> VersionFile:
    """The file or sample `path` of the version. Raises Http404 for any path that the version does not list."""
    if path not in {item["path"] for item in (*version.files, *version.samples)}:
        raise Http404("This dataset version has no such file.")
    return _file(version, path)


def link_to(request: HttpRequest, version: DatasetVersion, path: str) -> str:
    """A signed link to a path that the version lists, for the page that `request` asked for. Makes no query."""
    file = _file(version, path)
    link: SignedRequest = storage().signed_get(
        file.key, filename=file.filename, content_type=file.content_type, expires_s=settings.DOWNLOAD_EXPIRES_S
    )
    return link.url_at(request)


def _file(version: DatasetVersion, path: str) -> VersionFile:
    name = PurePosixPath(path)
    content_type = CONTENT_TYPES.get(name.suffix, "application/octet-stream")
    filename = f"{version.dataset.slug}-v{version.number}-{name.name}"  # those of several versions do not collide
    return VersionFile(f"{version.storage_prefix}/{path}", filename, content_type)
