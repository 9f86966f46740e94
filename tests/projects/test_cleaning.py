"""The clean-up deletes what no row holds, of both storages, and nothing else."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError
from django.apps import apps
from django.conf import settings as project_settings
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from uuid_utils.compat import uuid7

from apps.datasets.models import Upload
from apps.jobs.handlers import Folder
from apps.projects import cleaning
from apps.projects.access import enter_project
from apps.projects.cleaning import Orphan, clean
from apps.projects.storage import Listed, storage
from config.files import storage_from_url
from tests.projects.stored import break_local_files_off, keys_of, make_everything, put, tomorrow, upload_of

pytestmark = pytest.mark.django_db

# Columns that are named like a place of stored files, and are none.
NO_STORED_FILES = {"projects.ApiKey.prefix", "jobs.Job.idempotency_key", "training.RunFile.path"}
# Who puts files into the storage. Of a new one: which registered layout fits its keys, and whose rows hold them?
WRITERS = {
    "apps/datasets/handlers.py",
    "apps/datasets/uploads.py",
    "apps/jobs/saved_work.py",
    "apps/models/handlers.py",
    "apps/training/handlers.py",
    "apps/training/tensorboard/archives.py",
}


@pytest.fixture
def access(developer, project):
    return enter_project(developer, id=project.pk)


@pytest.fixture
def everything(files, access, tmp_path):
    stored = make_everything(access, Folder(tmp_path / "job"))
    if files == "local":
        break_local_files_off(stored, access)
    return stored


def orphan_of(project, body: bytes = b"12345") -> str:
    return put(f"projects/{project.pk}/uploads/{uuid7()}", body)


class TestWhatIsDeleted:
    def test_orphans_of_every_kind_and_no_file_that_a_row_holds(self, everything):
        account = clean(before=tomorrow())
        assert everything.held | everything.outside - {"brand/logo.png"} == keys_of()
        assert storage().exists("brand/logo.png")
        counts = {kind: one.files for kind, one in account.removed.items()}
        assert counts == {kind: len(keys) for kind, keys in everything.orphans.items()}
        assert (account.is_done, account.foreign, account.errors) == (True, 1, [])
        again = clean(before=tomorrow())
        assert (again.files, again.looked_at) == (0, len(everything.held | everything.outside) - 1)

    def test_a_dry_run_says_the_same_and_deletes_nothing(self, everything):
        before = keys_of()
        told: list[Orphan] = []
        account = clean(before=tomorrow(), dry_run=True, tell=told.append)
        assert keys_of() == before
        assert {orphan.file.key for orphan in told} == everything.every_orphan
        assert account.bytes == sum(orphan.file.size for orphan in told) > 0

    def test_young_files_stay(self, everything):
        before = keys_of()
        assert clean(before=timezone.now() - timedelta(hours=1)).files == 0
        assert keys_of() == before

    def test_a_file_whose_age_is_not_known_stays(self, local, project, monkeypatch):
        key = orphan_of(project)
        monkeypatch.setattr(type(storage()._wrapped), "files", lambda self, *where: iter([Listed(key, 5, None)]))
        assert clean(before=tomorrow()).files == 0
        assert storage().exists(key)

    def test_a_row_that_comes_while_others_are_deleted_is_seen(self, files, project, monkeypatch):
        monkeypatch.setattr(cleaning, "DELETED_AT_ONCE", 1)
        first, second = sorted(orphan_of(project) for _ in range(2))

        def arrive(orphan):
            assert orphan.file.key == first
            about = {"filename": "a", "size": 5, "expires_at": timezone.now(), "reserved_bytes": 5}
            Upload.across_tenants.create(project=project, storage_key=second, **about)

        clean(before=tomorrow(), tell=arrive)
        assert keys_of() == {second}

    def test_parts_that_an_object_store_was_left_with(self, s3, project):
        client, key = storage().connection.meta.client, f"projects/{project.pk}/models/{uuid7()}/1/small/model.tflite"
        for name in (key, "projects/by-hand/big"):
            started = client.create_multipart_upload(Bucket="bantam", Key=name)
            one = {"Bucket": "bantam", "Key": name, "UploadId": started["UploadId"]}
            client.upload_part(**one, PartNumber=1, Body=b"x" * 1000)
        [left] = [one for one in storage().unfinished("projects", tomorrow()) if one.key == key]
        assert left.size == 1000
        assert clean(before=timezone.now() - timedelta(hours=1)).files == 0
        account = clean(before=tomorrow())
        assert account.removed == {"broken copies": cleaning.Sum(1, 1000)}
        [by_hand] = storage().unfinished("projects", tomorrow())
        assert by_hand.key == "projects/by-hand/big"
        storage().abandon(by_hand)
        storage().abandon(left)  # fine, though it is gone


class TestHowItGoes:
    def test_it_stops_and_goes_on_from_there(self, files, project, access, monkeypatch):
        monkeypatch.setattr(cleaning, "BATCH", 4)
        monkeypatch.setattr(cleaning, "DELETED_AT_ONCE", 2)
        for _ in range(9):
            orphan_of(project)
        kept = {upload_of(access).storage_key for _ in range(2)}
        position, slices = "", 0
        while not (account := clean(before=tomorrow(), after=position, should_stop=lambda: True)).is_done:
            assert account.position > position
            assert account.files <= 2
            position, slices = account.position, slices + 1
        assert slices > 4
        assert keys_of() == kept

    def test_the_number_of_queries_does_not_grow_with_the_files(self, local, project, access):
        def count() -> int:
            with CaptureQueriesContext(connection) as queries:
                clean(before=tomorrow())
            return len(queries)

        orphan_of(project)
        upload_of(access)
        few = count()
        for _ in range(20):
            orphan_of(project)
            upload_of(access)
        assert count() == few

    def test_what_can_not_be_deleted_is_an_error_and_the_rest_goes_on(self, local, project, monkeypatch):
        stuck, _ = sorted(orphan_of(project) for _ in range(2))
        discard = type(storage()._wrapped).discard

        def refuse(self, key):
            if key == stuck:
                raise PermissionError("Read-only file system")
            discard(self, key)

        monkeypatch.setattr(type(storage()._wrapped), "discard", refuse)
        account = clean(before=tomorrow())
        assert account.errors == [f"{stuck} can't be deleted: Read-only file system"]
        assert (account.files, account.is_done) == (1, True)
        assert keys_of() == {stuck}

    def test_after_too_many_errors_it_gives_up(self, local, project, monkeypatch):
        for _ in range(5):
            orphan_of(project)
        monkeypatch.setattr(cleaning, "MOST_ERRORS", 3)
        monkeypatch.setattr(type(storage()._wrapped), "discard", lambda self, key: Path("/").rmdir())
        account = clean(before=tomorrow())
        assert (len(account.errors), account.gave_up, account.is_done, account.files) == (3, True, False, 0)

    def test_a_storage_that_can_not_be_listed_is_an_error(self, object_store, settings, tmp_path, project):
        wrong = object_store.replace("/bantam?", "/another-bucket?")
        settings.STORAGES = {**settings.STORAGES, "default": storage_from_url(wrong, tmp_path).backend}
        account = clean(before=tomorrow())
        [error] = account.errors
        assert error.startswith("The storage can't be listed:")
        assert "NoSuchBucket" in error
        assert (account.gave_up, account.is_done) == (True, False)
        assert clean(before=tomorrow(), after=f"projects/{project.pk}/uploads/x").position == ""  # it begins anew
        with pytest.raises(ClientError, match="NoSuchBucket"):
            list(storage().files("projects"))
        storage().connection.meta.client.close()

    def test_where_parts_can_not_be_listed_the_files_are_done_all_the_same(self, s3, project, monkeypatch):
        orphan_of(project)

        def refuse(self, prefix, before):
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "ListMultipartUploads")

        monkeypatch.setattr(type(storage()._wrapped), "unfinished", refuse)
        account = clean(before=tomorrow())
        assert "AccessDenied" in account.errors[0]
        assert (account.files, account.position, account.gave_up) == (1, "", True)


class TestWhatCanNotBeRead:
    @pytest.fixture
    def refuse(self, monkeypatch):
        """`refuse(name)`: folders of this name can't be listed any more."""
        scandir = os.scandir
        refused: set[str] = set()

        def scan(path):
            if Path(path).name in refused:
                raise PermissionError(13, "Permission denied")
            return scandir(path)

        monkeypatch.setattr("apps.projects.storage.os", SimpleNamespace(scandir=scan, fdopen=os.fdopen))
        return refused.add

    def test_it_is_an_error_and_the_rest_goes_on(self, local, project, refuse):
        behind = orphan_of(project)
        hidden = put(f"projects/{project.pk}/lost+found/a")
        refuse("lost+found")
        account = clean(before=tomorrow())
        assert account.errors == [f"projects/{project.pk}/lost+found can't be read: [Errno 13] Permission denied"]
        assert (account.files, account.is_done, account.position) == (1, True, "")
        assert not storage().exists(behind)
        assert storage().exists(hidden)
        with pytest.raises(PermissionError):  # who lists for anything else is told
            list(storage().files("projects"))

    def test_so_many_that_it_gives_up_are_behind_it_the_next_time(self, local, project, refuse, monkeypatch):
        monkeypatch.setattr(cleaning, "MOST_ERRORS", 2)
        monkeypatch.setattr(cleaning, "BATCH", 1)
        for name in "ab":
            put(f"projects/{project.pk}/{name}/file")
            refuse(name)
        for _ in range(2):
            orphan_of(project)
        first = clean(before=tomorrow())
        assert (first.files, first.gave_up, len(first.errors)) == (1, True, 2)
        second = clean(before=tomorrow(), after=first.position)
        assert (second.files, second.errors, second.is_done) == (1, [], True)

    def test_a_name_that_is_no_text_is_none_of_ours(self, local, project):
        orphan = orphan_of(project)
        place = os.fsencode(storage().path(orphan))
        Path(os.fsdecode(place + b"\xff")).write_bytes(b"x")
        account = clean(before=tomorrow())
        assert (account.files, account.looked_at) == (1, 1)


