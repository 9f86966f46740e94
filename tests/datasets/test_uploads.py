"""The life of an upload, by the services."""

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import Organization
from apps.datasets.models import Upload
from apps.datasets.uploads import (
    SWEEP_AFTER,
    ask_for_upload,
    complete_upload,
    drop_upload,
    give_up_upload,
    max_upload_bytes,
    sweep_uploads,
    use_upload,
)
from apps.errors import Refused
from apps.jobs import housekeeping
from apps.projects import quotas
from apps.projects.models import AuditEntry
from apps.projects.storage import storage

from .conftest import put

BODY = b"0123456789" * 100
DATASET = Upload.Purpose.DATASET


def used() -> int:
    return Organization.objects.get(slug="acme").used_bytes


@pytest.fixture
def access(access_of, developer):
    return access_of(developer)


@pytest.fixture
def asked(access):
    return ask_for_upload(access=access, purpose=DATASET, filename="a.zip", size=len(BODY))


@pytest.mark.parametrize("filename", ["a.zip", "A.CSV", "b.jsonl", "train.tfrecord"])
def test_archives_tables_and_records_are_accepted(access, filename):
    upload, _ = ask_for_upload(access=access, purpose=DATASET, filename=filename, size=5)
    assert upload.filename == filename


def test_from_asking_to_using(access, asked, django_capture_on_commit_callbacks):
    upload, link = asked
    assert (upload.state, used()) == (Upload.State.WAITING, len(BODY))
    assert put(link, BODY) == 200
    upload = complete_upload(access=access, upload=upload)
    assert (upload.state, upload.sha256) == (Upload.State.VERIFIED, hashlib.sha256(BODY).hexdigest())
    assert use_upload(upload).state == Upload.State.USED
    assert used() == len(BODY)
    with django_capture_on_commit_callbacks(execute=True):
        drop_upload(upload)
        drop_upload(upload)
    assert used() == 0
    assert storage().arrived(upload.storage_key) == (0, False)
    actions = list(AuditEntry.across_tenants.order_by("id").values_list("action", "user__email"))
    assert actions == [("upload.requested", "developer@example.com"), ("upload.completed", "developer@example.com")]


def test_ten_gigabytes_against_one_are_refused_and_leave_nothing(access):
    size = min(10 * 2**30, max_upload_bytes())  # an object store takes less than that in one request
    expected = rf"needs {quotas.in_words(size)}; 1\.0 GB of the 1\.0 GB quota are free"
    with pytest.raises(Refused, match=expected) as refused:
        ask_for_upload(access=access, purpose=DATASET, filename="a.zip", size=size)
    assert refused.value.code == "quota_exceeded"
    assert not Upload.across_tenants.exists()
    assert not AuditEntry.across_tenants.exists()
    assert used() == 0


@pytest.mark.parametrize(
    ("given", "field", "says"),
    [
        ({"filename": ""}, "filename", "1 … 255 characters"),
        ({"filename": "../a.zip"}, "filename", r"Received: '\.\./a\.zip'"),
        ({"filename": "a\x00.zip"}, "filename", "control characters"),
        ({"filename": "a" * 252 + ".zip"}, "filename", "1 … 255 characters"),
        ({"filename": "a.tar"}, "filename", r"ends in \.zip, \.csv, \.jsonl or \.tfrecord\. Received: 'a\.tar'"),
        ({"size": 0}, "size", "at least 1 byte"),
        ({"size": -5}, "size", "Received: -5"),
        ({"sha256": "xyz"}, "sha256", "64 hexadecimal digits"),
    ],
)
def test_what_is_announced_is_checked(access, given, field, says):
    with pytest.raises(Refused, match=says) as refused:
        ask_for_upload(**{"access": access, "purpose": DATASET, "filename": "a.zip", "size": 5, **given})
    assert [detail["field"] for detail in refused.value.details] == [field]
    assert used() == 0


@pytest.mark.parametrize("size", [2**63, 10**30])
def test_a_size_beyond_every_number_of_the_database_is_refused(access, size):
    with pytest.raises(Refused, match="An upload has at most") as refused:
        ask_for_upload(access=access, purpose=DATASET, filename="a.zip", size=size)
    assert [detail["field"] for detail in refused.value.details] == ["size"]
    assert used() == 0


def test_an_upload_within_the_quota_may_still_be_too_large(access, settings):
    settings.MAX_UPLOAD_BYTES = 1024
    with pytest.raises(Refused, match=r"at most 1\.0 KB\. Received: 2\.0 KB") as refused:
        ask_for_upload(access=access, purpose=DATASET, filename="a.zip", size=2048)
    assert [detail["field"] for detail in refused.value.details] == ["size"]
    assert used() == 0


def test_an_object_store_takes_no_more_than_its_protocol_allows_in_one_request(settings):
    settings.MAX_UPLOAD_BYTES = 2**50
    assert max_upload_bytes() == (storage().max_put_bytes or 2**50)


def test_completing_before_the_bytes_came_says_how_many_are_missing(access, asked):
    upload, link = asked
    with pytest.raises(Refused, match="0 of the 1000 bytes") as refused:
        complete_upload(access=access, upload=upload)
    assert (refused.value.code, refused.value.status) == ("upload_incomplete", 409)
    put(link, BODY)
    assert complete_upload(access=access, upload=upload).state == Upload.State.VERIFIED


