from __future__ import annotations

import numpy as np
import pytest

from ml.evaluation.metrics import Agreement
from ml.refusal import RefusedError
from ml.tasks import TaskSpec

CLASSIFICATION = TaskSpec(num_classes=3)
SEQUENCE = TaskSpec(type="sequence", num_classes=3)


def one_hot(indices: list[int] | list[list[int]]) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[indices]


def test_classes_agree_over_batches_whatever_their_probabilities():
    agreement = Agreement(CLASSIFICATION)
    agreement.update(one_hot([0, 1, 2]), one_hot([0, 1, 1]))
    agreement.update(np.array([[0.4, 0.3, 0.3]]), np.array([[0.9, 0.1, 0.0]]))
    assert agreement.result() == {"measure": "top1_agreement", "value": 0.75, "count": 4}


def test_only_what_the_mask_lets_through_counts():
    agreement = Agreement(SEQUENCE)
    mask = np.array([[True, True, False], [True, False, False]])
    agreement.update(one_hot([[0, 1, 2], [0, 0, 0]]), one_hot([[0, 2, 2], [0, 1, 0]]), mask)
    assert agreement.result() == {"measure": "token_agreement", "value": pytest.approx(2 / 3), "count": 3}


def test_labels_agree_by_their_decisions():
    agreement = Agreement(TaskSpec(type="multi_label", num_classes=3))
    trainer = np.array([[0.9, 0.5, 0.1], [0.0, 0.0, 0.0]])
    student = np.array([[0.6, 0.4, 0.4], [0.0, 0.0, 1.0]])
    agreement.update(trainer, student, np.array([True, False]))
    assert agreement.result() == {"measure": "label_agreement", "value": pytest.approx(2 / 3), "count": 3}


def test_numbers_are_compared_by_the_root_of_their_mean_squared_difference():
    agreement = Agreement(TaskSpec(type="regression", num_values=2))
    agreement.update(np.array([[1.0, 2.0]]), np.array([[1.0, 5.0]]))
    agreement.update(np.array([[0.0, 0.0]]), np.array([[4.0, 0.0]]))
    assert agreement.result() == {"measure": "rmse", "value": 2.5, "count": 4}


def test_nothing_compared_is_undefined():
    agreement = Agreement(CLASSIFICATION)
    assert agreement.result()["value"] is None
    agreement.update(one_hot([0]), one_hot([0]), np.array([False]))
    assert agreement.result() == {"measure": "top1_agreement", "value": None, "count": 0}


def test_outputs_of_another_shape_are_refused():
    agreement = Agreement(CLASSIFICATION)
    with pytest.raises(RefusedError, match=r"Received: \[1, 3\]. Accepted: \[2, 3\]"):
        agreement.update(one_hot([0, 1]), one_hot([0]))
    with pytest.raises(RefusedError, match=r"Received: \[1, 2\]. Accepted: \[batch, 3\]"):
        agreement.update(one_hot([0]), one_hot([0])[:, :2])
    with pytest.raises(RefusedError, match=r"Received: \[1\]. Accepted: \[2\]"):
        agreement.update(one_hot([0, 1]), one_hot([0, 1]), np.array([True]))
