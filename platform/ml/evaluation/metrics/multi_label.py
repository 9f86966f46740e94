"""Metrics of a classifier that gives any number of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ml.evaluation.metrics.base import (
    EPSILON,
    MAX_LISTED_CLASSES,
    THRESHOLD,
    Labels,
    Metrics,
    Outputs,
    mean_of,
    ratio,
)
from ml.evaluation.metrics.checks import check_outputs, check_shape
from ml.evaluation.metrics.counts import Tally
from ml.evaluation.metrics.curves import rank_classes
from ml.evaluation.metrics.sample import ScoreSample
from ml.refusal import RefusedError


class MultiLabelMetrics(Metrics):
    """Of probabilities [batch, classes] and labels [batch, classes], 0 or 1. A label is given from probability 0.5 on.

    `subset_accuracy`, which `accuracy` repeats, is the share of examples with all labels right; `hamming_loss` that of
    wrong labels; `loss` the mean binary cross-entropy of a label in nats. `roc_auc`, `average_precision` and `curves`
    come from a ScoreSample of `num_ranked` examples; like `per_class` they are left out with more than 1,000 classes.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = list(classes)
        self._tally = Tally(len(self._classes))
        is_ranked = len(self._classes) <= MAX_LISTED_CLASSES
        self._sample = ScoreSample(len(self._classes), is_multi_label=True) if is_ranked else None
        self._total = self._all_right = self._wrong = 0
        self._loss = 0.0

    def update(self, outputs: Outputs, labels: Labels) -> None:
        check_outputs(outputs, axes=("batch",), size=len(self._classes))
        check_shape(labels, outputs.shape)
        is_true = labels == 1
        if not (is_true | (labels == 0)).all():
            raise RefusedError(
                "labels_mismatch",
                f"A label is not yes or no. Received: {labels[~is_true & (labels != 0)][0]}. Accepted: 0 or 1.",
            )
        is_taken = outputs >= THRESHOLD
        is_wrong = is_taken != is_true
        self._total += len(labels)
        self._all_right += int((~is_wrong.any(axis=1)).sum())
        self._wrong += int(is_wrong.sum())
        self._tally.hits += (is_taken & is_true).sum(axis=0)
        self._tally.taken += is_taken.sum(axis=0)
        self._tally.support += is_true.sum(axis=0)
        of_truth = np.where(is_true, outputs, 1 - outputs.astype(np.float64))
        self._loss += float(-np.log(np.maximum(of_truth, EPSILON)).sum())
        if self._sample is not None:
            self._sample.add(outputs, is_true)

    def result(self) -> dict[str, Any]:
        values = self._total * len(self._classes)
        areas, curves = ([], []) if self._sample is None else rank_classes(self._sample, self._classes)
        accuracy = ratio(self._all_right, self._total)
        return {
            "num_examples": self._total,
            "accuracy": accuracy,
            "subset_accuracy": accuracy,
            "hamming_loss": ratio(self._wrong, values),
            "loss": ratio(self._loss, values),
            "micro_f1": self._tally.micro_f1(),
            "macro_f1": self._tally.macro_f1(),
            "macro_roc_auc": mean_of(area["roc_auc"] for area in areas),
            "macro_average_precision": mean_of(area["average_precision"] for area in areas),
            "per_class": [row | area for row, area in zip(self._tally.rows(self._classes), areas, strict=True)],
            "num_ranked": 0 if self._sample is None else len(self._sample),
            "curves": curves,
        }
