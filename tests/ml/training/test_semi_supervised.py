"""Examples without labels: there the trainer's answers teach the students."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.data.dataset import Split
from ml.data.examples import Example
from ml.features import FeatureSpec
from ml.specs import TrainingSpec
from ml.tasks import TaskSpec
from tests.ml.training.written_dataset import write_dataset

pytestmark = pytest.mark.engine

FEATURE = FeatureSpec(name="values", type="vector", shape=(2,))
TASK = TaskSpec(num_classes=3)
# One class to each side.
CENTERS = np.array([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]])


def points(classes: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.3, (len(classes), 2))
    found: np.ndarray = (CENTERS[classes] + noise).astype(np.float32)
    return found


@pytest.fixture
def data(tensorflow, tmp_path) -> Any:
    """Labels of the first two classes only, and examples of all three without a label."""
    from ml.data.pipeline import Pipeline

    seen, all_classes = np.arange(40) % 2, np.arange(60) % 3
    train = [Example({"values": row.tolist()}, [int(c)], "") for row, c in zip(points(seen, 0), seen, strict=True)]
    unlabelled = [Example({"values": row.tolist()}, None, "") for row in points(all_classes, 1)]
    splits: dict[Split, list[Example]] = {"train": train, "unlabelled": unlabelled}
    return Pipeline(tmp_path, write_dataset(tmp_path, TASK, [FEATURE], splits, ["right", "up", "down"]))


def spec_of(**hyperparameters: Any) -> TrainingSpec:
    training = {"learning_rate": 0.05, "batch_size": 20, "loss_weights": {"cross": 1.0}, **hyperparameters}
    return TrainingSpec.parse(
        {
            "experiment_name": "semi",
            "task": {"num_classes": 3},
            "features": [FEATURE.model_dump()],
            "hyperparameters": training,
            "trainer": {"id": "trainer", "model_type": "feed_forward", "params": {"units": []}},
            "students": [{"id": "student", "model_type": "feed_forward", "params": {"units": [8]}}],
        }
    )


def trainer_of(data: Any, spec: TrainingSpec) -> Any:
    """A joint trainer whose trainer knows all classes and learns no more."""
    from ml.data.measuring import measure
    from ml.training.joint import JointTrainer
    from ml.training.networks import build_networks
    from ml.training.objectives import objective_for

    statistics = measure(data).statistics
    trainer, student = build_networks(spec, statistics, spec_folder=Path())
    kernel, bias = trainer.model.get_layer("logits").weights
    mean, std = (np.array(getattr(statistics["values"], name)) for name in ("mean", "std"))
    kernel.assign(3.0 * CENTERS.T * std[:, np.newaxis])
    bias.assign(3.0 * CENTERS @ mean)
    trainer.model.trainable = False
    frozen = replace(trainer, spec=trainer.spec.model_copy(update={"freeze_model_from_checkpoint": True}))
    return JointTrainer([frozen, student], spec.hyperparameters, objective_for(spec.task))


def accuracies(joint: Any) -> list[float]:
    """Of the student, for each class, on examples that it has not seen."""
    classes = np.arange(300) % 3
    answers = joint.networks[1].model({"values": points(classes, 2)}).numpy().argmax(axis=1)
    return [float(np.mean(answers[classes == one] == one)) for one in range(3)]


def test_a_class_without_any_label_is_learned_from_the_trainer(tensorflow, data):
    with_more, alone = (trainer_of(data, spec_of(unlabelled_batch_size=size)) for size in (30, 0))
    for joint, size in ((with_more, 30), (alone, 0)):
        batches = data.training_batches(batch_size=20, seed=1, unlabelled_batch_size=size)
        joint.run_steps(iter(batches), 150)
    assert accuracies(with_more)[2] > 0.95
    assert accuracies(alone)[2] < 0.5
    assert min(accuracies(with_more)[:2]) > 0.95


def test_labels_count_as_if_the_others_were_not_there(tensorflow, data):
    joint = trainer_of(data, spec_of(unlabelled_batch_size=30))
    ((features, targets),) = data.training_batches(batch_size=20, seed=1, unlabelled_batch_size=30).take(1)
    whole = joint.measure([(features, targets)])
    labelled = joint.measure([({"values": features["values"][:20]}, {"label": targets["label"][:20]})])
    others = joint.measure([({"values": features["values"][20:]}, {"label": targets["label"][20:]})])
    for name in ("trainer/loss", "trainer/accuracy", "student:student/loss", "student:student/accuracy"):
        assert whole[name] == pytest.approx(labelled[name], rel=1e-6)
        assert others[name] == 0.0
    assert labelled["trainer/accuracy"] == 1.0
    # The trainer has something to say of all: the mean of both.
    cross = (20 * labelled["student:student/cross"] + 30 * others["student:student/cross"]) / 50
    assert whole["student:student/cross"] == pytest.approx(cross, rel=1e-5)


def test_only_the_cross_loss_moves_a_student_where_there_are_no_labels(tensorflow, data):
    moved = {}
    for cross in (0.0, 1.0):
        spec = spec_of(loss_weights={"cross": cross, "trainer": 1.0, "student": 1.0}, optimizer="sgd")
        joint = trainer_of(data, spec)
        before = [variable.numpy() for variable in joint.variables]
        features = {"values": tensorflow.constant(points(np.arange(30) % 3, 3))}
        batch = features, {"label": tensorflow.fill([30], tensorflow.constant(-1, tensorflow.int64))}
        joint.run_steps(iter(tensorflow.data.Dataset.from_tensors(batch).repeat()), 1)
        pairs = zip(before, joint.variables, strict=True)
        moved[cross] = max(float(np.abs(old - new.numpy()).max()) for old, new in pairs)
    assert moved[0.0] == 0.0
    assert moved[1.0] > 0.0
