"""How well scores rank what is positive above what is not: ROC and precision-recall curves and the areas below them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.evaluation.metrics.base import Booleans, Outputs
from ml.evaluation.metrics.sample import ScoreSample

MAX_POINTS = 50
MAX_CURVES = 20
DECIMALS = 4

Floats = npt.NDArray[np.float64]
Points = list[list[float]]


class RankedScores:
    """The curves of one class, with one point for each different score [n], from the highest down.

    Positive are the examples where `is_positive` [n]. Equal scores can't be told apart, so they move a curve together.
    """

    def __init__(self, scores: Outputs, is_positive: Booleans) -> None:
        order = np.argsort(-scores)
        ordered = scores[order]
        is_last_of_equals = np.ones(len(ordered), np.bool_)
        is_last_of_equals[:-1] = ordered[1:] != ordered[:-1]
        last_of_equals = np.flatnonzero(is_last_of_equals)
        self._true = np.cumsum(is_positive[order], dtype=np.float64)[last_of_equals]
        self._false = last_of_equals + 1 - self._true
        self.positives = int(is_positive.sum())
        self.negatives = len(scores) - self.positives

    @property
    def roc_auc(self) -> float | None:
        """Area below the ROC curve by trapezoids; the chance that a positive scores above a negative, a tie being half.

        Undefined without positives or without negatives.
        """
        if not (self.positives and self.negatives):
            return None
        false, true = self._roc()
        return float(np.trapezoid(true, false))

    @property
    def average_precision(self) -> float | None:
        """Area below the precision-recall curve: Σ (recallₙ − recallₙ₋₁) · precisionₙ. Undefined without positives."""
        if not self.positives:
            return None
        recall, precision = self._precision_recall()
        return float(np.sum(np.diff(recall) * precision[1:]))

    def roc(self, limit: int = MAX_POINTS) -> Points:
        """[false positive rate, true positive rate] from [0, 0] to [1, 1], evenly along the way; empty if undefined."""
        if not (self.positives and self.negatives):
            return []
        false, true = self._roc()
        return _points(false, true, along=false + true, limit=limit)

    def precision_recall(self, limit: int = MAX_POINTS) -> Points:
        """[recall, precision] from recall 0 to the best precision at recall 1, evenly in recall; empty if undefined."""
        if not self.positives:
            return []
        recall, precision = self._precision_recall()
        return _points(recall, precision, along=recall, limit=limit)

    def _roc(self) -> tuple[Floats, Floats]:
        return np.append(0.0, self._false / self.negatives), np.append(0.0, self._true / self.positives)

    def _precision_recall(self) -> tuple[Floats, Floats]:
        precision = self._true / (self._true + self._false)
        # At recall 0 nothing is taken; the curve begins at the height of its first point.
        return np.append(0.0, self._true / self.positives), np.append(precision[0], precision)


def rank_classes(
    sample: ScoreSample, labels: Sequence[str]
) -> tuple[list[dict[str, float | None]], list[dict[str, Any]]]:
    """The areas of every class, {roc_auc, average_precision}, and the curves of some, {label, roc, pr}.

    Curves are given of the 20 classes with the most positives in the sample, in the order of the classes, where both
    are defined.
    """
    support = np.array([int(sample.is_positive(index).sum()) for index in range(len(labels))])
    drawn = set(np.argsort(-support, kind="stable")[:MAX_CURVES].tolist())
    areas: list[dict[str, float | None]] = []
    curves: list[dict[str, Any]] = []
    for index, label in enumerate(labels):
        ranked = RankedScores(sample.scores(index), sample.is_positive(index))
        areas.append({"roc_auc": ranked.roc_auc, "average_precision": ranked.average_precision})
        if index in drawn and ranked.positives and ranked.negatives:
            curves.append({"label": label, "roc": ranked.roc(), "pr": ranked.precision_recall()})
    return areas, curves


def _points(x: Floats, y: Floats, *, along: Floats, limit: int) -> Points:
    """At most `limit` points of a curve, its ends among them, evenly spaced in `along`, which never falls."""
    wanted = np.linspace(along[0], along[-1], limit)
    chosen = np.unique(np.searchsorted(along, wanted))
    return [[round(float(x[index]), DECIMALS), round(float(y[index]), DECIMALS)] for index in chosen]
