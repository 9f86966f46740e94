"""Runs that need more than data: a budget from which students are found, a device's profile, an uploaded trainer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from django.conf import settings as project_settings
from django.urls import reverse

from apps.jobs.models import Job
from apps.jobs.worker import run_job
from apps.models.models import ModelVersion
from apps.training.models import TrainingRun
from apps.training.services import start_run

pytestmark = pytest.mark.engine

KERAS_MODEL = """
import sys
import keras
model = keras.Sequential([
    keras.Input((8, 8, 1), name="image"),
    keras.layers.Rescaling(1 / 255),
    keras.layers.Flatten(),
    keras.layers.Dense(10, activation="softmax"),
])
model.save(sys.argv[1])
"""


def python(*arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(project_settings.BASE_DIR / "platform")}
    subprocess.run([sys.executable, *arguments], env=environment, check=True, capture_output=True)


@pytest.fixture
def profile(tmp_path: Path) -> bytes:
    python("-m", "ml", "profile", "--out", str(tmp_path / "here.json"), "--name", "This machine")
    return (tmp_path / "here.json").read_bytes()


def finished(run: TrainingRun) -> TrainingRun:
    run_job(str(run.job_id))
    run = TrainingRun.across_tenants.select_related("job", "project__organization", "model").get(pk=run.pk)
    assert (run.job.state, run.job.error_message) == (Job.State.SUCCEEDED, "")
    return run


def test_students_are_found_for_a_budget_on_a_device(
    transactional_db, access, dataset_version, small_spec, make_file, profile, page_of, developer, api_of
):
    file = make_file("here.json", profile)
    small_spec["students"] = []
    small_spec["budget"] = {"max_bytes": 9000, "max_latency_ms": 5.0, "device_profile": file.path}
    started = start_run(access=access, dataset_version=dataset_version, spec=small_spec, model_name="Digit reader")
    run = finished(started)
    candidates = run.proposal["candidates"]
    chosen = [one for one in candidates if one["is_chosen"]]
    assert 1 <= len(chosen) <= 3 < len(candidates)
    assert {one["origin"] for one in candidates} == {"search", "family"}
    scores = [one["score"] for one in candidates]
    assert scores == sorted(scores, reverse=True)
    versions = list(ModelVersion.across_tenants.filter(model=run.model).order_by("number"))
    assert [version.label for version in versions] == ["trainer", *(one["id"] for one in chosen)]
    for version, one in zip(versions[1:], chosen, strict=True):
        assert version.tflite_bytes == one["bytes"] <= 9000
        assert 0 < one["latency_ms"] <= 5.0
    assert run.best_student in [one["id"] for one in chosen]

    found = yaml.safe_load(run.found_yaml)
    assert [student["id"] for student in found["students"]] == [one["id"] for one in chosen]
    where = ["acme", "reader", run.pk]
    page = page_of(developer)
    text = page.get(reverse("run", args=where)).content.decode()
    for said in (*(one["id"] for one in candidates), "chosen", "What was considered", "The spec that was found"):
        assert said in text
    assert page.get(reverse("run-spec-file", args=where)).content.decode() == run.found_yaml
    form = page.get(reverse("run-create", args=where[:2]), {"run": run.pk, "spec": "found"}).context["form"]
    assert form.initial["spec"] == run.found_yaml
    answer = api_of(developer).get(reverse("api-run", args=[run.project_id, run.pk])).json()
    assert answer["proposal"] == run.proposal
    assert answer["found_yaml"] == run.found_yaml
    # What was found can be started as it is.
    again = start_run(access=access, dataset_version=dataset_version, spec=run.found_yaml, model=run.model)
    assert again.spec["students"][0]["id"] == chosen[0]["id"]
    assert again.files.get().path == "files/here.json"


def test_an_uploaded_keras_file_teaches(transactional_db, access, dataset_version, small_spec, make_file, tmp_path):
    python("-c", KERAS_MODEL, str(tmp_path / "mine.keras"))
    file = make_file("mine.keras", (tmp_path / "mine.keras").read_bytes())
    small_spec["trainer"] = {"id": "mine", "model_type": "saved_model", "params": {"path": file.path}}
    small_spec["students"] = small_spec["students"][1:]
    run = finished(
        start_run(access=access, dataset_version=dataset_version, spec=small_spec, model_name="Digit reader")
    )
    versions = {version.label: version for version in ModelVersion.across_tenants.filter(model=run.model)}
    assert set(versions) == {"mine", "dense"}
    assert versions["mine"].model_type == "saved_model"
    assert versions["mine"].parameters == 650  # 64 inputs and a bias for each of ten classes
