"""Archives through the real import job: what becomes a version, and what is refused with which words."""

from __future__ import annotations

import io
import json
import wave
import zipfile
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import Organization
from apps.datasets import services
from apps.datasets.handlers import ImportHandler, Stored
from apps.datasets.models import Dataset, Upload
from apps.datasets.uploads import SWEEP_AFTER, sweep_uploads
from apps.errors import Refused
from apps.jobs.handlers import Folder
from apps.jobs.models import Job
from apps.jobs.services import cancel_job
from apps.jobs.worker import run_job
from apps.projects import quotas
from apps.projects.models import AuditEntry
from apps.projects.storage import storage
from ml.data.dataset import DatasetInfo, read_examples
from tests.datasets.conftest import FEATURE, TASK, png, stored_keys, zipped

pytestmark = pytest.mark.django_db


def used() -> int:
    return Organization.objects.get(slug="acme").used_bytes


def test_an_archive_becomes_an_immutable_version(import_archive, digits, project, tmp_path):
    version = import_archive(digits, seed=11, validation=0.1, test=0.2)
    assert (version.state, version.job.state, version.number) == ("ready", "succeeded", 1)
    assert (version.classes, version.num_examples) == (["0", "1"], 40)
    assert version.splits == {"train": 28, "validation": 4, "test": 8}
    assert version.class_counts["test"] == {"0": 4, "1": 4}
    assert version.features == [FEATURE]
    assert version.task == TASK
    assert version.options == {"seed": 11, "validation": 0.1, "test": 0.2, "bad_values": "refuse"}
    assert len(version.sha256) == 64
    assert version.job.result == {"dataset_version": str(version.pk), "num_examples": 40}
    assert len(version.samples) == 16
    # Everything that is listed is there, with the bytes that are listed, and nothing else is: the archive is gone.
    listed = {f"{version.storage_prefix}/{item['path']}" for item in (*version.files, *version.samples)}
    assert set(stored_keys(project)) == listed
    for file in version.files:
        assert storage().fetch_to(f"{version.storage_prefix}/{file['path']}", tmp_path / file["path"]) == file["sha256"]
    examples = list(read_examples(tmp_path, "test", DatasetInfo.read(tmp_path)))
    assert sorted(list(example.label or []) for example in examples) == [[0]] * 4 + [[1]] * 4
    assert used() == version.bytes == sum(storage().size(key) for key in listed)
    assert not (tmp_path / "jobs" / str(version.job_id)).exists()


def test_the_same_seed_gives_the_same_version_another_seed_another(import_archive, digits):
    first, same, other = import_archive(digits), import_archive(digits), import_archive(digits, seed=8)
    assert [version.number for version in (first, same, other)] == [1, 2, 3]
    assert first.sha256 == same.sha256 != other.sha256


def test_mixed_sizes_and_other_files_are_told_of(import_archive):
    files = [(f"{label}/{n}.png", png(n * 5 + label * 100)) for label in (0, 1) for n in range(9)]
    version = import_archive(zipped([*files, ("0/large.png", png(3, size=(16, 16))), ("1/notes.txt", b"x")]))
    assert version.state == "ready"
    assert "1 of 19 images have another size" in " ".join(version.warnings)
    assert "1 files are not images" in " ".join(version.warnings)


def wav(pitch: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 8000, 800, "NONE", ""))
        file.writeframes(b"".join((pitch * n % 3000).to_bytes(2, "little") for n in range(800)))
    return out.getvalue()


def test_class_folders_of_sounds_need_no_data_spec(import_archive):
    files = ((f"{label}/{n}.wav", wav(5 + n + 50 * label)) for label in (0, 1) for n in range(9))
    version = import_archive(zipped(files))
    assert version.job.error_message == ""
    assert [(one["name"], one["type"], one["shape"], one["sample_rate"]) for one in version.features] == [
        ("audio", "audio", [800], 8000)
    ]
    assert version.samples == []


def test_a_table_of_texts_needs_no_data_spec(import_archive):
    rows = [f"text number {n} of {label},{label}" for label in ("good", "bad") for n in range(20)]
    version = import_archive("\n".join(["text,label", *rows]).encode(), filename="Reviews.CSV")
    assert (version.state, version.job.error_message) == ("ready", "")
    assert (version.features[0]["name"], version.features[0]["type"]) == ("text", "text")
    assert (version.classes, version.num_examples, version.samples) == (["bad", "good"], 40, [])


MEASURED = """
task: {type: regression, label: price, columns: [low, high]}
features: [{name: measured, type: vector, columns: [a, b, c]}]
"""


