"""The joint loss and its gradient against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from ml.specs import Hyperparameters, LossWeights

pytestmark = pytest.mark.engine

GENERATOR = np.random.default_rng(0)
TRAINER, STUDENT = GENERATOR.normal(0, 2, (6, 4)), GENERATOR.normal(0, 2, (6, 4))
LABELS = np.array([0, 1, 2, 3, 1, 1])


def softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    normalized: np.ndarray = shifted / shifted.sum(axis=1, keepdims=True)
    return normalized


def targets() -> dict:
    return {"label": LABELS}


@pytest.fixture
def classes(tensorflow):
    from ml.tasks import TaskSpec
    from ml.training.objectives import objective_for

    return objective_for(TaskSpec(num_classes=4))


def slow_label_loss(logits: np.ndarray) -> float:
    return float(np.mean([-np.log(row[label]) for row, label in zip(softmax(logits), LABELS, strict=True)]))


def slow_cross(trainer: np.ndarray, student: np.ndarray, kind: str, temperature: float) -> float:
    if kind == "mse_logits":
        return float(np.mean((trainer - student) ** 2))
    p, q = softmax(trainer / temperature), softmax(student / temperature)
    cross = -np.sum(p * np.log(q), axis=1)
    if kind == "kl":
        cross += np.sum(p * np.log(p), axis=1)
    return float(temperature**2 * np.mean(cross))


def slow_total(trainer: np.ndarray, student: np.ndarray, hyper: Hyperparameters) -> float:
    weights = hyper.loss_weights
    return (
        weights.trainer * slow_label_loss(trainer)
        + weights.cross * slow_cross(trainer, student, hyper.cross_loss, hyper.temperature)
        + weights.student * slow_label_loss(student)
    )


def hyper(kind: str, temperature: float) -> Hyperparameters:
    return Hyperparameters(
        cross_loss=kind, temperature=temperature, loss_weights=LossWeights(trainer=0.5, student=2.0, cross=0.7)
    )


CASES = [("cross_entropy", 1.0), ("cross_entropy", 3.0), ("kl", 1.0), ("kl", 2.0), ("mse_logits", 1.0)]


@pytest.mark.parametrize(("kind", "temperature"), CASES)
def test_loss_and_parts_equal_numpy(tensorflow, classes, kind, temperature):
    from ml.training.objective import joint_loss

    settings = hyper(kind, temperature)
    trainer, student = (tensorflow.constant(x, tensorflow.float32) for x in (TRAINER, STUDENT))
    total, parts = joint_loss(classes, targets(), trainer, {"a": student, "b": student}, settings, trainer_frozen=False)
    once = slow_total(TRAINER, STUDENT, settings)
    both = 2 * once - settings.loss_weights.trainer * slow_label_loss(TRAINER)
    assert float(total) == pytest.approx(both, rel=1e-5)
    assert {name: float(value) for name, value in parts.items()} == {
        "trainer/loss": pytest.approx(slow_label_loss(TRAINER), rel=1e-5),
        "student:a/loss": pytest.approx(slow_label_loss(STUDENT), rel=1e-5),
        "student:a/cross": pytest.approx(slow_cross(TRAINER, STUDENT, kind, temperature), rel=1e-4),
        "student:b/loss": pytest.approx(slow_label_loss(STUDENT), rel=1e-5),
        "student:b/cross": pytest.approx(slow_cross(TRAINER, STUDENT, kind, temperature), rel=1e-4),
    }


@pytest.mark.parametrize(("kind", "temperature"), CASES)
def test_the_gradient_equals_differences(tensorflow, classes, kind, temperature):
    from ml.training.objective import joint_loss

    tf, settings, step = tensorflow, hyper(kind, temperature), 1e-5
    trainer, student = (tf.Variable(x, dtype=tf.float32) for x in (TRAINER, STUDENT))
    with tf.GradientTape() as tape:
        total, _ = joint_loss(classes, targets(), trainer, {"s": student}, settings, trainer_frozen=False)
    found = [gradient.numpy() for gradient in tape.gradient(total, [trainer, student])]
    for which in (0, 1):
        for index in np.ndindex(TRAINER.shape):
            values = []
            for sign in (1, -1):
                logits = [TRAINER.copy(), STUDENT.copy()]
                logits[which][index] += sign * step
                values.append(slow_total(logits[0], logits[1], settings))
            assert found[which][index] == pytest.approx((values[0] - values[1]) / (2 * step), abs=2e-5)


def test_a_frozen_trainer_gets_no_gradient(tensorflow, classes):
    from ml.training.objective import joint_loss

    tf = tensorflow
    trainer, student = (tf.Variable(x, dtype=tf.float32) for x in (TRAINER, STUDENT))
    with tf.GradientTape() as tape:
        total, _ = joint_loss(classes, targets(), trainer, {"s": student}, hyper("kl", 1.0), trainer_frozen=True)
    of_trainer, of_student = tape.gradient(total, [trainer, student])
    assert of_trainer is None
    assert np.any(of_student.numpy())


def test_without_a_trainer_each_student_learns_by_itself(tensorflow, classes):
    from ml.training.objective import joint_loss

    student = tensorflow.constant(STUDENT, tensorflow.float32)
    total, parts = joint_loss(classes, targets(), None, {"s": student}, hyper("kl", 1.0), trainer_frozen=False)
    assert float(total) == pytest.approx(2.0 * slow_label_loss(STUDENT), rel=1e-5)
    assert list(parts) == ["student:s/loss"]


def test_kl_of_equal_logits_is_zero(tensorflow):
    from ml.training.objectives.base import softened_difference

    logits = tensorflow.constant(TRAINER, tensorflow.float32)
    assert softened_difference(logits, logits, kind="kl", temperature=2.0).numpy() == pytest.approx(
        np.zeros(6), abs=1e-6
    )


def test_accuracy_counts_the_first_class(tensorflow, classes):
    from ml.training.objective import measured

    expected = np.mean(TRAINER.argmax(axis=1) == LABELS)
    assert float(measured(classes, targets(), tensorflow.constant(TRAINER, tensorflow.float32))) == pytest.approx(
        expected
    )


def test_mixed_examples_have_the_loss_of_mixed_labels(tensorflow, classes):
    from ml.training.objective import label_loss

    tf = tensorflow
    other, share = np.roll(LABELS, 1), np.linspace(0.5, 1.0, 6).astype(np.float32)
    soft = share[:, None] * np.eye(4)[LABELS] + (1 - share[:, None]) * np.eye(4)[other]
    expected = -np.mean(np.sum(soft * np.log(softmax(STUDENT)), axis=1))
    mixed = {"label": LABELS, "other": other, "share": share}
    assert float(label_loss(classes, mixed, tf.constant(STUDENT, tf.float32))) == pytest.approx(expected, rel=1e-5)
