"""The scores that ranking metrics are computed from."""

from __future__ import annotations

import numpy as np

from ml.evaluation.metrics.base import Booleans, Labels, Outputs

MAX_EXAMPLES = 100_000
# Over all classes: 64 MiB of float32.
MAX_SCORES = 2**24


class ScoreSample:
    """The scores [n, classes] of examples and what is true of them, up to a number of examples.

    All are kept of a split with at most 100,000 examples and 16,777,216 scores (167 classes keep 100,000 examples,
    1,000 classes 16,777). Of a larger split a uniform sample of that size is kept, so that one that is sorted by class
    is not cut to its first classes: reservoir sampling, Vitter, "Random Sampling with a Reservoir", 1985, algorithm R,
    from a fixed seed.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        is_multi_label: bool = False,
        max_examples: int = MAX_EXAMPLES,
        max_scores: int = MAX_SCORES,
    ) -> None:
        self._capacity = min(max_examples, max(1, max_scores // num_classes))
        # Memory that is not written to is not taken.
        self._scores = np.empty((self._capacity, num_classes), np.float32)
        self._truths: Labels = (
            np.empty((self._capacity, num_classes), np.bool_) if is_multi_label else np.empty(self._capacity, np.int64)
        )
        self._seen = 0
        self._generator = np.random.default_rng(0)

    def add(self, scores: Outputs, truths: Labels) -> None:
        """Adds scores [n, classes] and truths: the indices [n] of classes, or with several labels [n, classes]."""
        numbers = np.arange(self._seen, self._seen + len(scores))
        self._seen += len(scores)
        # Example i takes place i, or, when all are taken, a random one of i + 1, of which only the first ones exist.
        is_late = numbers >= self._capacity
        numbers[is_late] = self._generator.integers(0, numbers[is_late] + 1)
        is_kept = numbers < self._capacity
        # Where two take the same place, the later one stays, as if they had come one by one.
        self._scores[numbers[is_kept]] = scores[is_kept]
        self._truths[numbers[is_kept]] = truths[is_kept]

    def __len__(self) -> int:
        return min(self._seen, self._capacity)

    def scores(self, index: int) -> Outputs:
        """The scores [n] of a class."""
        return self._scores[: len(self), index]

    def is_positive(self, index: int) -> Booleans:
        """Which of the examples [n] are of a class."""
        truths = self._truths[: len(self)]
        found: Booleans = truths[:, index] if truths.ndim == 2 else truths == index
        return found
