"""What the worker does around a training: without the engine, on files as the engine writes them."""

from __future__ import annotations

import hashlib
import json

import pytest
import yaml
from django.core.files.base import ContentFile
from django.db import transaction

from apps.errors import Refused
from apps.jobs.handlers import Folder
from apps.models.files import trained_files_prefix
from apps.models.models import Artifact, ModelVersion
from apps.projects.storage import storage
from apps.training.handlers import TrainHandler
from apps.training.services import start_run
from ml.specs import TrainingSpec

handler = TrainHandler()


@pytest.fixture
def run(access, dataset_version, small_spec):
    run = start_run(access=access, dataset_version=dataset_version, spec=small_spec, model_name="Digits")
    run.job.fencing_token = 2
    run.job.save()
    return run


@pytest.fixture
def folder(tmp_path) -> Folder:
    found = Folder(tmp_path / "job")
    for path in (found.in_, found.out, found.work):
        path.mkdir(parents=True)
    return found


@pytest.fixture
def result(folder) -> dict:
    """A result.json with its files: the trainer and two students."""
    models = []
    for name, role in (("trainer", "trainer"), ("bits", "student"), ("dense", "student")):
        files = []
        for kind, filename in (("tflite", "model.tflite"), ("labels", "labels.txt")):
            path = folder.out / name / filename
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(f"{name} {kind}".encode())
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            files.append({"kind": kind, "path": f"{name}/{filename}", "bytes": path.stat().st_size, "sha256": sha256})
        models.append(
            {
                "id": name,
                "role": role,
                "model_type": "cnn",
                "parameters": 5,
                "files": files,
                "metrics": {"test": {"accuracy": 0.5}},
                "latency_ms": {"p50": 1.0, "p95": 2.0},
                "parity": {"max_abs": 0.0, "top1_agreement": 1.0, "tolerance": 0.001},
                "cost": {"bytes": 11, "compressed_bytes": 9, "flops": 7, "memory": None},
                "inputs": [],
            }
        )
    models[1]["agreement"] = {"split": "test", "measure": "top1_agreement", "value": 0.5, "count": 60}
    return {"models": models, "best_student": "bits", "steps": 30, "stopped_early": False, "seconds": 1.5}


def exists(job, token: int, path: str) -> bool:
    return storage().exists(f"{trained_files_prefix(job, token)}/{path}")


def test_job_folder_holds_the_spec_and_the_data_as_imported(run, folder, digits_folder):
    arguments = handler.prepare(run.job, folder)
    assert arguments[0] == "train"
    assert arguments[arguments.index("--work") + 1] == str(folder.work)
    spec = TrainingSpec.from_json((folder.in_ / "spec.json").read_text())
    assert spec.model_dump(mode="json") == run.spec
    for name in ("train.tfrecord", "validation.tfrecord", "test.tfrecord", "dataset.json"):
        assert (folder.in_ / "dataset" / name).read_bytes() == (digits_folder / name).read_bytes()
    assert not (folder.in_ / "dataset" / "index.jsonl").exists()


def test_checkpoint_is_put_where_the_spec_names_it(run, folder, small_spec, access, result):
    with transaction.atomic():
        handler.accept(run.job, result, handler.store(run.job, folder, result))
    version = ModelVersion.across_tenants.get(label="trainer")
    key = f"projects/{run.project_id}/checkpoint"
    storage().save(key, ContentFile(b"weights"))
    Artifact.across_tenants.create(
        project=run.project,
        version=version,
        kind=Artifact.Kind.CHECKPOINT,
        filename="checkpoint.zip",
        storage_key=key,
        bytes=7,
        sha256=hashlib.sha256(b"weights").hexdigest(),
    )
    small_spec["trainer"]["load_checkpoint"] = f"versions/{version.pk}.zip"
    again = start_run(access=access, dataset_version=run.dataset_version, spec=small_spec, model=run.model)
    handler.prepare(again.job, folder)
    assert (folder.in_ / "versions" / f"{version.pk}.zip").read_bytes() == b"weights"


def test_data_that_has_changed_since_its_import_is_refused(run, folder):
    key = f"{run.dataset_version.storage_prefix}/train.tfrecord"
    storage().delete(key)
    storage().save(key, ContentFile(b"something else"))
    with pytest.raises(Refused, match="has changed in the storage") as caught:
        handler.prepare(run.job, folder)
    assert caught.value.code == "hash_mismatch"


def test_versions_get_files_below_the_run_of_the_job_and_a_check_each(run, folder, result, organization):
    stored = handler.store(run.job, folder, result)
    with transaction.atomic():
        said = handler.accept(run.job, result, stored)
    assert [(one["id"], one["role"]) for one in said["models"]] == [
        ("trainer", "trainer"),
        ("bits", "student"),
        ("dense", "student"),
    ]
    assert (said["best_student"], said["steps"]) == ("bits", 30)
    versions = ModelVersion.across_tenants.order_by("number")
    assert [version.number for version in versions] == [1, 2, 3]
    assert all(version.check_job.state == "queued" for version in versions)
    trainer, bits, _ = versions
    assert set(trainer.measurements) == {"latency_ms", "parity", "cost"}
    assert (bits.measurements["cost"]["flops"], bits.measurements["agreement"]["value"]) == (7, 0.5)
    assert exists(run.job, 2, "bits/model.tflite")
    organization.refresh_from_db()
    assert organization.used_bytes == sum(Artifact.across_tenants.values_list("bytes", flat=True))


