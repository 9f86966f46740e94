"""Metrics of a classifier from its probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

# The smallest probability that a loss is taken of; a float32 softmax can give zero.
EPSILON = 1e-7


class ClassMetrics(TypedDict):
    """Of one class. precision is None where the class was never predicted, recall where it has no example."""

    label: str
    precision: float | None
    recall: float | None
    support: int


class ClassificationMetrics(TypedDict):
    """`confusion_matrix[i][j]`: examples of class i that were taken for class j. `loss`: mean cross-entropy in nats."""

    num_examples: int
    accuracy: float
    loss: float
    confusion_matrix: list[list[int]]
    per_class: list[ClassMetrics]


def classification_metrics(
    probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], classes: Sequence[str]
) -> ClassificationMetrics:
    """Metrics over probabilities [examples, classes] and labels [examples], which may not be empty."""
    predicted = np.argmax(probabilities, axis=1)
    matrix = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(matrix, (labels, predicted), 1)
    chosen = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    hits, support, taken = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return {
        "num_examples": len(labels),
        "accuracy": float(np.mean(predicted == labels)),
        "loss": float(np.mean(-np.log(np.maximum(chosen, EPSILON)))),
        "confusion_matrix": matrix.tolist(),
        "per_class": [
            {
                "label": label,
                "precision": float(hits[index] / taken[index]) if taken[index] else None,
                "recall": float(hits[index] / support[index]) if support[index] else None,
                "support": int(support[index]),
            }
            for index, label in enumerate(classes)
        ],
    }
