"""Another kind of input and task all the way: tokens with a label each, from the import to a device's answer."""

from __future__ import annotations

import json
import random

import pytest

from apps.jobs.models import Job
from apps.jobs.worker import run_job
from apps.models.models import ModelVersion
from apps.projects.storage import storage
from apps.training.presets import defaults_for
from apps.training.services import start_run
from device_client._interpreter import LoadedModel
from tests.training.conftest import imported

pytestmark = pytest.mark.engine

CITIES, DAYS = ("Rome", "Oslo", "Córdoba"), ("monday", "friday")


@pytest.fixture
def version(transactional_db, make_dataset_version, tmp_path):
    """Sentences of four to six tokens, in which cities and days are to be found."""
    chosen = random.Random(7)
    lines = []
    for number in range(60):
        tokens = [*["please"] * (number % 3), "fly", "to", chosen.choice(CITIES), chosen.choice(DAYS)]
        slots = ["city" if token in CITIES else "day" if token in DAYS else "O" for token in tokens]
        lines.append(
            json.dumps({"tokens": tokens, "slots": slots, "split": ["train", "validation", "test"][number % 3]})
        )
    (tmp_path / "slots.jsonl").write_text("\n".join(lines))
    (tmp_path / "spec.yaml").write_text(
        "task: {type: sequence, label: slots}\nfeatures: [{name: tokens, type: text, shape: [6, 12]}]\nsplit: split\n"
    )
    return make_dataset_version(folder=imported(tmp_path, "slots.jsonl", "--spec", str(tmp_path / "spec.yaml")))


def test_tokens_are_imported_learned_measured_and_labelled_on_a_device(access, version, page_of, viewer):
    spec = defaults_for(version)
    spec["hyperparameters"].update(steps=150, learning_rate=0.01)
    spec["trainer"]["params"]["units"] = [8]
    spec["students"] = spec["students"][:1]
    run = start_run(access=access, dataset_version=version, spec=spec, model_name="Slots")
    run_job(str(run.job_id))
    run.refresh_from_db()
    assert (run.job.state, run.job.error_message) == (Job.State.SUCCEEDED, "")
    made = ModelVersion.across_tenants.get(label="narrow")
    for check in Job.across_tenants.filter(state=Job.State.QUEUED):
        run_job(str(check.pk))  # the trainer's comes first
    made.refresh_from_db()
    assert made.state == "ready"
    assert (made.headline.name, made.metrics["test"]["num_tokens"] > 60) == ("token_f1", True)
    assert set(made.measurements) == {"latency_ms", "parity", "cost", "agreement"}
    page = page_of(viewer).get(f"/o/acme/p/reader/model-versions/{made.pk}/").content.decode()
    for said in (
        "Token F1 on the test split",
        "Right tokens",
        "Same class as the trainer, by token",
        "number of tokens",
    ):
        assert said in page

    with storage().open(made.tflite.storage_key) as file:
        loaded = LoadedModel(file.read())
    assert (loaded.task, loaded.labels) == ("sequence", ("O", "city", "day"))
    answer = loaded.run({"tokens": ["fly", "to", "Córdoba", "friday"]})
    assert answer.labels == ("O", "O", "city", "day")
