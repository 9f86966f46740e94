from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score

from ml.evaluation.metrics import accumulator_for
from ml.tasks import TaskSpec

CLASSES = ["city", "O", "date", "name"]


def measured(outputs: np.ndarray, labels: np.ndarray, classes: list[str] = CLASSES) -> dict:
    metrics = accumulator_for(TaskSpec(type="sequence", num_classes=len(classes)), classes)
    metrics.update(outputs.astype(np.float32), labels)
    return metrics.result()


def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Probabilities [50, 6, 4] that lean to the labels [50, 6], which end in padding, of the first one at once."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, (50, 6))
    raw = generator.random((50, 6, 4)) + 0.4 * np.eye(4)[labels]
    labels[np.arange(6) >= generator.integers(1, 7, (50, 1))] = -1
    labels[0] = -1
    return (raw / raw.sum(axis=2, keepdims=True)).astype(np.float32), labels


def test_metrics_equal_counting_token_by_token():
    outputs, labels = drawn()
    found = measured(outputs, labels)
    truths: list[int] = []
    answers: list[int] = []
    losses: list[float] = []
    whole: list[bool] = []
    for scores, line in zip(outputs.tolist(), labels.tolist(), strict=True):
        tokens = [(label, row) for row, label in zip(scores, line, strict=True) if label >= 0]
        truths += [label for label, _ in tokens]
        answers += [row.index(max(row)) for _, row in tokens]
        losses += [-math.log(row[label]) for label, row in tokens]
        if tokens:
            whole.append(all(row.index(max(row)) == label for label, row in tokens))
    assert found["num_examples"] == 50
    assert found["num_tokens"] == len(truths)
    assert found["accuracy"] == sum(map(int.__eq__, truths, answers)) / len(truths)
    assert found["loss"] == pytest.approx(sum(losses) / len(losses))
    assert found["sequence_accuracy"] == sum(whole) / 49
    assert 0 < found["sequence_accuracy"] < found["accuracy"] < 1
    assert found["token_f1"] == pytest.approx(f1_score(truths, answers, labels=[0, 2, 3], average="micro"))
    assert found["macro_f1"] == pytest.approx(f1_score(truths, answers, labels=[0, 2, 3], average="macro"))
    assert found["confusion_matrix"] == [
        [sum((t, p) == (i, j) for t, p in zip(truths, answers, strict=True)) for j in range(4)] for i in range(4)
    ]
    assert [row["label"] for row in found["per_class"]] == CLASSES
    assert [row["f1"] for row in found["per_class"]] == pytest.approx(f1_score(truths, answers, average=None).tolist())


def test_what_a_model_says_on_padding_counts_nowhere():
    outputs, labels = drawn()
    others = outputs.copy()
    others[labels < 0] = [0.0, 0.0, 0.0, 1.0]
    assert not np.array_equal(others, outputs)
    assert measured(others, labels) == measured(outputs, labels)


def test_without_a_class_outside_the_token_f1_is_the_accuracy():
    outputs, labels = drawn()
    found = measured(outputs, labels, ["city", "o", "date", "name"])
    assert found["token_f1"] == pytest.approx(found["accuracy"])


def test_saying_outside_everywhere_is_accurate_and_worth_nothing():
    labels = np.array([[1, 1, 1, 0]])
    found = measured(np.eye(4)[[[1, 1, 1, 1]]], labels)
    assert found["accuracy"] == 0.75
    assert found["token_f1"] == found["macro_f1"] == found["sequence_accuracy"] == 0.0


def test_nothing_but_padding_is_undefined():
    found = measured(np.full((2, 3, 4), 0.25), np.full((2, 3), -1))
    assert (found["num_examples"], found["num_tokens"]) == (2, 0)
    for name in ("accuracy", "sequence_accuracy", "token_f1", "macro_f1", "loss"):
        assert found[name] is None