def test_quota_that_is_too_small_makes_nothing(run, folder, result, organization):
    organization.quota_bytes = 10
    organization.save()
    stored = handler.store(run.job, folder, result)
    with pytest.raises(Refused) as caught, transaction.atomic():
        handler.accept(run.job, result, stored)
    assert caught.value.code == "quota_exceeded"
    assert not ModelVersion.across_tenants.exists()
    handler.discard(run.job, stored)
    assert not exists(run.job, 2, "bits/model.tflite")


def test_discarding_leaves_the_files_of_a_newer_run(run, folder, result):
    older = handler.store(run.job, folder, result)
    run.job.fencing_token = 3
    handler.store(run.job, folder, result)
    assert not exists(run.job, 2, "bits/model.tflite")  # cleared: it was never accepted
    handler.discard(run.job, older)
    assert exists(run.job, 3, "bits/model.tflite")


@pytest.mark.parametrize("path", ["../../secret", "/etc/passwd"])
def test_file_outside_of_the_output_is_never_stored(run, folder, result, path):
    (folder.root.parent / "secret").write_text("x")
    result["models"][2]["files"][0]["path"] = path
    with pytest.raises(ValueError, match="outside of its output"):
        handler.store(run.job, folder, result)
    assert not exists(run.job, 2, "bits/model.tflite")


def test_file_that_is_not_what_the_engine_wrote_is_not_stored(run, folder, result):
    (folder.out / "dense" / "model.tflite").write_bytes(b"other")
    with pytest.raises(ValueError, match="is not what the engine wrote"):
        handler.store(run.job, folder, result)
    assert not exists(run.job, 2, "trainer/model.tflite")


def test_failed_job_leaves_no_files(run, folder, result, django_capture_on_commit_callbacks):
    handler.store(run.job, folder, result)
    with django_capture_on_commit_callbacks(execute=True):
        handler.fail(run.job, "internal_error", "It broke.", [])
    assert not exists(run.job, 2, "trainer/model.tflite")


def test_result_is_small(run, folder, result):
    with transaction.atomic():
        said = handler.accept(run.job, result, handler.store(run.job, folder, result))
    assert len(json.dumps(said)) < 1000


class TestProposals:
    """What a spec without students leaves beside its models: taken over once, and only as the engine writes it."""

    @pytest.fixture
    def run(self, access, dataset_version, small_spec):
        small_spec["students"], small_spec["budget"] = [], {"max_bytes": 9000}
        run = start_run(access=access, dataset_version=dataset_version, spec=small_spec, model_name="Digits")
        run.job.fencing_token = 2
        run.job.save()
        return run

    @pytest.fixture
    def proposed(self, run, folder, small_spec) -> dict:
        row = {
            **{"id": "bits", "model_type": "projection", "params": {"bits": 8}, "origin": "family"},
            **{"estimated_bytes": 8000, "bytes": 8100, "estimated_latency_ms": None, "latency_ms": None},
            **{"accuracy": 0.75, "is_chosen": True},
        }
        found = {"spec": "spec.yaml", "students": ["bits"], "metric": "accuracy", "candidates": [row]}
        (folder.out / "proposal.json").write_text(json.dumps(found))
        students = [{"id": "bits", "model_type": "projection", "params": {"bits": 8}}]
        (folder.out / "spec.yaml").write_text(yaml.safe_dump({**small_spec, "students": students}))
        return found

    def test_run_keeps_what_was_considered_and_the_spec_that_was_found(self, run, folder, result, proposed):
        with transaction.atomic():
            handler.accept(run.job, result, handler.store(run.job, folder, result))
        run.refresh_from_db()
        [candidate] = run.proposal["candidates"]
        assert (run.proposal["metric"], candidate["score"], candidate["bytes"]) == ("accuracy", 0.75, 8100)
        assert yaml.safe_load(run.found_yaml)["students"][0]["id"] == "bits"
        assert (
            "{id: bits, model_type: projection, params: {bits: 8}}" in run.found_yaml
        )  # on one line, as a person writes it

    def test_spec_that_says_its_students_keeps_nothing_of_the_kind(self, run, folder, result, proposed, small_spec):
        run.spec["students"] = [{"id": "bits", "model_type": "projection"}]
        run.save()
        assert handler.store(run.job, folder, result).found is None

    @pytest.mark.parametrize("name", ["spec.yaml", "proposal.json"])
    def test_link_out_of_the_output_is_not_followed(self, run, folder, result, proposed, name):
        secret = folder.root.parent / "secret"
        (folder.out / name).rename(secret)
        (folder.out / name).symlink_to(secret)
        with pytest.raises(ValueError, match="as the engine writes it"):
            handler.store(run.job, folder, result)
        assert not exists(run.job, 2, "bits/model.tflite")

    @pytest.mark.parametrize(
        "change", [{"bytes": "many"}, {"accuracy": None}, {"origin": "elsewhere"}, {"params": []}, {"id": "x" * 65}]
    )
    def test_candidate_of_another_shape_is_not_kept(self, run, folder, result, proposed, change):
        proposed["candidates"][0].update(change)
        (folder.out / "proposal.json").write_text(json.dumps(proposed))
        with pytest.raises(ValueError, match="validation error"):
            handler.store(run.job, folder, result)

    def test_spec_without_students_is_not_kept(self, run, folder, result, proposed, small_spec):
        (folder.out / "spec.yaml").write_text(yaml.safe_dump(small_spec))
        with pytest.raises(ValueError, match="without students"):
            handler.store(run.job, folder, result)
