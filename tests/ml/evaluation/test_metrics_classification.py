from __future__ import annotations

import json
import math
import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score, top_k_accuracy_score

from ml.evaluation.metrics import accumulator_for, classification_metrics
from ml.tasks import TaskSpec


def drawn(count: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that lean to the labels."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, classes, count)
    raw = generator.random((count, classes)) + 0.5 * np.eye(classes)[labels]
    return (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32), labels


def slow_metrics(probabilities, labels, classes):
    predicted = [row.index(max(row)) for row in probabilities]
    matrix = [
        [sum(1 for t, p in zip(labels, predicted, strict=True) if (t, p) == (i, j)) for j in range(len(classes))]
        for i in range(len(classes))
    ]
    loss = sum(-math.log(max(row[label], 1e-7)) for row, label in zip(probabilities, labels, strict=True))
    return matrix, sum(matrix[i][i] for i in range(len(classes))) / len(labels), loss / len(labels)


def test_metrics_equal_counting():
    probabilities, labels = drawn(200, 4)
    found = classification_metrics(probabilities, labels, list("abcd"))
    matrix, accuracy, loss = slow_metrics(probabilities.astype(float).tolist(), labels.tolist(), "abcd")
    assert found["confusion_matrix"] == matrix
    assert found["accuracy"] == accuracy
    assert found["loss"] == pytest.approx(loss, rel=1e-9)
    assert found["num_examples"] == 200
    for index, entry in enumerate(found["per_class"]):
        precision = matrix[index][index] / sum(row[index] for row in matrix)
        recall = matrix[index][index] / sum(matrix[index])
        assert entry["label"] == "abcd"[index]
        assert entry["precision"] == pytest.approx(precision)
        assert entry["recall"] == pytest.approx(recall)
        assert entry["f1"] == pytest.approx(2 * precision * recall / (precision + recall))
        assert entry["support"] == sum(matrix[index])


def test_metrics_equal_those_of_scikit_learn():
    probabilities, labels = drawn(300, 8)
    found = classification_metrics(probabilities, labels, list("abcdefgh"))
    truths = np.eye(8)[labels]
    assert found["top5_accuracy"] == top_k_accuracy_score(labels, probabilities, k=5)
    assert found["macro_f1"] == pytest.approx(f1_score(labels, probabilities.argmax(axis=1), average="macro"))
    roc = roc_auc_score(truths, probabilities, average=None)
    precision = average_precision_score(truths, probabilities, average=None)
    assert [entry["roc_auc"] for entry in found["per_class"]] == pytest.approx(roc.tolist())
    assert [entry["average_precision"] for entry in found["per_class"]] == pytest.approx(precision.tolist())
    assert found["macro_roc_auc"] == pytest.approx(roc.mean())
    assert found["macro_average_precision"] == pytest.approx(precision.mean())
    assert found["num_ranked"] == 300


def test_a_class_never_predicted_has_no_precision_and_one_without_examples_no_recall():
    found = classification_metrics(np.array([[1.0, 0.0, 0.0]], np.float32), np.array([1]), list("abc"))
    assert [entry["precision"] for entry in found["per_class"]] == [0.0, None, None]
    assert [entry["recall"] for entry in found["per_class"]] == [None, 0.0, None]
    assert [entry["f1"] for entry in found["per_class"]] == [0.0, 0.0, None]
    assert [entry["roc_auc"] for entry in found["per_class"]] == [None, None, None]
    assert [entry["average_precision"] for entry in found["per_class"]] == [None, 1.0, None]
    assert found["macro_f1"] == 0.0
    assert found["macro_roc_auc"] is None
    assert found["curves"] == []


def test_a_probability_of_zero_has_a_finite_loss():
    found = classification_metrics(np.array([[1.0, 0.0]], np.float32), np.array([1]), list("ab"))
    assert found["loss"] == pytest.approx(-math.log(1e-7))


def test_the_confidence_is_the_largest_probability_also_of_a_wrong_answer():
    probabilities = np.array([[0.75, 0.25], [0.25, 0.75], [0.5, 0.5]], np.float32)
    found = classification_metrics(probabilities, np.array([1, 1, 0]), list("ab"))["calibration"]
    assert {each["confidence"]: each["accuracy"] for each in found["bins"] if each["count"]} == {0.5: 1.0, 0.75: 0.5}
    assert found["ece"] == pytest.approx((2 * 0.25 + 0.5) / 3)


def test_top_five_of_five_classes_is_undefined():
    assert classification_metrics(*drawn(9, 5), list("abcde"))["top5_accuracy"] is None
    assert classification_metrics(*drawn(9, 6), list("abcdef"))["top5_accuracy"] is not None


def test_equal_probabilities_are_taken_in_the_order_of_the_classes():
    """A model that always gives the same for all is right by chance only: not for the last two of seven classes."""
    found = classification_metrics(np.full((7, 7), 1 / 7, np.float32), np.arange(7), list("abcdefg"))
    assert found["accuracy"] == pytest.approx(1 / 7)
    assert found["top5_accuracy"] == pytest.approx(5 / 7)


def test_the_most_frequent_confusions_come_first():
    labels = np.array([0, 0, 0, 0, 1, 1, 2])
    predicted = np.array([0, 2, 2, 1, 0, 1, 2])
    found = classification_metrics(np.eye(3, dtype=np.float32)[predicted], labels, list("abc"))
    assert found["confusions"] == [
        {"label": "a", "predicted": "c", "count": 2, "share": 0.5},
        {"label": "a", "predicted": "b", "count": 1, "share": 0.25},
        {"label": "b", "predicted": "a", "count": 1, "share": 0.5},
    ]


def test_curves_are_drawn_of_the_twenty_classes_with_the_most_examples():
    labels = np.repeat(np.arange(25), np.arange(1, 26))
    generator = np.random.default_rng(1)
    found = classification_metrics(
        generator.random((len(labels), 25)).astype(np.float32), labels, [f"class {index}" for index in range(25)]
    )
    assert [curve["label"] for curve in found["curves"]] == [f"class {index}" for index in range(5, 25)]
    assert len(found["per_class"]) == 25


def test_a_thousand_classes_are_listed_and_one_more_is_not():
    for count in (1000, 1001):
        labels = np.arange(0, count, 100)
        found = classification_metrics(np.eye(count, dtype=np.float32)[labels], labels, [str(i) for i in range(count)])
        is_listed = count == 1000
        assert len(found["confusion_matrix"]) == (count if is_listed else 0)
        assert len(found["per_class"]) == (count if is_listed else 0)
        assert len(found["curves"]) == (10 if is_listed else 0)  # the classes that have examples
        assert (found["macro_roc_auc"] is not None) == is_listed
        assert found["accuracy"] == found["top5_accuracy"] == 1.0


def test_many_classes_are_measured_in_little_memory():
    classes = [f"c{index}" for index in range(100_000)]
    metrics = accumulator_for(TaskSpec(num_classes=len(classes)), classes)
    generator = np.random.default_rng(2)
    labels = np.array([7, 7, 7, 7, 99_999, 5, 99_999, 7])
    predicted = np.array([7, 99_998, 99_998, 0, 0, 5, 99_999, 99_998])
    outputs = generator.random((8, len(classes)), np.float32) * np.float32(1e-5)
    outputs[np.arange(8), labels] = 0.1  # the second place at least
    outputs[np.arange(8), predicted] = 0.9
    outputs[0] = 0.5 - np.arange(len(classes), dtype=np.float32) * 1e-6  # label 7 in the eighth place
    outputs, labels = np.tile(outputs, (16, 1)), np.tile(labels, 16)
    tracemalloc.start()
    metrics.update(outputs, labels)
    found = metrics.result()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * 2**20  # the batch is 49 MiB, a confusion matrix would be 75 GiB
    assert found["accuracy"] == 2 / 8
    assert found["top5_accuracy"] == 7 / 8
    assert found["loss"] == pytest.approx(-math.log(outputs[0, 7]) / 8 - (5 * math.log(0.1) + 2 * math.log(0.9)) / 8)
    assert found["confusions"] == [
        {"label": "c7", "predicted": "c99998", "count": 48, "share": 0.6},
        {"label": "c7", "predicted": "c0", "count": 32, "share": 0.4},
        {"label": "c99999", "predicted": "c0", "count": 16, "share": 0.5},
    ]
    assert sum(each["count"] for each in found["calibration"]["bins"]) == 128
    assert len(json.dumps(found)) < 3000
