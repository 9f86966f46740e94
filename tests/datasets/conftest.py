"""Real uploads and archives: what a person or a program would send."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.test import Client
from PIL import Image

from apps.accounts.models import Membership, User
from apps.datasets import services, uploads
from apps.datasets.models import Dataset, DatasetVersion, Upload
from apps.jobs.worker import run_job
from apps.projects.access import Access, enter_project
from apps.projects.models import Project
from apps.projects.storage import SignedRequest, storage

FEATURE = {
    "name": "image",
    "type": "image",
    "shape": [8, 8, 1],
    "sample_rate": None,
    "spectrogram": {"window_ms": 32.0, "hop_ms": 16.0, "bands": 40},
}
TASK = {"type": "classification", "label": "label", "num_classes": 2, "num_values": None}


def png(shade: int, *, size: tuple[int, int] = (8, 8)) -> bytes:
    out = io.BytesIO()
    Image.new("L", size, shade).save(out, "PNG")
    return out.getvalue()


def zipped(files: Iterable[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files:
            archive.writestr(name, data)
    return out.getvalue()


@pytest.fixture(autouse=True)
def _own_folder(settings: Any, tmp_path: Path) -> None:
    """Local files of a test go with it; in an object store, every test has keys of its own."""
    if settings.STORAGES["default"]["BACKEND"].endswith("LocalStorage"):
        local = {**settings.STORAGES["default"], "OPTIONS": {"location": str(tmp_path / "media")}}
        settings.STORAGES = {**settings.STORAGES, "default": local}


@pytest.fixture
def digits() -> bytes:
    """A zip of 2 classes with 20 different images each."""
    return zipped((f"digits/{label}/{n}.png", png(n * 5 + label * 100)) for label in (0, 1) for n in range(20))


@pytest.fixture
def access_of(project: Project) -> Callable[[User], Access]:
    def enter(user: User) -> Access:
        return enter_project(user, id=project.pk)

    return enter


def put(link: SignedRequest, body: bytes, **headers: str) -> int:
    """Send `body` where `link` says: into this process, or over HTTP to the object store. Returns the status."""
    if link.path:
        path = urlsplit(link.url).path
        return Client().put(path, body, content_type="application/octet-stream", headers=headers).status_code
    return httpx.put(link.url, content=body, headers={**link.headers, **headers}).status_code


@pytest.fixture
def uploaded(access_of: Callable[[User], Access], developer: User) -> Callable[..., Upload]:
    """`uploaded(body)` → a verified upload of it."""

    def upload(body: bytes, filename: str = "archive.zip") -> Upload:
        assert Membership.across_tenants.filter(user=developer).exists()
        access = access_of(developer)
        row, link = uploads.ask_for_upload(
            access=access, purpose=Upload.Purpose.DATASET, filename=filename, size=len(body)
        )
        assert put(link, body) == 200
        return uploads.complete_upload(access=access, upload=row)

    return upload


@pytest.fixture
def import_archive(
    uploaded: Callable[..., Upload],
    access_of: Callable[[User], Access],
    developer: User,
    settings: Any,
    tmp_path: Path,
    django_capture_on_commit_callbacks: Any,
) -> Callable[..., DatasetVersion]:
    """`import_archive(body)` → the version that the real job, with the real engine, made of it or failed to make."""
    settings.JOBS_DIR = tmp_path / "jobs"

    def run(body: bytes, filename: str = "archive.zip", **options: Any) -> DatasetVersion:
        access = access_of(developer)
        dataset = Dataset.across_tenants.filter(slug="digits").first()
        dataset = dataset or services.create_dataset(access=access, name="Digits")
        version = services.create_version(access=access, dataset=dataset, upload=uploaded(body, filename), **options)
        with django_capture_on_commit_callbacks(execute=True):
            run_job(str(version.job_id))
        return DatasetVersion.across_tenants.select_related("job", "upload", "project__organization").get(pk=version.pk)

    return run


def stored_keys(project: Project) -> list[str]:
    """Everything that the storage keeps for the project."""

    def walk(folder: str) -> Iterable[str]:
        folders, files = storage().listdir(folder)
        yield from (f"{folder}/{name}" for name in files if name)
        for name in folders:
            yield from walk(f"{folder}/{name}")

    try:
        return sorted(walk(f"projects/{project.pk}"))
    except FileNotFoundError:
        return []
