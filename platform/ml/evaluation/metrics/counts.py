"""Right and wrong decisions, counted by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ml.evaluation.metrics.base import MAX_LISTED_CLASSES, Booleans, Integers, ratio
from ml.evaluation.metrics.frequent import FrequentValues

MAX_CONFUSIONS = 20


class Tally:
    """For each class how many decisions were true for it (`support`), were taken for it (`taken`), and both (`hits`).

    Precision is hits / taken and undefined for a class that was never taken; recall is hits / support and undefined
    without support; F1, their harmonic mean, is 2 · hits / (taken + support) and undefined where both are zero.
    """

    def __init__(self, size: int) -> None:
        self.hits = np.zeros(size, np.int64)
        self.taken = np.zeros(size, np.int64)
        self.support = np.zeros(size, np.int64)

    def rows(self, labels: Sequence[str]) -> list[dict[str, Any]]:
        """One row for each class; none where there are too many to list."""
        if len(labels) > MAX_LISTED_CLASSES:
            return []
        counts = zip(labels, self.hits.tolist(), self.taken.tolist(), self.support.tolist(), strict=True)
        return [
            {
                "label": label,
                "precision": ratio(hits, taken),
                "recall": ratio(hits, support),
                "f1": ratio(2 * hits, taken + support),
                "support": support,
            }
            for label, hits, taken, support in counts
        ]

    def micro_f1(self, *, without: int | None = None) -> float | None:
        """F1 of all decisions together, except those for the class of index `without`."""
        is_counted = self._is_counted(without)
        whole = self.taken[is_counted].sum() + self.support[is_counted].sum()
        return ratio(2 * int(self.hits[is_counted].sum()), int(whole))

    def macro_f1(self, *, without: int | None = None) -> float | None:
        """The mean of the classes' defined F1, except that of the class of index `without`."""
        whole = self.taken + self.support
        is_counted = self._is_counted(without) & (whole > 0)
        scores = 2 * self.hits[is_counted] / whole[is_counted]
        return ratio(float(scores.sum()), len(scores))

    def _is_counted(self, without: int | None) -> Booleans:
        is_counted = np.ones(len(self.hits), np.bool_)
        if without is not None:
            is_counted[without] = False
        return is_counted


class ClassCounts:
    """Decisions for one of several classes. Memory: 8·C² bytes up to 1,000 classes, with more 24·C + 4 MiB."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        self.tally = Tally(len(classes))
        is_listed = len(classes) <= MAX_LISTED_CLASSES
        self._matrix = np.zeros((len(classes), len(classes)), np.int64) if is_listed else None
        self._confused = FrequentValues()

    def add(self, predicted: Integers, labels: Integers) -> None:
        """Counts decisions [n] against labels [n]."""
        is_right = predicted == labels
        np.add.at(self.tally.hits, labels[is_right], 1)
        np.add.at(self.tally.taken, predicted, 1)
        np.add.at(self.tally.support, labels, 1)
        if self._matrix is not None:
            np.add.at(self._matrix, (labels, predicted), 1)
        else:
            is_wrong = ~is_right
            self._confused.add(labels[is_wrong] * len(self._classes) + predicted[is_wrong])

    @property
    def total(self) -> int:
        return int(self.tally.support.sum())

    @property
    def accuracy(self) -> float | None:
        return ratio(int(self.tally.hits.sum()), self.total)

    def tables(self) -> dict[str, Any]:
        """`confusion_matrix[i][j]`: examples of class i that were taken for class j, `per_class`, `confusions`.

        `confusions`: the 20 most frequent mistakes, `share` being the part of the label's examples. The first two are
        empty with more than 1,000 classes, and then a confusion's count is exact up to 262,144 different ones.
        """
        return {
            "confusion_matrix": [] if self._matrix is None else self._matrix.tolist(),
            "per_class": self.tally.rows(self._classes),
            "confusions": [self._confusion(pair, count) for pair, count in self._most_confused()],
        }

    def _most_confused(self) -> list[tuple[int, int]]:
        if self._matrix is None:
            return self._confused.most_common(MAX_CONFUSIONS)
        counts = self._matrix.ravel().copy()
        counts[:: len(self._classes) + 1] = 0  # the diagonal
        order = np.argsort(-counts, kind="stable")[:MAX_CONFUSIONS]
        return [(int(pair), int(counts[pair])) for pair in order if counts[pair]]

    def _confusion(self, pair: int, count: int) -> dict[str, Any]:
        label, predicted = divmod(pair, len(self._classes))
        return {
            "label": self._classes[label],
            "predicted": self._classes[predicted],
            "count": count,
            "share": ratio(count, int(self.tally.support[label])),
        }
