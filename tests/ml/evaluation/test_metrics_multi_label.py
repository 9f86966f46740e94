from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    hamming_loss,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
)

from ml.evaluation.metrics import accumulator_for
from ml.tasks import TaskSpec


def measured(outputs: np.ndarray, labels: np.ndarray) -> dict:
    classes = [str(index) for index in range(outputs.shape[1])]
    metrics = accumulator_for(TaskSpec(type="multi_label", num_classes=len(classes)), classes)
    metrics.update(outputs.astype(np.float32), labels.astype(np.float32))
    return metrics.result()


def test_metrics_equal_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, (300, 4))
    outputs = (0.8 * generator.random((300, 4)) + 0.2 * labels).astype(np.float32)
    predicted = (outputs >= 0.5).astype(int)
    found = measured(outputs, labels)
    assert found["num_examples"] == 300
    assert found["accuracy"] == found["subset_accuracy"] == accuracy_score(labels, predicted)
    assert found["hamming_loss"] == pytest.approx(hamming_loss(labels, predicted))
    assert found["micro_f1"] == pytest.approx(f1_score(labels, predicted, average="micro"))
    assert found["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert found["macro_roc_auc"] == pytest.approx(roc_auc_score(labels, outputs, average="macro"))
    assert found["macro_average_precision"] == pytest.approx(average_precision_score(labels, outputs, average="macro"))
    losses = [log_loss(labels[:, index], outputs[:, index].astype(float)) for index in range(4)]
    assert found["loss"] == pytest.approx(np.mean(losses))
    expected = zip(*precision_recall_fscore_support(labels, predicted), strict=True)
    for index, (row, (precision, recall, f1, support)) in enumerate(zip(found["per_class"], expected, strict=True)):
        assert row == {
            "label": str(index),
            "precision": pytest.approx(precision),
            "recall": pytest.approx(recall),
            "f1": pytest.approx(f1),
            "support": support,
            "roc_auc": pytest.approx(roc_auc_score(labels[:, index], outputs[:, index])),
            "average_precision": pytest.approx(average_precision_score(labels[:, index], outputs[:, index])),
        }
    assert [curve["label"] for curve in found["curves"]] == list("0123")


def test_one_half_is_taken_for_yes():
    found = measured(np.array([[0.5, 0.49]]), np.array([[1, 0]]))
    assert found["accuracy"] == 1.0
    assert found["loss"] == pytest.approx(-(math.log(0.5) + math.log(0.51)) / 2)


def test_a_label_that_nobody_has_and_nobody_is_given_is_undefined():
    found = measured(np.array([[0.9, 0.1], [0.2, 0.1]]), np.array([[1, 0], [0, 0]]))
    assert found["per_class"][1] == {
        "label": "1",
        "precision": None,
        "recall": None,
        "f1": None,
        "support": 0,
        "roc_auc": None,
        "average_precision": None,
    }
    assert found["macro_f1"] == 1.0


def test_the_worst_answers_have_a_finite_loss():
    found = measured(np.array([[1.0, 0.0]]), np.array([[0, 1]]))
    assert found["loss"] == pytest.approx(-math.log(1e-7))
    assert found["hamming_loss"] == 1.0


def test_more_than_a_thousand_labels_are_not_listed():
    labels = np.zeros((2, 1001))
    labels[:, :3] = 1
    found = measured(labels, labels)
    assert found["per_class"] == found["curves"] == []
    assert found["micro_f1"] == found["macro_f1"] == found["accuracy"] == 1.0
    assert found["macro_roc_auc"] is None