def measured_table(*more: str) -> bytes:
    rows = [f"{n},{n * n},0.5,{n / 10},{-n}" for n in range(20)]
    return "\n".join(["a,b,c,low,high", *rows, *more]).encode()


def test_a_data_spec_says_which_columns_are_what(import_archive):
    version = import_archive(measured_table(), filename="measured.csv", data_spec=MEASURED)
    assert (version.state, version.job.error_message) == ("ready", "")
    assert version.task == {"type": "regression", "label": "price", "num_classes": None, "num_values": 2}
    assert [(one["name"], one["type"], one["shape"]) for one in version.features] == [("measured", "vector", [3])]
    assert version.value_ranges == [[0.0, pytest.approx(1.9)], [-19.0, 0.0]]
    assert (version.classes, version.data_spec) == ([], MEASURED)


def test_the_name_of_the_file_changes_nothing_in_the_version(import_archive):
    first, second = (import_archive(measured_table(), filename=name, data_spec=MEASURED) for name in ("a.csv", "b.csv"))
    assert first.sha256 == second.sha256


def test_bad_values_are_refused_or_left_out_as_asked(import_archive):
    table = measured_table("1,nan,3,4,5", "1,2,3,,5")
    refused = import_archive(table, filename="measured.csv", data_spec=MEASURED)
    assert (refused.state, refused.job.error_code) == ("failed", "bad_values")
    assert "data.csv:22" in refused.job.error_message
    version = import_archive(table, filename="measured.csv", data_spec=MEASURED, bad_values="skip")
    assert (version.state, version.num_examples) == ("ready", 20)
    assert "2 of 22 rows were left out" in " ".join(version.warnings)


def test_tokens_with_a_label_each_are_imported_from_json_lines(import_archive):
    spec = "task: {type: sequence, label: slots}\nfeatures: [{name: tokens, type: text}]\n"
    lines = [json.dumps({"tokens": ["play", f"song{n}"], "slots": ["O", "title"]}) for n in range(20)]
    version = import_archive("\n".join(lines).encode(), filename="slots.jsonl", data_spec=spec)
    assert (version.state, version.job.error_message) == ("ready", "")
    assert (version.task["type"], version.classes, version.features[0]["shape"]) == (
        "sequence",
        ["O", "title"],
        [2, 16],
    )
    assert version.class_counts["test"] == {"O": 4, "title": 4}


def test_records_of_a_version_can_be_imported_again(import_archive, digits, tmp_path):
    first = import_archive(digits)
    storage().fetch_to(f"{first.storage_prefix}/train.tfrecord", tmp_path / "train.tfrecord")
    spec = "task: {num_classes: 2}\nfeatures: [{name: image, type: image}]\n"
    version = import_archive((tmp_path / "train.tfrecord").read_bytes(), filename="train.tfrecord", data_spec=spec)
    assert (version.state, version.job.error_message) == ("ready", "")
    assert (version.num_examples, version.features) == (28, first.features)


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0/a.png", bytes(50_000_000))
        archive.writestr("1/b.png", png(1))
    return out.getvalue()


def two_classes(*more: tuple[str, bytes], ones: int = 9) -> bytes:
    files = [(f"0/{n}.png", png(n * 5)) for n in range(9)] + [(f"1/{n}.png", png(100 + n * 5)) for n in range(ones)]
    return zipped([*files, *more])


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (two_classes(("../../etc/passwd.png", png(7))), "unsafe_path", "../../etc/passwd.png"),
        (two_classes(("/etc/passwd.png", png(7))), "unsafe_path", "/etc/passwd.png"),
        (two_classes(("0/?evil.png", png(7))).replace(b"0/?evil", b"0/\0evil"), "unsafe_path", "evil.png"),
        (bomb(), "compression_bomb", "0/a.png"),
        (two_classes(("2/", b"")), "empty_class", "2"),
        (two_classes(("1/broken.png", png(7)[:40])), "broken_image", "1/broken.png"),
        (two_classes(ones=1), "class_too_small", "'1' has 1"),
        (two_classes(ones=0), "too_few_classes", "at least 2 classes"),
        (b"this is no zip at all", "not_a_zip", "not a zip archive"),
        (zipped([("a.txt", b"x")]), "no_images", "no images"),
        (two_classes(("loose.png", png(3))), "image_outside_class", "loose.png"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else None,
)
def test_a_bad_archive_is_refused_with_its_reason_and_leaves_nothing(
    import_archive, project, developer, page_of, body, code, says
):
    version = import_archive(body)
    assert (version.state, version.job.state, version.job.error_code) == ("failed", "failed", code)
    assert version.job.attempts == 1, "an input that is refused is not tried again"
    assert says in version.job.error_message
    assert (used(), stored_keys(project), version.upload.state) == (0, [], "refused")
    assert version.files == version.samples == []
    page = page_of(developer).get(f"/o/acme/p/reader/dataset-versions/{version.pk}/").content.decode()
    assert "This file could not be imported" in page
    assert says.replace("'", "&#x27;") in page
    assert "What to do:" in page
    assert "Upload again" in page


