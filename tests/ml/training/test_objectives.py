"""Loss, metric and cross loss of every task, and their gradients, against slow NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from ml.features.statistics import Statistics
from ml.specs import Hyperparameters
from ml.tasks import TaskSpec

pytestmark = pytest.mark.engine

GENERATOR = np.random.default_rng(0)
KINDS = [("cross_entropy", 1.0), ("cross_entropy", 3.0), ("kl", 1.0), ("kl", 2.0), ("mse_logits", 1.0)]
SCALE = np.array([2.0, 0.5, 1.0])  # of a regression; the last value never changes


@dataclass(frozen=True)
class Case:
    """A task, labels with some missing, outputs, and slow references of one row (an example, or a step)."""

    task: TaskSpec
    labels: np.ndarray
    counted: np.ndarray  # rows with a label
    crossed: np.ndarray  # rows that count for the cross loss
    shape: tuple[int, ...]
    error: Callable[[Any, np.ndarray], float]
    metric: Callable[[Any, np.ndarray], float]


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max()
    result: np.ndarray = shifted - np.log(np.exp(shifted).sum())
    return result


def sigmoid(logits: np.ndarray) -> np.ndarray:
    result: np.ndarray = 1 / (1 + np.exp(-logits))
    return result


def binary(soft: np.ndarray, logits: np.ndarray) -> float:
    return float(-np.mean(soft * np.log(sigmoid(logits)) + (1 - soft) * np.log(1 - sigmoid(logits))))


NOTHING = float("nan")
CASES = {
    "classification": Case(
        TaskSpec(num_classes=4),
        np.array([0, 3, -1, 1, 1, -1]),
        np.array([1, 1, 0, 1, 1, 0]),
        np.ones(6),
        (6, 4),
        lambda label, row: -log_softmax(row)[label],
        lambda label, row: float(row.argmax() == label),
    ),
    "multi_label": Case(
        TaskSpec(type="multi_label", num_classes=3),
        np.array([[0, 0, 0], [1, 0, 1], [-1, -1, -1], [1, 1, 1], [0, 1, 0]], np.float32),
        np.array([1, 1, 0, 1, 1]),
        np.ones(5),
        (5, 3),
        binary,
        lambda label, row: float(((row > 0) == (label == 1)).all()),
    ),
    "regression": Case(
        TaskSpec(type="regression", num_values=3),
        np.array([[1, 2, 3], [0, 0, 0], [NOTHING] * 3, [-4, 1, 3], [1, NOTHING, 1]], np.float32),
        np.array([1, 1, 0, 1, 0]),
        np.ones(5),
        (5, 3),
        lambda label, row: float(np.mean(((label - row) / SCALE) ** 2)),
        lambda label, row: float(np.mean(np.abs(label - row))),
    ),
    "sequence": Case(
        TaskSpec(type="sequence", num_classes=3),
        # Whole, cut off, without any label, and of length one.
        np.array([[0, 1, 2, 2], [1, 0, -1, -1], [-1, -1, -1, -1], [2, -1, -1, -1]]),
        np.array([1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]),
        np.array([1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0]),
        (4, 4, 3),
        lambda label, row: -log_softmax(row)[label],
        lambda label, row: float(row.argmax() == label),
    ),
}


def mean(values: list[float], weights: np.ndarray) -> float:
    return sum(value * weight for value, weight in zip(values, weights, strict=True) if weight) / sum(weights)


def rows_of(case: Case, outputs: np.ndarray) -> list[tuple[Any, np.ndarray]]:
    labels = case.labels.reshape(-1) if case.task.type == "sequence" else case.labels
    return list(zip(labels, outputs.reshape(-1, outputs.shape[-1]), strict=True))


def slow_loss(case: Case, outputs: np.ndarray, class_weights: np.ndarray | None = None) -> float:
    weights = case.counted.astype(float)
    if class_weights is not None:
        weights = weights * class_weights[np.maximum(case.labels.reshape(-1), 0)]
    rows = zip(rows_of(case, outputs), weights, strict=True)
    return mean([case.error(label, row) if weight else 0.0 for (label, row), weight in rows], weights)


def slow_metric(case: Case, outputs: np.ndarray) -> float:
    return mean([case.metric(label, row) for label, row in rows_of(case, outputs)], case.counted)


def slow_cross(case: Case, trainer: np.ndarray, student: np.ndarray, kind: str, temperature: float) -> float:
    size = trainer.shape[-1]
    differences = []
    for taught, learned in zip(trainer.reshape(-1, size), student.reshape(-1, size), strict=True):
        if case.task.type == "regression":
            differences.append(float(np.mean(((taught - learned) / SCALE) ** 2)))
        elif kind == "mse_logits":
            differences.append(float(np.mean((taught - learned) ** 2)))
        elif case.task.type == "multi_label":
            soft = sigmoid(taught / temperature)
            cross = binary(soft, learned / temperature)
            differences.append(temperature**2 * (cross - (binary(soft, taught / temperature) if kind == "kl" else 0)))
        else:
            soft = log_softmax(taught / temperature)
            cross = -np.sum(np.exp(soft) * log_softmax(learned / temperature))
            differences.append(temperature**2 * (cross + (np.sum(np.exp(soft) * soft) if kind == "kl" else 0)))
    return mean(differences, case.crossed)


def gradient(function: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    """By central differences, in double precision."""
    found, step = np.zeros_like(at), 1e-6
    for index in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[index] += step
        down[index] -= step
        found[index] = (function(up) - function(down)) / (2 * step)
    return found


@pytest.fixture(params=CASES)
def case(request) -> Case:
    return CASES[request.param]


@pytest.fixture
def trainer(case) -> np.ndarray:
    return GENERATOR.normal(0, 2, case.shape)


@pytest.fixture
def student(case) -> np.ndarray:
    return GENERATOR.normal(0, 2, case.shape)


def objective_of(case: Case, class_weights: list[float] | None = None) -> Any:
    from ml.training.objectives import objective_for

    statistics = Statistics(mean=(5.0, 0.0, 0.0), std=(2.0, 0.5, 0.0))
    return objective_for(case.task, class_weights=class_weights, label_statistics=statistics)


def test_the_loss_and_its_gradient_equal_numpy(tensorflow, case, student):
    from ml.training.objective import label_loss

    outputs = tensorflow.Variable(student, dtype=tensorflow.float32)
    with tensorflow.GradientTape() as tape:
        loss = label_loss(objective_of(case), {"label": case.labels}, outputs)
    assert float(loss) == pytest.approx(slow_loss(case, student), rel=1e-5)
    found = tape.gradient(loss, outputs).numpy()
    np.testing.assert_allclose(found, gradient(lambda x: slow_loss(case, x), student), atol=2e-5)
    # What has no label gets none.
    assert not found.reshape(-1, case.shape[-1])[case.counted == 0].any()


def test_the_metric_equals_numpy(tensorflow, case, student):
    from ml.training.objective import measured

    objective = objective_of(case)
    assert (objective.metric, objective.metric_is_better_when) == (
        ("mae", "smaller") if case.task.type == "regression" else ("accuracy", "larger")
    )
    for outputs in (student, 100.0 * right_outputs(case)):
        found = float(measured(objective, {"label": case.labels}, tensorflow.constant(outputs, tensorflow.float32)))
        assert found == pytest.approx(slow_metric(case, outputs), rel=1e-5)


def right_outputs(case: Case) -> np.ndarray:
    """Outputs that say what the labels say."""
    if case.task.type == "regression":
        return np.nan_to_num(case.labels)
    if case.task.type == "multi_label":
        return case.labels - 0.5
    found: np.ndarray = np.eye(case.shape[-1])[np.maximum(case.labels, 0)]
    return found


@pytest.mark.parametrize(("kind", "temperature"), KINDS)
def test_the_cross_loss_and_its_gradients_equal_numpy(tensorflow, case, trainer, student, kind, temperature):
    from ml.training.objectives.base import weighted_mean

    tf, hyper = tensorflow, Hyperparameters(cross_loss=kind, temperature=temperature)
    taught, learned = (tf.Variable(values, dtype=tf.float32) for values in (trainer, student))
    with tf.GradientTape() as tape:
        cross = weighted_mean(*objective_of(case).cross(tf.constant(case.labels), taught, learned, hyper))
    assert float(cross) == pytest.approx(slow_cross(case, trainer, student, kind, temperature), rel=1e-4)
    of_trainer, of_student = (found.numpy() for found in tape.gradient(cross, [taught, learned]))
    by_student = gradient(lambda x: slow_cross(case, trainer, x, kind, temperature), student)
    by_trainer = gradient(lambda x: slow_cross(case, x, student, kind, temperature), trainer)
    np.testing.assert_allclose(of_student, by_student, atol=3e-5)
    np.testing.assert_allclose(of_trainer, by_trainer, atol=3e-5)
    # Padding counts for nothing; what has no label at all is what the trainer is there for.
    assert of_student.reshape(-1, case.shape[-1]).any(axis=1).tolist() == case.crossed.astype(bool).tolist()


@pytest.mark.parametrize(("kind", "temperature"), KINDS)
def test_two_that_agree_are_as_near_as_can_be(tensorflow, case, trainer, kind, temperature):
    from ml.training.objectives.base import weighted_mean

    tf, hyper = tensorflow, Hyperparameters(cross_loss=kind, temperature=temperature)
    taught = tf.constant(trainer, tf.float32)
    learned = tf.Variable(taught)
    with tf.GradientTape() as tape:
        cross = weighted_mean(*objective_of(case).cross(tf.constant(case.labels), taught, learned, hyper))
    assert np.abs(tape.gradient(cross, learned)).max() < 1e-6
    if kind != "cross_entropy" or case.task.type == "regression":
        assert float(cross) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", ["classification", "sequence"])
def test_a_class_counts_by_its_weight(tensorflow, name):
    from ml.training.objective import label_loss

    case = CASES[name]
    outputs = GENERATOR.normal(0, 2, case.shape)
    weights = [0.5, 3.0, 0.0, 1.0][: case.task.num_outputs]
    found = label_loss(
        objective_of(case, weights), {"label": case.labels}, tensorflow.constant(outputs, tensorflow.float32)
    )
    assert float(found) == pytest.approx(slow_loss(case, outputs, np.array(weights)), rel=1e-5)


def test_without_any_label_loss_and_metric_are_zero_and_teach_nothing(tensorflow, case, student):
    from ml.training.objective import label_loss, measured

    nothing = np.full_like(case.labels, NOTHING if case.task.type == "regression" else -1)
    outputs = tensorflow.Variable(student, dtype=tensorflow.float32)
    with tensorflow.GradientTape() as tape:
        loss = label_loss(objective_of(case), {"label": nothing}, outputs)
    assert float(loss) == float(measured(objective_of(case), {"label": nothing}, outputs)) == 0.0
    assert not tape.gradient(loss, outputs).numpy().any()


def test_probabilities_and_values_are_what_is_exported(tensorflow, case, student):
    found = objective_of(case).activate(tensorflow.constant(student, tensorflow.float32)).numpy()
    rows = [row for _, row in rows_of(case, student)]
    if case.task.type == "regression":
        expected = rows
    else:
        expected = [sigmoid(row) if case.task.type == "multi_label" else np.exp(log_softmax(row)) for row in rows]
    np.testing.assert_allclose(found.reshape(-1, case.shape[-1]), expected, rtol=1e-5)


def test_mixed_labels_count_with_the_weights_of_their_classes(tensorflow):
    from ml.training.objective import label_loss

    case, weights = CASES["classification"], np.array([0.5, 3.0, 2.0, 1.0])
    outputs, share = GENERATOR.normal(0, 2, case.shape), np.linspace(0.5, 1.0, 6)
    first, other = np.array([0, 1, 2, 3, -1, -1]), np.array([1, 1, 0, 2, -1, -1])
    above = below = 0.0
    for row, a, b, own in zip(outputs, first, other, share, strict=True):
        for label, part in ((a, own), (b, 1 - own)):
            if label >= 0:
                above += part * weights[label] * case.error(label, row)
                below += part * weights[label]
    targets = {"label": first, "other": other, "share": share.astype(np.float32)}
    found = label_loss(objective_of(case, weights.tolist()), targets, tensorflow.constant(outputs, tensorflow.float32))
    assert float(found) == pytest.approx(above / below, rel=1e-5)
