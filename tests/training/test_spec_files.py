"""Files that specs name: kept from an upload, placed for a run, deleted when no run needs them."""

from __future__ import annotations

import hashlib

import pytest
from django.core.files.base import ContentFile

from apps.errors import Refused
from apps.jobs.handlers import Folder
from apps.jobs.models import Job
from apps.jobs.services import cancel_job
from apps.projects.models import AuditEntry
from apps.projects.storage import storage
from apps.training.handlers import TrainHandler
from apps.training.models import RunFile, SpecFile
from apps.training.services import start_run
from apps.training.spec_files import delete_file, keep_file


def refusal(call, **arguments) -> tuple[str, list[str]]:
    with pytest.raises(Refused) as caught:
        call(**arguments)
    return caught.value.code, [detail["field"] for detail in caught.value.details]


def test_upload_becomes_a_file_and_keeps_its_share_of_the_quota(access, make_upload, organization, developer):
    file = keep_file(access=access, upload=make_upload(b"{ }"))
    assert (file.path, file.bytes, file.created_by) == ("files/phone.json", 3, developer)
    assert file.sha256 == hashlib.sha256(b"{ }").hexdigest()
    organization.refresh_from_db()
    assert organization.used_bytes == 3
    entry = AuditEntry.across_tenants.get(action="file.kept")
    assert entry.details == {"bytes": 3, "sha256": file.sha256}


@pytest.mark.parametrize(
    ("filename", "name", "kept"),
    [
        ("phone.json", "", "phone.json"),
        ("My Model (2).KERAS", "", "My-Model-2.keras"),
        ("..h5", "", "file.h5"),
        ("дом.zip", "", "file.zip"),
        ("w.weights.h5", " mobilenet.weights.h5 ", "mobilenet.weights.h5"),
    ],
)
def test_name_is_given_or_made_of_the_file(access, make_upload, filename, name, kept):
    assert keep_file(access=access, upload=make_upload(filename=filename), name=name).name == kept


@pytest.mark.parametrize("name", ["../x.json", "a/b.json", ".json", "-a.json", "a b.json", "a.exe", "a.JSON", "é.json"])
def test_name_that_a_spec_could_not_say_is_refused(access, make_upload, name):
    assert refusal(keep_file, access=access, upload=make_upload(), name=name) == ("invalid_name", ["name"])
    assert not SpecFile.across_tenants.exists()


def test_upload_for_something_else_or_without_its_bytes_is_refused(access, make_upload):
    assert refusal(keep_file, access=access, upload=make_upload(purpose="model")) == ("wrong_purpose", ["upload"])
    assert refusal(keep_file, access=access, upload=make_upload(state="waiting"))[0] == "upload_not_verified"
    assert refusal(keep_file, access=access, upload=make_upload(state="used"))[0] == "upload_used"


def test_a_name_stays_what_it_is(access, make_upload, make_file):
    make_file("phone.json", b"{}")
    second = make_upload(b"[]")
    assert refusal(keep_file, access=access, upload=second) == ("name_taken", ["name"])
    second.refresh_from_db()
    assert second.state == "verified"  # it can be kept by another name
    assert keep_file(access=access, upload=second, name="other.json").path == "files/other.json"


class TestRuns:
    @pytest.fixture
    def run(self, access, dataset_version, small_spec, make_file):
        make_file("phone.json", b'{"a": 1}')
        small_spec["budget"] = {"max_latency_ms": 5, "device_profile": "files/phone.json"}
        return start_run(access=access, dataset_version=dataset_version, spec=small_spec, model_name="Digits")

    def test_job_places_the_file_where_the_spec_names_it(self, run, tmp_path):
        folder = Folder(tmp_path / "job")
        folder.in_.mkdir(parents=True)
        TrainHandler().prepare(run.job, folder)
        assert (folder.in_ / "files" / "phone.json").read_bytes() == b'{"a": 1}'

    def test_file_that_has_changed_since_is_refused(self, run, tmp_path):
        key = SpecFile.across_tenants.get().upload.storage_key
        storage().delete(key)
        storage().save(key, ContentFile(b"other"))
        folder = Folder(tmp_path / "job")
        folder.in_.mkdir(parents=True)
        with pytest.raises(Refused, match=r"files/phone\.json has changed in the storage") as caught:
            TrainHandler().prepare(run.job, folder)
        assert caught.value.code == "hash_mismatch"

    def test_file_stays_while_a_run_needs_it_and_goes_with_its_bytes_after(
        self, run, access, organization, django_capture_on_commit_callbacks
    ):
        file = SpecFile.across_tenants.select_related("upload").get()
        for state in (Job.State.QUEUED, Job.State.RUNNING):
            Job.across_tenants.filter(pk=run.job_id).update(state=state)
            with pytest.raises(Refused, match=f"stays while a run needs it: {run.name}") as caught:
                delete_file(access=access, file=file)
            assert (caught.value.code, caught.value.status) == ("in_use", 409)
        Job.across_tenants.filter(pk=run.job_id).update(state=Job.State.QUEUED)
        cancel_job(access=access, job=run.job)
        with django_capture_on_commit_callbacks(execute=True):
            delete_file(access=access, file=file)
        assert not storage().exists(file.upload.storage_key)
        organization.refresh_from_db()
        assert organization.used_bytes == 0
        used = RunFile.across_tenants.get()
        assert (used.path, used.sha256, used.file) == ("files/phone.json", file.sha256, None)
        assert AuditEntry.across_tenants.filter(action="file.deleted").exists()

    def test_run_does_not_start_without_it(self, run, access, dataset_version, small_spec):
        cancel_job(access=access, job=run.job)
        delete_file(access=access, file=SpecFile.across_tenants.get())
        code, fields = refusal(
            start_run, access=access, dataset_version=dataset_version, spec=small_spec, model=run.model
        )
        assert (code, fields) == ("unknown_file", ["budget.device_profile"])