def test_completing_twice_changes_nothing(access, asked):
    upload, link = asked
    put(link, BODY)
    complete_upload(access=access, upload=upload)
    complete_upload(access=access, upload=upload)
    assert AuditEntry.across_tenants.filter(action="upload.completed").count() == 1


def test_another_hash_than_announced_deletes_the_bytes(access, django_capture_on_commit_callbacks):
    upload, link = ask_for_upload(access=access, purpose=DATASET, filename="a.zip", size=len(BODY), sha256="A" * 64)
    put(link, BODY)
    with django_capture_on_commit_callbacks(execute=True), pytest.raises(Refused, match="a" * 64) as refused:
        complete_upload(access=access, upload=upload)
    assert refused.value.code == "hash_mismatch"
    upload.refresh_from_db()
    assert (upload.state, upload.reserved_bytes, used()) == (Upload.State.REFUSED, 0, 0)
    assert storage().arrived(upload.storage_key) == (0, False)
    with pytest.raises(Refused, match="Ask for a new upload"):
        complete_upload(access=access, upload=upload)


def test_another_size_than_announced_deletes_the_bytes(access, asked, tmp_path, django_capture_on_commit_callbacks):
    upload, _ = asked
    file = tmp_path / "file"
    file.write_bytes(BODY + b"more")
    storage().save_from(file, upload.storage_key)
    with (
        django_capture_on_commit_callbacks(execute=True),
        pytest.raises(Refused, match="1000 bytes were announced; 1004"),
    ):
        complete_upload(access=access, upload=upload)
    assert used() == 0
    assert storage().arrived(upload.storage_key) == (0, False)


def test_an_upload_is_used_once(access, asked):
    upload, link = asked
    with pytest.raises(Refused, match="not complete"):
        use_upload(upload)
    put(link, BODY)
    upload = complete_upload(access=access, upload=upload)
    use_upload(upload)
    with pytest.raises(Refused, match="used already"):
        use_upload(upload)


def test_an_expired_upload_can_neither_be_completed_nor_used(access, asked):
    upload, link = asked
    put(link, BODY)
    upload.expires_at = timezone.now() - timedelta(seconds=1)
    upload.save()
    with pytest.raises(Refused, match="has expired"):
        complete_upload(access=access, upload=upload)
    with pytest.raises(Refused, match="has expired"):
        use_upload(upload)


def test_the_sweep_clears_what_expired_and_only_that(access, uploaded, django_capture_on_commit_callbacks):
    def expired(upload):
        Upload.across_tenants.filter(pk=upload.pk).update(expires_at=timezone.now() - SWEEP_AFTER)
        return upload

    fresh = uploaded(b"fresh")
    in_use = expired(use_upload(uploaded(b"in use")))
    verified = expired(uploaded(b"verified"))
    waiting, link = ask_for_upload(access=access, purpose=DATASET, filename="a.zip", size=10)
    put(link, b"0123", **{"Content-Range": "bytes 0-3/10"})
    expired(waiting)
    with django_capture_on_commit_callbacks(execute=True):
        assert sweep_uploads() == 2
        assert sweep_uploads() == 0
    for upload in (fresh, in_use, verified, waiting):
        upload.refresh_from_db()
    assert [upload.state for upload in (fresh, in_use, verified, waiting)] == ["verified", "used", "expired", "expired"]
    assert used() == len(b"fresh") + len(b"in use")
    assert storage().arrived(verified.storage_key) == storage().arrived(waiting.storage_key) == (0, False)
    assert storage().arrived(in_use.storage_key) == (6, True)


def test_the_sweep_takes_bytes_that_came_after_the_upload_was_dropped(
    access, asked, tmp_path, django_capture_on_commit_callbacks
):
    upload, link = asked
    with django_capture_on_commit_callbacks(execute=True):
        drop_upload(upload, Upload.State.REFUSED)
    # An object store takes them as long as the link is valid; local files do not.
    assert put(link, BODY) == (410 if link.path else 200)
    (tmp_path / "late").write_bytes(BODY)
    storage().save_from(tmp_path / "late", upload.storage_key)
    Upload.across_tenants.filter(pk=upload.pk).update(expires_at=timezone.now() - SWEEP_AFTER)
    with django_capture_on_commit_callbacks(execute=True):
        assert sweep_uploads() == 1
    assert storage().arrived(upload.storage_key) == (0, False)
    assert used() == 0


def test_the_workers_sweep_by_themselves():
    chore = housekeeping._chores["clear expired uploads"]
    assert (chore.do, chore.every_s) == (sweep_uploads, 300)


def test_giving_up_frees_everything(access, asked, django_capture_on_commit_callbacks):
    upload, link = asked
    put(link, b"0123", **{"Content-Range": "bytes 0-3/1000"})
    with django_capture_on_commit_callbacks(execute=True):
        give_up_upload(access=access, upload=upload)
        give_up_upload(access=access, upload=upload)
    assert used() == 0
    assert storage().arrived(upload.storage_key) == (0, False)
    assert AuditEntry.across_tenants.filter(action="upload.given_up").count() == 1


def test_what_something_was_made_of_is_not_given_up(access, uploaded):
    with pytest.raises(Refused, match="used already"):
        give_up_upload(access=access, upload=use_upload(uploaded(BODY)))
    assert used() == len(BODY)
