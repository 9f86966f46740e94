"""A study with the real engine; and one with a played engine, whose trials are stopped while a worker runs them."""

from __future__ import annotations

import json
import threading

import pytest
from django.db import connection, connections

from apps.jobs import child, handlers, shutdown, supervise
from apps.jobs.models import Job, JobEvent
from apps.jobs.worker import run_job
from apps.models.models import Artifact, ModelVersion
from apps.training.models import Study, TrainingRun, Trial
from apps.training.studies.advancing import advance, sweep
from tests.jobs.scripted.handler import FAKE_ENGINE
from tests.training.studying import open_trials, succeed, trials_of

RATE = "hyperparameters.learning_rate"


@pytest.mark.engine
@pytest.mark.skipif(connection.vendor != "sqlite", reason="Trains as on SQLite, for half a minute.")
def test_two_trials_are_trained_and_the_best_is_known(transactional_db, make_study, dataset_version):
    study = make_study(
        {RATE: {"low": 0.0001, "high": 0.1, "log": True}, "students[0].model_type": ["projection", "feed_forward"]},
        trials=2,
        at_once=1,
        pruner="median",
    )
    while not study.is_over:
        sweep()
        for trial in open_trials(study):
            run_job(str(trial.run.job_id))
        study.refresh_from_db()
    trials = trials_of(study)
    assert [(trial.state, trial.message) for trial in trials] == [("complete", "")] * 2
    for trial in trials:
        version = ModelVersion.across_tenants.get(made_by_job=trial.run.job, label="bits")
        assert trial.value == version.metrics["validation"]["accuracy"]
        assert trial.bytes == version.artifacts.get(kind=Artifact.Kind.TFLITE).bytes
        assert trial.params["students[0].model_type"] == version.model_type
        # The 30 steps of 2 between two looks at the validation split, in twentieths of the training.
        assert sorted(map(int, trial.intermediate))[-1] == 20
        assert len(trial.intermediate) == 15
        last = JobEvent.across_tenants.filter(job=trial.run.job, kind="metrics").latest("sequence")
        assert trial.intermediate["20"] == last.data["values"]["validation/student:bits/accuracy"]


class PlayedTraining:
    """Says the accuracies that the run's learning rate stands for, one a twentieth, and never ends by itself."""

    def prepare(self, job: Job, folder: handlers.Folder) -> list[str]:
        rate = job.training_run.spec["hyperparameters"]["learning_rate"]
        steps: list[list] = []
        for step in range(1, 31):
            steps += [["metrics", step, {"validation/student:bits/accuracy": rate}], ["sleep", 0.05]]
        steps += [["sleep", 60]]
        return ["play", "--out", str(folder.out), "--work", str(folder.work), "--steps", json.dumps(steps)]

    def fail(self, job: Job, code: str, message: str, details: list) -> None:
        pass


def test_worker_stops_the_child_of_a_trial_that_the_pruner_gives_up(
    transactional_db, make_study, monkeypatch, settings, tmp_path
):
    monkeypatch.setattr(child, "ENGINE_PATH", FAKE_ENGINE)
    monkeypatch.setattr(supervise, "BEAT_S", 0.1)
    monkeypatch.setattr(supervise, "GRACE_S", 0.5)
    monkeypatch.setitem(handlers._handlers, Job.Kind.TRAIN, PlayedTraining())
    study = make_study({RATE: [0.9, 0.8, 0.7, 0.6, 0.1]}, trials=5, at_once=1, pruner="median", sampler="grid")
    # Four that were good, as the rows have them, and then one that is not.
    for number, rate in enumerate([0.9, 0.8, 0.7, 0.6], 1):
        Trial.across_tenants.create(
            project=study.project,
            study=study,
            number=number,
            params={RATE: rate},
            state=Trial.State.COMPLETE,
            value=rate,
            intermediate={str(part): rate for part in range(1, 21)},
        )
    monkeypatch.setattr("apps.training.studies.sampling._grid_order", lambda count, seed: list(range(count)))
    sweep()
    (trial,) = open_trials(study)
    assert trial.params == {RATE: 0.1}

    def housekeeping() -> bool:
        sweep()
        return False

    # The housekeeping is due between two beats of the supervisor: SQLite in memory takes one thread at a time.
    monkeypatch.setattr(shutdown, "is_coming", housekeeping)
    run_job(str(trial.run.job_id))
    sweep()
    trial.refresh_from_db()
    study.refresh_from_db()
    assert (trial.state, trial.run.job.state) == (Trial.State.PRUNED, Job.State.CANCELLED)
    assert "pruner stopped it" in trial.message
    assert max(map(int, trial.intermediate)) < 20
    assert study.state == Study.State.FINISHED


@pytest.mark.services
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite lets one write at a time anyway.")
def test_machines_that_sweep_at_the_same_moment_make_no_trial_twice(transactional_db, make_study):
    study = make_study(trials=12, at_once=3, sampler="random")
    start_together = threading.Barrier(4)
    faults: list[BaseException] = []

    def machine() -> None:
        try:
            start_together.wait()
            for _ in range(3):
                advance(study.pk)
        except BaseException as fault:
            faults.append(fault)
        finally:
            connections.close_all()

    while not study.is_over:
        machines = [threading.Thread(target=machine) for _ in range(4)]
        for one in machines:
            one.start()
        for one in machines:
            one.join()
        assert len(open_trials(study)) <= 3
        for trial in open_trials(study):
            succeed(trial, accuracy=trial.number / 100)
        study.refresh_from_db()
    assert faults == []
    assert [trial.number for trial in trials_of(study)] == list(range(1, 13))
    assert TrainingRun.across_tenants.count() == Job.across_tenants.filter(kind=Job.Kind.TRAIN).count() == 12