def test_a_failed_import_is_tried_anew_by_another_upload(import_archive, digits):
    assert import_archive(b"nonsense").state == "failed"
    version = import_archive(digits)
    assert (version.state, version.number) == ("ready", 2)


def test_the_imported_files_must_fit_the_quota(import_archive, digits, organization, project):
    Organization.objects.update(quota_bytes=len(digits))
    version = import_archive(digits)
    assert (version.state, version.job.error_code) == ("failed", "quota_exceeded")
    assert "quota are free" in version.job.error_message
    assert (used(), stored_keys(project)) == (0, [])


def test_a_quota_that_fills_up_while_the_files_are_stored(import_archive, digits, organization, project, monkeypatch):
    """Another upload takes what was free between the look at the quota and the end of the job."""
    store = ImportHandler.store

    def store_while_others_upload(self, job, folder, result):
        stored = store(self, job, folder, result)
        quotas.reserve(organization, organization.quota_bytes - Organization.objects.get().used_bytes)
        Organization.objects.update(quota_bytes=organization.quota_bytes - 20_000)
        return stored

    monkeypatch.setattr(ImportHandler, "store", store_while_others_upload)
    version = import_archive(digits)
    assert (version.state, version.job.error_code) == ("failed", "quota_exceeded")
    assert stored_keys(project) == []
    assert used() == organization.quota_bytes - version.upload.size


def test_a_file_that_changed_after_it_was_verified_is_not_imported(
    import_archive, digits, project, monkeypatch, tmp_path
):
    prepare = ImportHandler.prepare

    def prepare_after_another_put(self, job, folder):
        other = tmp_path / "other"
        other.write_bytes(digits + b"!")
        storage().save_from(other, Upload.across_tenants.get().storage_key)
        return prepare(self, job, folder)

    monkeypatch.setattr(ImportHandler, "prepare", prepare_after_another_put)
    version = import_archive(digits)
    assert version.job.error_code == "hash_mismatch"
    assert (used(), stored_keys(project)) == (0, [])


def test_cancelling_a_waiting_import_frees_everything(
    uploaded, access_of, developer, digits, project, django_capture_on_commit_callbacks
):
    access = access_of(developer)
    dataset = services.create_dataset(access=access, name="Digits")
    version = services.create_version(access=access, dataset=dataset, upload=uploaded(digits))
    with django_capture_on_commit_callbacks(execute=True):
        cancel_job(access=access, job=version.job)
    version.refresh_from_db()
    assert (version.state, used(), stored_keys(project)) == ("failed", 0, [])
    run_job(str(version.job_id))  # the message that is still in the queue
    version.refresh_from_db()
    assert version.state == "failed"


@pytest.fixture
def finished(uploaded, access_of, developer, tmp_path):
    """A job at its second lease whose child is done, its folder, and its result."""
    access = access_of(developer)
    dataset = services.create_dataset(access=access, name="Digits")
    version = services.create_version(access=access, dataset=dataset, upload=uploaded(b"archive"))
    Job.across_tenants.filter(pk=version.job_id).update(fencing_token=2)
    folder = Folder(tmp_path / "job")
    folder.out.mkdir(parents=True)
    for name in ("train.tfrecord", "test.tfrecord"):
        (folder.out / name).write_bytes(b"examples")
    result = {"files": [{"path": "train.tfrecord"}, {"path": "test.tfrecord"}], "samples": []}
    return Job.across_tenants.get(pk=version.job_id), folder, result


def test_storing_deletes_what_an_earlier_run_left_and_never_what_a_later_one_stored(finished, project):
    job, folder, result = finished
    home = f"projects/{project.pk}/datasets/{job.payload['dataset_version']}/{job.pk}"
    for token in (1, 3):
        storage().save_from(folder.out / "test.tfrecord", f"{home}-{token}/test.tfrecord")
    stored = ImportHandler().store(job, folder, result)
    assert stored == Stored(f"{home}-2", 16)
    kept = [key for key in stored_keys(project) if "/datasets/" in key]
    assert kept == [f"{home}-2/test.tfrecord", f"{home}-2/train.tfrecord", f"{home}-3/test.tfrecord"]


