"""Metrics of a model that gives a class for each token or step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ml.evaluation.metrics.base import EPSILON, Labels, Metrics, Outputs, ratio
from ml.evaluation.metrics.checks import check_indices, check_outputs, check_shape
from ml.evaluation.metrics.counts import ClassCounts

PADDING = -1
# The class of tokens that are in no slot, in the IOB notation of Ramshaw and Marcus, 1995.
OUTSIDE = "O"


class SequenceMetrics(Metrics):
    """Of probabilities [batch, steps, classes] and labels [batch, steps], where -1 is padding, which counts nowhere.

    `accuracy` is the share of right tokens, `sequence_accuracy` that of sequences with all tokens right, among those
    that have any. `token_f1` is the F1 of all tokens together and `macro_f1` the mean of the classes' F1, both without
    the class named "O", which would drown the others. `loss` is the mean cross-entropy of a token in nats.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = list(classes)
        self._outside = self._classes.index(OUTSIDE) if OUTSIDE in self._classes else None
        self._counts = ClassCounts(self._classes)
        self._total = self._with_tokens = self._all_right = 0
        self._loss = 0.0

    def update(self, outputs: Outputs, labels: Labels) -> None:
        check_outputs(outputs, axes=("batch", "steps"), size=len(self._classes))
        check_shape(labels, outputs.shape[:2])
        check_indices(labels, first=PADDING, last=len(self._classes) - 1)
        is_token = labels != PADDING
        predicted = np.argmax(outputs, axis=2)
        has_tokens = is_token.any(axis=1)
        self._total += len(labels)
        self._with_tokens += int(has_tokens.sum())
        self._all_right += int((has_tokens & ((predicted == labels) | ~is_token).all(axis=1)).sum())
        tokens = labels[is_token].astype(np.int64)
        self._counts.add(predicted[is_token], tokens)
        of_label = outputs[is_token, tokens].astype(np.float64)
        self._loss += float(-np.log(np.maximum(of_label, EPSILON)).sum())

    def result(self) -> dict[str, Any]:
        tally, num_tokens = self._counts.tally, self._counts.total
        return {
            "num_examples": self._total,
            "num_tokens": num_tokens,
            "accuracy": self._counts.accuracy,
            "sequence_accuracy": ratio(self._all_right, self._with_tokens),
            "token_f1": tally.micro_f1(without=self._outside),
            "macro_f1": tally.macro_f1(without=self._outside),
            "loss": ratio(self._loss, num_tokens),
            **self._counts.tables(),
        }
