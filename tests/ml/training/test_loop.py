"""Interrupted and resumed runs, early stops, and losses that are not finite."""

from __future__ import annotations

import io
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from ml.refusal import RefusedError
from ml.reporting import Reporter
from ml.specs import TrainingSpec
from ml.termination import Terminated

pytestmark = pytest.mark.engine

HYPERPARAMETERS: dict[str, object] = {
    "learning_rate": 0.01,
    "learning_rate_schedule": "cosine",
    "batch_size": 50,
    "steps": 90,
}
SPEC: dict[str, object] = {
    "experiment_name": "loop",
    "task": {"num_classes": 10},
    "features": [{"shape": [8, 8, 1]}],
    "trainer": {"id": "trainer", "model_type": "cnn", "params": {"filters": [4]}},
    "students": [{"id": "small", "model_type": "projection", "params": {"projections": 8, "bits": 8}}],
}


def spec(**hyperparameters: object) -> TrainingSpec:
    return TrainingSpec.parse({**SPEC, "hyperparameters": {**HYPERPARAMETERS, **hyperparameters}})


class Interrupting(Reporter):
    """Sends this process SIGTERM once training has come to a step."""

    def __init__(self, step: int) -> None:
        super().__init__(events=True, stream=io.StringIO())
        self.step = step

    def metrics(self, step, values):
        super().metrics(step, values)
        if step >= self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def run(tensorflow, training_spec: TrainingSpec, dataset: Path, folder: Path, reporter: Reporter | None = None):
    """Trains in this process. Returns the loop, its result and all weights."""
    from ml.data.dataset import DatasetInfo
    from ml.data.measuring import measure
    from ml.data.pipeline import Pipeline
    from ml.training.joint import JointTrainer
    from ml.training.loop import TrainingLoop
    from ml.training.networks import build_networks
    from ml.training.objectives import objective_for

    pipeline = Pipeline(dataset, DatasetInfo.read(dataset))
    networks = build_networks(training_spec, measure(pipeline).statistics, spec_folder=folder)
    trainer = JointTrainer(networks, training_spec.hyperparameters, objective_for(training_spec.task))
    loop = TrainingLoop(
        training_spec,
        trainer,
        pipeline,
        work=folder / "work",
        out=folder / "out",
        reporter=reporter or Reporter(events=True, stream=io.StringIO()),
    )
    result = loop.run()
    return loop, result, [weight.numpy() for network in networks for weight in network.model.weights]


def tensorboard_scalars(tensorflow, out: Path) -> list[tuple[int, dict[str, float]]]:
    from tensorflow.core.util import event_pb2

    (path,) = (out / "tensorboard").iterdir()
    events = [event_pb2.Event.FromString(record.numpy()) for record in tensorflow.data.TFRecordDataset(str(path))]
    assert events[0].file_version == "brain.Event:2"
    scalars = [
        (event.step, {value.tag: value.simple_value for value in event.summary.value if value.HasField("simple_value")})
        for event in events[1:]
    ]
    return [(step, values) for step, values in scalars if values]  # the others are histograms and the graph


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(tensorflow, digits_dataset, tmp_path):
    _, _, expected = run(tensorflow, spec(), digits_dataset, tmp_path / "whole")
    with pytest.raises(Terminated):
        run(tensorflow, spec(), digits_dataset, tmp_path / "broken", Interrupting(40))
    log = io.StringIO()
    loop, result, found = run(
        tensorflow, spec(), digits_dataset, tmp_path / "broken", Reporter(events=True, stream=log)
    )
    assert "resuming from step" in log.getvalue()
    assert result.steps == 90
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))
    history = [json.loads(line) for line in loop.history_path.read_text().splitlines()]
    steps = [entry["step"] for entry in history]
    assert steps == sorted(set(steps))
    assert steps[-1] == 90
    scalars = tensorboard_scalars(tensorflow, tmp_path / "broken" / "out")
    assert [step for step, _ in scalars] == steps
    for (_, values), entry in zip(scalars, history, strict=True):
        assert values == pytest.approx(entry["values"], rel=1e-6)


def test_a_loss_that_is_not_finite_stops_with_the_step(tensorflow, digits_dataset, tmp_path):
    wild = spec(optimizer="sgd", learning_rate=100, cross_loss="mse_logits", steps=200)
    with pytest.raises(RefusedError, match=r"not a number at step \d+\. Received: 100 with sgd") as caught:
        run(tensorflow, wild, digits_dataset, tmp_path)
    assert caught.value.code == "loss_not_finite"
    assert caught.value.details[0]["field"] == "hyperparameters.learning_rate"


def test_training_stops_when_every_student_is_close_to_the_trainer(tensorflow, digits_dataset, tmp_path):
    loop, result, _ = run(
        tensorflow, spec(steps=1000, cross_loss="kl", stop_when_cross_below=5.0), digits_dataset, tmp_path
    )
    assert (result.steps, result.stopped_early) == (100, True)
    last = json.loads(loop.history_path.read_text().splitlines()[-1])
    assert "validation/student:small/accuracy" in last["values"]


def test_students_alone_learn_without_a_trainer(tensorflow, digits_dataset, tmp_path):
    alone = TrainingSpec.parse({**SPEC, "trainer": None, "hyperparameters": {"batch_size": 50, "steps": 5}})
    loop, _, _ = run(tensorflow, alone, digits_dataset, tmp_path)
    names = set(json.loads(loop.history_path.read_text().splitlines()[0])["values"])
    assert {name for name in names if not name.startswith("validation/")} == {
        "loss",
        "student:small/loss",
        "student:small/accuracy",
    }


def test_patience_ends_a_run_and_the_best_weights_are_kept(tensorflow, digits_dataset, tmp_path):
    # A rate that grows too large for the loss to fall for long: after the best evaluation it gets worse.
    hasty = {"learning_rate": 0.3, "optimizer": "adam", "learning_rate_schedule": "constant", "steps": 2000}
    loop, result, weights = run(tensorflow, spec(**hasty, early_stopping={"patience": 2}), digits_dataset, tmp_path)
    assert result.stopped_early
    history = [json.loads(line)["values"] for line in loop.history_path.read_text().splitlines()]
    losses = [values["validation/student:small/loss"] for values in history if "validation/loss" in values]
    assert losses.index(min(losses)) == len(losses) - 3
    _, again, resumed = run(tensorflow, spec(**hasty, early_stopping={"patience": 2}), digits_dataset, tmp_path)
    assert again.steps == result.steps
    assert all(np.array_equal(a, b) for a, b in zip(weights, resumed, strict=True))


def test_a_run_with_early_stopping_is_resumed_where_it_would_have_stopped(tensorflow, digits_dataset, tmp_path):
    settings = spec(steps=400, early_stopping={"patience": 1, "metric": "accuracy", "min_delta": 0.02})
    _, expected, whole = run(tensorflow, settings, digits_dataset, tmp_path / "whole")
    with pytest.raises(Terminated):
        run(tensorflow, settings, digits_dataset, tmp_path / "broken", Interrupting(30))
    _, found, weights = run(tensorflow, settings, digits_dataset, tmp_path / "broken")
    assert (found.steps, found.stopped_early) == (expected.steps, expected.stopped_early)
    assert all(np.array_equal(a, b) for a, b in zip(whole, weights, strict=True))