def test_storing_that_breaks_off_leaves_nothing(finished, project, monkeypatch):
    job, folder, result = finished
    save = type(storage()._wrapped).save_from

    def break_at_the_second(self, path, key):
        if path.name == "test.tfrecord":
            raise OSError("No space left on device")
        save(self, path, key)

    monkeypatch.setattr(type(storage()._wrapped), "save_from", break_at_the_second)
    with pytest.raises(OSError, match="No space left"):
        ImportHandler().store(job, folder, result)
    assert [key for key in stored_keys(project) if "/datasets/" in key] == []


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "link", "missing"])
def test_only_files_of_the_output_folder_are_stored(finished, project, path):
    job, folder, result = finished
    (folder.root / "secret").write_bytes(b"secret")
    (folder.out / "link").symlink_to(folder.root / "secret")
    result["samples"].append({"path": path})
    with pytest.raises(ValueError, match="not a file in its output folder"):
        ImportHandler().store(job, folder, result)
    assert [key for key in stored_keys(project) if "/datasets/" in key] == []


def test_versions_and_datasets_are_in_the_audit_log(import_archive, digits):
    import_archive(digits)
    actions = list(AuditEntry.across_tenants.order_by("id").values_list("action", flat=True))
    assert actions == ["dataset.created", "upload.requested", "upload.completed", "dataset_version.created"]


def test_the_sweep_leaves_what_an_import_made(import_archive, digits, project):
    version = import_archive(digits)
    before = stored_keys(project)
    Upload.across_tenants.update(expires_at=timezone.now() - SWEEP_AFTER - timedelta(days=1))
    assert sweep_uploads() == 1
    assert stored_keys(project) == before
    assert used() == version.bytes


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 2**31}, "seed"),
        ({"validation": 0.0}, "validation"),
        ({"test": 0.6}, "test"),
        ({"test": float("nan")}, "test"),
        ({"validation": 0.45, "test": 0.45}, "test"),
        ({"bad_values": "guess"}, "bad_values"),
        ({"data_spec": "features: ["}, "data_spec"),
        ({"data_spec": "features: []"}, "data_spec.features"),
        ({"data_spec": "features: [{name: x, type: smell}]"}, "data_spec.features[0].type"),
        ({"data_spec": "#" * 100_001}, "data_spec"),
    ],
)
def test_options_that_make_no_sense_are_refused(uploaded, access_of, developer, given, field):
    access = access_of(developer)
    dataset = services.create_dataset(access=access, name="Digits")
    upload = uploaded(b"x")
    with pytest.raises(Refused) as refused:
        services.create_version(access=access, dataset=dataset, upload=upload, **given)
    assert [detail["field"] for detail in refused.value.details] == [field]
    upload.refresh_from_db()
    assert (upload.state, Job.across_tenants.count()) == ("verified", 0)


def test_an_upload_for_a_model_is_no_dataset(uploaded, access_of, developer):
    access = access_of(developer)
    dataset = services.create_dataset(access=access, name="Digits")
    upload = uploaded(b"x")
    Upload.across_tenants.update(purpose=Upload.Purpose.MODEL)
    upload.refresh_from_db()
    with pytest.raises(Refused, match="This one is for a model"):
        services.create_version(access=access, dataset=dataset, upload=upload)


@pytest.mark.parametrize(
    ("given", "field", "says"),
    [
        ({"name": "  "}, "name", "1 … 100"),
        ({"name": "x" * 101}, "name", "Received: 101"),
        ({"name": "!!!"}, "slug", "lower-case letters"),
        ({"name": "x", "slug": "No Good"}, "slug", "Received: 'No Good'"),
    ],
)
def test_a_dataset_needs_a_name(access_of, developer, given, field, says):
    with pytest.raises(Refused, match=says) as refused:
        services.create_dataset(access=access_of(developer), **given)
    assert [detail["field"] for detail in refused.value.details] == [field]


def test_a_short_name_is_free_once_a_project(access_of, developer):
    access = access_of(developer)
    assert services.create_dataset(access=access, name="Größe, Form").slug == "groe-form"
    with pytest.raises(Refused, match="'groe-form' already"):
        services.create_dataset(access=access, name="Other", slug="groe-form")
    assert (Dataset.across_tenants.count(), AuditEntry.across_tenants.count()) == (1, 1)
