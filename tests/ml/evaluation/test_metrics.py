from __future__ import annotations

import math

import numpy as np
import pytest

from ml.evaluation.metrics import classification_metrics


def slow_metrics(probabilities, labels, classes):
    predicted = [row.index(max(row)) for row in probabilities]
    matrix = [
        [sum(1 for t, p in zip(labels, predicted, strict=True) if (t, p) == (i, j)) for j in range(len(classes))]
        for i in range(len(classes))
    ]
    loss = sum(-math.log(max(row[label], 1e-7)) for row, label in zip(probabilities, labels, strict=True))
    return matrix, sum(matrix[i][i] for i in range(len(classes))) / len(labels), loss / len(labels)


def test_metrics_equal_counting():
    generator = np.random.default_rng(0)
    raw = generator.random((200, 4))
    probabilities = (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)
    labels = generator.integers(0, 4, 200)
    found = classification_metrics(probabilities, labels, list("abcd"))
    matrix, accuracy, loss = slow_metrics(probabilities.astype(float).tolist(), labels.tolist(), "abcd")
    assert found["confusion_matrix"] == matrix
    assert found["accuracy"] == accuracy
    assert found["loss"] == pytest.approx(loss, rel=1e-9)
    assert found["num_examples"] == 200
    for index, entry in enumerate(found["per_class"]):
        assert entry["precision"] == pytest.approx(matrix[index][index] / sum(row[index] for row in matrix))
        assert entry["recall"] == pytest.approx(matrix[index][index] / sum(matrix[index]))
        assert entry["support"] == sum(matrix[index])


def test_a_class_never_predicted_has_no_precision_and_one_without_examples_no_recall():
    found = classification_metrics(np.array([[1.0, 0.0, 0.0]], np.float32), np.array([1]), list("abc"))
    assert [entry["precision"] for entry in found["per_class"]] == [0.0, None, None]
    assert [entry["recall"] for entry in found["per_class"]] == [None, 0.0, None]


def test_a_probability_of_zero_has_a_finite_loss():
    found = classification_metrics(np.array([[1.0, 0.0]], np.float32), np.array([1]), list("ab"))
    assert found["loss"] == pytest.approx(-math.log(1e-7))
