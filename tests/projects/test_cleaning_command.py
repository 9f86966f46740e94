"""`manage.py clean_storage`: what operators see, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from io import StringIO

import pytest
from django.conf import settings as project_settings
from django.core.management import CommandError, call_command
from django.utils import timezone
from uuid_utils.compat import uuid7

from apps.datasets.models import Upload
from apps.projects import cleaning, cleaning_record
from apps.projects.access import enter_project
from apps.projects.management.commands import clean_storage
from apps.projects.storage import local_path, storage
from tests.projects.stored import keys_of, put, upload_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def access(developer, project):
    return enter_project(developer, id=project.pk)


def aged(key: str, days: int) -> str:
    path = local_path(key)
    assert path is not None
    then = (timezone.now() - timedelta(days=days)).timestamp()
    os.utime(path, (then, then))
    return key


@pytest.fixture
def orphan(local, project) -> str:
    return aged(put(f"projects/{project.pk}/uploads/{uuid7()}", b"x" * 2048), 8)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("clean_storage", *arguments, stdout=out)
    return out.getvalue()


def test_a_dry_run_lists_and_deletes_nothing(orphan, access):
    upload = upload_of(access, expires_at=timezone.now() - timedelta(hours=2))
    said = run("--dry-run")
    assert f"2,048      8d  uploads        {orphan}\n" in said
    assert "expired uploads: 1 would be cleared" in said
    assert "uploads: 1, 2.0 KB" in said
    assert "1 of 2 files would be deleted, 2.0 KB: nothing needs them, and they are older than 7d" in said
    assert keys_of() == {orphan, upload.storage_key}
    assert cleaning_record.last() is None


@pytest.mark.django_db(transaction=True)
def test_it_deletes_clears_and_is_remembered(orphan, access):
    upload_of(access, expires_at=timezone.now() - timedelta(hours=2))
    young = put(orphan[:-1] + ("0" if orphan[-1] != "0" else "1"))
    said = run()
    assert orphan in said
    assert "expired uploads: 1 cleared" in said
    assert keys_of() == {young}
    assert Upload.across_tenants.get().state == Upload.State.EXPIRED
    last = cleaning_record.last()
    assert last is not None
    assert (last.files, last.bytes, last.expired, last.errors, last.is_running) == (1, 2048, 1, 0, False)
    run()
    last.refresh_from_db()
    assert (last.files, last.total_files, last.total_bytes) == (0, 1, 2048)


def test_in_several_slices_it_deletes_the_same(local, project, monkeypatch):
    monkeypatch.setattr(clean_storage, "NOTED_EVERY_S", 0)
    monkeypatch.setattr(cleaning, "BATCH", 2)
    for _ in range(5):
        aged(put(f"projects/{project.pk}/uploads/{uuid7()}"), 8)
    assert "5 of 5 files deleted" in run()
    last = cleaning_record.last()
    assert last is not None
    assert (last.files, last.position, last.is_running) == (5, "", False)
    assert keys_of() == set()


def test_files_can_be_asked_for_that_are_older_still(orphan):
    assert "0 of 1 files deleted" in run("--older-than", "9d")
    assert "1 of 1 files deleted" in run("--older-than", "180h")


@pytest.mark.parametrize(
    ("age", "says"),
    [
        ("week", r"a number with d, h, m or s, such as 7d or 48h\. Received: 'week'"),
        ("-7d", r"Received: '-7d'"),
        ("1d", r"at least 2d: a file that is being uploaded.*Received: '1d'"),
        ("0s", r"at least 2d"),
    ],
)
def test_an_age_that_is_wrong_or_not_safe_is_refused(orphan, age, says):
    with pytest.raises(CommandError, match=says):
        run(f"--older-than={age}")
    assert keys_of() == {orphan}


def test_errors_are_said_and_end_it_with_one(orphan, monkeypatch):
    def refuse(self, key):
        raise PermissionError("Read-only file system")

    monkeypatch.setattr(type(storage()._wrapped), "discard", refuse)
    errors = StringIO()
    with pytest.raises(CommandError, match=r"Errors: 1\. What could not be deleted is still there"):
        call_command("clean_storage", stdout=StringIO(), stderr=errors)
    assert f"{orphan} can't be deleted: Read-only file system" in errors.getvalue()
    last = cleaning_record.last()
    assert last is not None
    assert (last.errors, last.files, last.is_running) == (1, 0, False)


def test_files_of_a_project_that_this_database_does_not_know_are_kept_and_counted(local, project):
    aged(put(f"projects/{uuid7()}/uploads/{uuid7()}"), 30)
    assert "kept, because their projects are not in this database: 1" in run()
    assert len(keys_of()) == 1


def test_it_needs_no_tensorflow():
    code = "import sys; import apps.projects.management.commands.clean_storage; sys.exit('tensorflow' in sys.modules)"
    setup = "import sys; sys.path[:0] = ['platform', '.']; import django; django.setup(); "
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", setup + code], cwd=project_settings.BASE_DIR, env=environment)
    assert done.returncode == 0
