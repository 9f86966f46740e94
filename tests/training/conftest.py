"""A dataset of real handwritten digits, imported by the engine once, and a row of it in the project."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as project_settings
from django.core.files.base import ContentFile
from django.utils import timezone
from PIL import Image
from sklearn.datasets import load_digits
from uuid_utils.compat import uuid7

from apps.datasets.models import Dataset, DatasetVersion, Upload
from apps.jobs.models import Job
from apps.projects import quotas
from apps.projects.access import Access, enter_project
from apps.projects.models import Project
from apps.projects.storage import storage
from apps.training.models import SpecFile, Study
from apps.training.presets import defaults_for
from apps.training.spec_files import keep_file
from apps.training.studies.services import Plan, start_study
from tests.training.studying import SPACE

EXAMPLES_A_CLASS = 30


@pytest.fixture(autouse=True)
def _own_folders(settings, tmp_path: Path) -> None:
    """Local files of a test go with it; in an object store, every test has keys of its own."""
    settings.JOBS_DIR = tmp_path / "jobs"
    if settings.STORAGES["default"]["BACKEND"].endswith("LocalStorage"):
        local = {**settings.STORAGES["default"], "OPTIONS": {"location": str(tmp_path / "media")}}
        settings.STORAGES = {**settings.STORAGES, "default": local}


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `import` writes for 300 digits of 8×8 grey pixels in ten classes."""
    root = tmp_path_factory.mktemp("digits")
    digits = load_digits()
    with zipfile.ZipFile(root / "digits.zip", "w") as archive:
        for label in range(10):
            chosen = digits.images[digits.target == label][:EXAMPLES_A_CLASS]
            for index, image in enumerate(chosen):
                file = io.BytesIO()
                Image.fromarray((image * (255 / 16)).astype("uint8")).save(file, "PNG")
                archive.writestr(f"{label}/{index:03}.png", file.getvalue())
    return imported(root, "digits.zip")


def imported(root: Path, source: str, *more: str) -> Path:
    """The folder that `import` writes for the file `source` in `root`."""
    arguments = ["--source", root / source, "--out", root / "out", "--work", root / "work", *more]
    environment = {**os.environ, "PYTHONPATH": str(project_settings.BASE_DIR / "platform")}
    command = [sys.executable, "-m", "ml", "import", *map(str, arguments)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return root / "out"


@pytest.fixture
def make_dataset_version(project, digits_folder):
    """`make_dataset_version(state=…)` → the digits as version 1 of a dataset of `project`, its files in the storage.

    `folder`: what `import` has written of other data.
    """

    def make(folder: Path = digits_folder, **fields) -> DatasetVersion:
        owner_project = fields.pop("project", project)
        result = json.loads((folder / "result.json").read_text())
        dataset = Dataset.across_tenants.create(project=owner_project, name="Digits", slug="digits")
        pk = uuid7()
        upload = Upload.across_tenants.create(
            project=owner_project,
            purpose=Upload.Purpose.DATASET,
            state=Upload.State.USED,
            filename="digits.zip",
            size=1,
            storage_key=f"projects/{owner_project.pk}/uploads/{pk}",
            expires_at=timezone.now() + timedelta(days=1),
        )
        job = Job.across_tenants.create(
            project=owner_project, kind=Job.Kind.IMPORT, state=Job.State.SUCCEEDED, title="Import digits.zip"
        )
        prefix = f"projects/{owner_project.pk}/datasets/{pk}/1"
        for file in result["files"]:
            storage().save_from(folder / file["path"], f"{prefix}/{file['path']}")
        about = {
            name: result[name]
            for name in (
                *("files", "sha256", "features", "task", "classes", "num_examples", "splits", "class_counts"),
                *("value_ranges", "samples"),
            )
        }
        return DatasetVersion.across_tenants.create(
            id=pk,
            project=owner_project,
            dataset=dataset,
            number=1,
            upload=upload,
            job=job,
            storage_prefix=prefix,
            **{"state": DatasetVersion.State.READY, **about, **fields},
        )

    return make


@pytest.fixture
def dataset_version(make_dataset_version) -> DatasetVersion:
    return make_dataset_version()


@pytest.fixture
def access(developer, project) -> Access:
    """What a developer of the project is granted."""
    return enter_project(developer, id=project.pk)


@pytest.fixture
def make_upload(project):
    """`make_upload(body, filename=…)` → a verified upload of a file for specs, which counts towards the quota."""

    def make(body: bytes = b"{}", filename: str = "phone.json", **fields) -> Upload:
        owner_project = fields.pop("project", project)
        quotas.reserve(owner_project.organization, len(body))
        pk = uuid7()
        key = storage().save(f"projects/{owner_project.pk}/uploads/{pk}", ContentFile(body))
        about = {"purpose": Upload.Purpose.FILE, "state": Upload.State.VERIFIED, **fields}
        return Upload.across_tenants.create(
            id=pk,
            project=owner_project,
            filename=filename,
            size=len(body),
            reserved_bytes=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
            storage_key=key,
            expires_at=timezone.now() + timedelta(days=1),
            **about,
        )

    return make


@pytest.fixture
def make_file(access, make_upload):
    """`make_file("phone.json", body)` → a file that specs can name."""

    def make(name: str, body: bytes = b"{}", project: Project | None = None) -> SpecFile:
        granted = access if project is None else replace(access, project_or_none=project)
        upload = make_upload(body, name, project=granted.project)
        return keep_file(access=granted, upload=upload)

    return make


@pytest.fixture
def small_spec(dataset_version) -> dict:
    """A spec that trains in seconds: a trainer and two students, a few steps."""
    spec = defaults_for(dataset_version)
    spec["hyperparameters"].update(steps=30, batch_size=32)
    spec["trainer"]["params"] = {"filters": [8], "units": []}
    spec["students"] = [
        {"id": "bits", "model_type": "projection", "params": {"projections": 20, "bits": 8}},
        {"id": "dense", "model_type": "feed_forward", "params": {"units": [16]}},
    ]
    return spec


@pytest.fixture
def make_study(access, dataset_version, small_spec):
    """`make_study(trials=…, sampler=…)` → a study of the student "bits"; `space=` for another one."""
    del small_spec["trainer"]
    small_spec["students"] = small_spec["students"][:1]

    def make(space=SPACE, **plan) -> Study:
        plan = {"trials": 6, "at_once": 2, "pruner": "none", **plan}
        return start_study(
            access=access,
            dataset_version=dataset_version,
            spec=small_spec,
            space=space,
            plan=Plan(**plan),
            model_name=f"Digits {Study.across_tenants.count()}",
            name="Search",
        )

    return make
