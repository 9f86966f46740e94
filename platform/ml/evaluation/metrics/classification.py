"""Metrics of a classifier that gives one class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ml.evaluation.metrics.base import (
    EPSILON,
    MAX_LISTED_CLASSES,
    Integers,
    Labels,
    Metrics,
    Outputs,
    mean_of,
    ratio,
)
from ml.evaluation.metrics.calibration import Calibration
from ml.evaluation.metrics.checks import check_indices, check_outputs, check_shape
from ml.evaluation.metrics.counts import ClassCounts
from ml.evaluation.metrics.curves import rank_classes
from ml.evaluation.metrics.sample import ScoreSample

TOP = 5
# Of a batch that is worked on at once: what a comparison of 1M classes holds beside the batch stays below 10 MiB.
MAX_VALUES = 2**22


class ClassificationMetrics(Metrics):
    """Of probabilities [batch, classes] and labels [batch], indices of classes.

    `loss` is the mean cross-entropy in nats; `top5_accuracy` is undefined for five classes or fewer; `roc_auc`,
    `average_precision` (one class against the rest) and `curves` are computed from a ScoreSample of
    `num_ranked` examples. With more than 1,000 classes nothing is ranked: there are only accuracy, top-5 accuracy,
    loss, F1, calibration and the 20 most frequent confusions, in memory that grows with the classes, not their square.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = list(classes)
        self._counts = ClassCounts(self._classes)
        self._calibration = Calibration()
        is_ranked = len(self._classes) <= MAX_LISTED_CLASSES
        self._sample = ScoreSample(len(self._classes)) if is_ranked else None
        self._loss = 0.0
        self._in_top = 0

    def update(self, outputs: Outputs, labels: Labels) -> None:
        check_outputs(outputs, axes=("batch",), size=len(self._classes))
        check_shape(labels, outputs.shape[:1])
        check_indices(labels, first=0, last=len(self._classes) - 1)
        rows = max(1, MAX_VALUES // len(self._classes))
        for start in range(0, len(labels), rows):
            self._add(outputs[start : start + rows], labels[start : start + rows].astype(np.int64))

    def _add(self, outputs: Outputs, labels: Integers) -> None:
        predicted = np.argmax(outputs, axis=1)
        of_label = np.take_along_axis(outputs, labels[:, np.newaxis], axis=1)
        self._loss += float(-np.log(np.maximum(of_label, EPSILON, dtype=np.float64)).sum())
        self._in_top += int((_places(outputs, labels, of_label) < TOP).sum())
        self._calibration.add(outputs.max(axis=1), predicted == labels)
        self._counts.add(predicted, labels)
        if self._sample is not None:
            self._sample.add(outputs, labels)

    def result(self) -> dict[str, Any]:
        total = self._counts.total
        tables = self._counts.tables()
        areas, curves = ([], []) if self._sample is None else rank_classes(self._sample, self._classes)
        return {
            "num_examples": total,
            "accuracy": self._counts.accuracy,
            "top5_accuracy": ratio(self._in_top, total) if len(self._classes) > TOP else None,
            "loss": ratio(self._loss, total),
            "macro_f1": self._counts.tally.macro_f1(),
            "macro_roc_auc": mean_of(area["roc_auc"] for area in areas),
            "macro_average_precision": mean_of(area["average_precision"] for area in areas),
            "calibration": self._calibration.result(),
            **tables,
            "per_class": [row | area for row, area in zip(tables["per_class"], areas, strict=True)],
            "num_ranked": 0 if self._sample is None else len(self._sample),
            "curves": curves,
        }


def _places(outputs: Outputs, labels: Integers, of_label: Outputs) -> Integers:
    """How many classes come before the label's; of equals the one with the smaller index, as argmax has it."""
    is_before = outputs > of_label
    is_before |= (outputs == of_label) & (np.arange(outputs.shape[1]) < labels[:, np.newaxis])
    places: Integers = is_before.sum(axis=1)
    return places
