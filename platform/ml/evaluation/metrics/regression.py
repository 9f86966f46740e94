"""Metrics of a model that gives numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ml.evaluation.metrics.base import Labels, Metrics, Outputs, mean_of, ratio
from ml.evaluation.metrics.checks import check_outputs, check_shape
from ml.refusal import RefusedError


class RegressionMetrics(Metrics):
    """Of values [batch, values] and labels [batch, values], in the labels' own units.

    `mae` is the mean absolute error, `rmse` the root of the mean squared error, which is `loss`; all over every value.
    `r2` is 1 - (squared errors) / (squared distances of the labels from their mean): 1 is perfect, 0 as good as always
    saying the mean. It is undefined for a value whose label never varies; overall it is the mean of the defined ones.
    The labels' spread is summed up by Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for
    Computing Sample Variances", 1979, eq. 2.1, which stays exact for labels far from zero.
    """

    def __init__(self, num_values: int) -> None:
        self._total = 0
        self._absolute = np.zeros(num_values, np.float64)
        self._squared = np.zeros(num_values, np.float64)
        self._mean = np.zeros(num_values, np.float64)
        self._spread = np.zeros(num_values, np.float64)
        self._lowest = np.full(num_values, np.inf)
        self._highest = np.full(num_values, -np.inf)

    def update(self, outputs: Outputs, labels: Labels) -> None:
        check_outputs(outputs, axes=("batch",), size=len(self._mean))
        check_shape(labels, outputs.shape)
        if not np.isfinite(labels).all():
            raise RefusedError(
                "labels_mismatch", "A label can't be measured. Received: NaN or infinite. Accepted: finite numbers."
            )
        if not len(labels):
            return
        wide = labels.astype(np.float64)
        errors = outputs - wide
        self._absolute += np.abs(errors).sum(axis=0)
        self._squared += np.square(errors).sum(axis=0)
        self._lowest = np.minimum(self._lowest, wide.min(axis=0))
        self._highest = np.maximum(self._highest, wide.max(axis=0))
        count, total = len(wide), self._total + len(wide)
        mean = wide.mean(axis=0)
        shift = mean - self._mean
        self._spread += np.square(wide - mean).sum(axis=0) + np.square(shift) * (self._total * count / total)
        self._mean += shift * (count / total)
        self._total = total

    def result(self) -> dict[str, Any]:
        values = self._total * len(self._mean)
        loss = ratio(float(self._squared.sum()), values)
        per_value = [self._of_value(index) for index in range(len(self._mean))]
        return {
            "num_examples": self._total,
            "mae": ratio(float(self._absolute.sum()), values),
            "rmse": _root(loss),
            "r2": mean_of(value["r2"] for value in per_value),
            "loss": loss,
            "per_value": per_value,
        }

    def _of_value(self, index: int) -> dict[str, float | None]:
        # Not whether the spread is zero: a mean can miss a constant by a rounding error.
        varies = self._lowest[index] < self._highest[index]
        return {
            "mae": ratio(self._absolute[index], self._total),
            "rmse": _root(ratio(self._squared[index], self._total)),
            "r2": float(1 - self._squared[index] / self._spread[index]) if varies else None,
        }


def _root(value: float | None) -> float | None:
    return None if value is None else math.sqrt(value)
