"""From an upload to a verdict: the check job runs for real, in the worker's own code."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from apps.datasets.models import Upload
from apps.datasets.uploads import SWEEP_AFTER, sweep_uploads
from apps.errors import Refused
from apps.jobs.models import Job
from apps.jobs.services import cancel_job
from apps.jobs.worker import run_job
from apps.models.models import ModelVersion
from apps.models.services import MAX_TFLITE_BYTES, add_uploaded_version, check_again, delete_version
from apps.projects.storage import storage
from tests.models.tflite_files import GARBAGE, GOOD, with_foreign_operator


def checked(version: ModelVersion) -> ModelVersion:
    run_job(str(version.check_job_id))
    version.refresh_from_db()
    version.check_job.refresh_from_db()
    return version


@pytest.fixture
def uploaded(transactional_db, access, model, make_upload):
    def upload(body: bytes = GOOD, **fields) -> ModelVersion:
        return add_uploaded_version(access=access, model=model, upload=make_upload(body, **fields))

    return upload


def test_good_file_becomes_ready_and_keeps_its_share_of_the_quota(uploaded, organization):
    version = uploaded()
    assert (version.number, version.state, version.origin, version.label) == (1, "checking", "uploaded", "pets")
    assert Upload.across_tenants.get().state == Upload.State.USED
    checked(version)
    assert (version.state, version.min_runtime) == ("ready", "2.17.0")
    assert version.compatibility["problems"] == []
    assert [tensor["name"] for tensor in version.compatibility["signatures"][0]["inputs"]] == ["image"]
    assert version.tflite.bytes == len(GOOD)
    organization.refresh_from_db()
    assert organization.used_bytes == len(GOOD)


@pytest.mark.parametrize("body", [GOOD, GARBAGE])
def test_what_was_checked_lies_where_no_upload_link_leads(uploaded, organization, access, body):
    version = uploaded(body)
    key = version.upload.storage_key
    assert version.tflite.storage_key == key
    checked(version)
    version = ModelVersion.across_tenants.get(pk=version.pk)
    assert version.tflite.storage_key != key
    assert storage().digest(version.tflite.storage_key) == version.tflite.sha256
    assert storage().arrived(key) == (0, False)
    storage().save(key, ContentFile(b"sent by the old link"))
    assert storage().digest(version.tflite.storage_key) == version.tflite.sha256
    Upload.across_tenants.update(expires_at=timezone.now() - SWEEP_AFTER)
    assert sweep_uploads() == 1
    assert storage().arrived(key) == (0, False)
    organization.refresh_from_db()
    assert organization.used_bytes == len(body)
    own_key = version.tflite.storage_key
    delete_version(access=access, version=version)
    organization.refresh_from_db()
    assert organization.used_bytes == 0
    assert storage().arrived(own_key) == (0, False)


def test_a_check_whose_verdict_is_not_accepted_leaves_no_copy(uploaded, organization, monkeypatch, access):
    version = uploaded()

    def broken(*_):
        raise RuntimeError("the database is gone")

    with monkeypatch.context() as patch:
        patch.setattr("apps.models.handlers.hand_over_upload", broken)
        for _ in range(version.check_job.max_attempts):
            checked(version)
    assert (version.check_job.state, version.check_broke) == ("failed", True)
    assert version.tflite.storage_key == version.upload.storage_key
    assert storage().digest(version.upload.storage_key) == version.tflite.sha256
    folder = f"projects/{version.project_id}/models/{version.pk}"
    assert not storage().exists(folder) or storage().listdir(folder) == ([], [])
    check_again(access=access, version=version)
    version.refresh_from_db()
    assert checked(version).state == "ready"
    organization.refresh_from_db()
    assert organization.used_bytes == len(GOOD)


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (GARBAGE, "not_a_model", "not a .tflite model"),
        (GOOD[: len(GOOD) // 2], "not_a_model", "damaged or cut off"),
        (with_foreign_operator("FlexErf"), "flex_operator", "FlexErf"),
        (with_foreign_operator("MyTopK"), "custom_operator", "MyTopK"),
    ],
)
def test_file_that_would_not_run_is_refused_with_the_reason_and_keeps_its_report(uploaded, body, code, said):
    version = checked(uploaded(body))
    assert (version.check_job.state, version.state, version.min_runtime) == ("succeeded", "refused", "")
    assert code in [problem["code"] for problem in version.compatibility["problems"]]
    assert said in " ".join(problem["message"] for problem in version.compatibility["problems"])
    assert not version.check_broke


def test_numbers_have_no_gaps(uploaded, access, model, make_upload):
    with pytest.raises(Refused):
        uploaded(filename="pets.h5")
    assert [uploaded().number for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"filename": "pets.h5"}, "unsupported_model_file"),
        ({"purpose": Upload.Purpose.DATASET}, "wrong_purpose"),
        ({"size": MAX_TFLITE_BYTES + 1}, "file_too_large"),
    ],
)
def test_upload_that_is_no_model_is_refused_beside_its_field(uploaded, fields, code):
    with pytest.raises(Refused) as caught:
        uploaded(**fields)
    assert caught.value.code == code
    assert [detail["field"] for detail in caught.value.details] == ["upload"]
    assert not ModelVersion.across_tenants.exists()
    assert Upload.across_tenants.get().state == Upload.State.VERIFIED


@pytest.mark.parametrize("state", [Upload.State.WAITING, Upload.State.USED, Upload.State.EXPIRED])
def test_upload_is_used_once_and_only_when_it_is_there(uploaded, state):
    with pytest.raises(Refused) as caught:
        uploaded(state=state)
    assert caught.value.status == 409
    assert not ModelVersion.across_tenants.exists()


def test_changed_bytes_are_noticed_before_the_check(uploaded):
    version = uploaded()
    storage().delete(version.tflite.storage_key)
    storage().save(version.tflite.storage_key, ContentFile(GARBAGE))
    checked(version)
    assert (version.check_job.state, version.check_job.error_code) == ("failed", "hash_mismatch")
    assert version.check_broke


def test_cancelled_check_gives_no_verdict_and_can_be_repeated(uploaded, access):
    version = uploaded()
    cancel_job(access=access, job=version.check_job)
    version.refresh_from_db()
    assert (version.state, version.check_broke) == ("refused", True)
    job = check_again(access=access, version=version)
    assert job.pk != version.check_job_id
    version.refresh_from_db()
    assert (version.state, checked(version).state) == ("checking", "ready")


def test_check_with_a_verdict_or_under_way_is_not_repeated(uploaded, access):
    version = uploaded()
    with pytest.raises(Refused, match="still under way"):
        check_again(access=access, version=version)
    checked(version)
    with pytest.raises(Refused, match="has a verdict: ready"):
        check_again(access=access, version=version)
    assert Job.across_tenants.count() == 1
