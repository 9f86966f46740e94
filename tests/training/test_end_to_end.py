"""A run from its spec to versions that devices may get: the real engine, in the worker's own code."""

from __future__ import annotations

import hashlib

import pytest

from apps.jobs.models import Job
from apps.jobs.worker import run_job
from apps.models.models import Artifact, ModelVersion
from apps.projects.storage import storage
from apps.training.models import TrainedModel
from apps.training.services import start_run
from apps.training.spec_text import to_yaml
from apps.training.tensorboard import archives

pytestmark = pytest.mark.engine


@pytest.fixture
def finished_run(transactional_db, access, dataset_version, small_spec, organization):
    """A run whose training and checks have all been worked off."""
    run = start_run(
        access=access,
        dataset_version=dataset_version,
        spec=to_yaml(small_spec),
        model_name="Digit reader",
        name="First",
    )
    run_job(str(run.job_id))
    run.refresh_from_db()
    for job in Job.across_tenants.filter(kind=Job.Kind.CHECK).order_by("pk"):
        run_job(str(job.pk))
    return run


def test_a_run_ends_in_ready_versions_with_files_figures_and_lineage(finished_run, dataset_version, organization):
    run = finished_run
    assert (run.job.state, run.job.error_message) == (Job.State.SUCCEEDED, "")
    assert storage().digest(archives.of(run.job).key) == run.job.result["tensorboard"]["sha256"]
    versions = list(ModelVersion.across_tenants.filter(model=run.model).order_by("number"))
    assert [(version.number, version.label, version.state) for version in versions] == [
        (1, "trainer", "ready"),
        (2, "bits", "ready"),
        (3, "dense", "ready"),
    ]
    assert list(TrainedModel.across_tenants.order_by("version__number").values_list("role", "spec_id")) == [
        ("trainer", "trainer"),
        ("student", "bits"),
        ("student", "dense"),
    ]
    for version in versions:
        assert version.dataset_version == dataset_version
        assert version.made_by_job == run.job
        test = version.metrics["test"]
        assert test["num_examples"] == dataset_version.splits["test"]
        right = sum(row[index] for index, row in enumerate(test["confusion_matrix"]))
        assert version.test_accuracy == right / test["num_examples"]
        assert version.measurements["latency_ms"]["p50"] > 0
        assert version.compatibility["ok"] is True
        assert version.min_runtime
        assert {artifact.kind for artifact in version.artifacts.all()} == set(Artifact.Kind.values)
    stored = 0
    for artifact in Artifact.across_tenants.all():
        with storage().open(artifact.storage_key) as file:
            content = file.read()
        assert artifact.storage_key.startswith(f"projects/{run.project_id}/")
        assert (len(content), hashlib.sha256(content).hexdigest()) == (artifact.bytes, artifact.sha256)
        stored += artifact.bytes
    organization.refresh_from_db()
    assert organization.used_bytes == stored


def test_next_run_can_start_from_a_trainer_of_an_earlier_one_and_keep_it_as_it_is(
    finished_run, access, dataset_version, small_spec
):
    first = ModelVersion.across_tenants.get(label="trainer")
    small_spec["trainer"].update(load_checkpoint=f"versions/{first.pk}.zip", freeze_model_from_checkpoint=True)
    small_spec["students"] = small_spec["students"][:1]
    run = start_run(access=access, dataset_version=dataset_version, spec=small_spec, model=finished_run.model)
    run_job(str(run.job_id))
    run.refresh_from_db()
    assert (run.job.state, run.job.error_message) == (Job.State.SUCCEEDED, "")
    second = ModelVersion.across_tenants.get(label="trainer", made_by_job=run.job)
    assert second.number == 4
    assert second.metrics["test"]["confusion_matrix"] == first.metrics["test"]["confusion_matrix"]