class TestListing:
    def test_it_is_in_an_order_and_begins_after_any_key(self, files):
        keys = [f"projects/{name}" for name in ("a/1", "a/2", "a-b/1", "b/deep/er/1", "b/x", "c")]
        for key in keys:
            put(key)
        found = list(storage().files("projects"))
        assert sorted(file.key for file in found) == sorted(keys)
        assert all(file.size == 5 and abs(file.modified - timezone.now()) < timedelta(minutes=5) for file in found)
        for index, file in enumerate(found):
            assert list(storage().files("projects", file.key)) == found[index + 1 :]
        storage().discard(found[2].key)  # a key that is gone is a place all the same
        assert list(storage().files("projects", found[2].key)) == found[3:]

    def test_nothing_is_there(self, files):
        assert list(storage().files("projects")) == []
        assert list(storage().unfinished("projects", tomorrow())) == []

    def test_links_lead_nowhere(self, local, tmp_path):
        put("projects/a/1")
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside/secret").write_text("secret")
        (tmp_path / "media/projects/link").symlink_to(tmp_path / "outside")
        (tmp_path / "media/projects/file").symlink_to(tmp_path / "outside/secret")
        assert keys_of() == {"projects/a/1"}


class TestNothingIsForgotten:
    """The clean-up would delete the files of a model that nobody registered: whoever adds one learns it here."""

    def test_every_column_that_names_stored_files_is_held(self):
        named = re.compile(r"storage|stored|saved|prefix|key|archive|path")
        found = {
            f"{field.model._meta.label}.{field.name}"
            for model in apps.get_models()
            if model.__module__.startswith("apps.")
            for field in model._meta.concrete_fields
            if isinstance(field, models.FileField)
            or (isinstance(field, models.CharField | models.TextField) and named.search(field.name))
        }
        assert found - NO_STORED_FILES == cleaning.held_fields()

    def test_everybody_who_stores_files_was_looked_at(self):
        base = project_settings.BASE_DIR
        stores = re.compile(r"\.save_from\(|\.signed_put\(|storage\(\)\.(save|open)\(")
        found = {
            str(path.relative_to(base))
            for path in (base / "apps").rglob("*.py")
            if stores.search(path.read_text(encoding="utf-8")) and path.name != "storage.py"
        }
        assert found == WRITERS
