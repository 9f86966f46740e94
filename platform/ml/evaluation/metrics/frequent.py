"""The most frequent values of a stream, in bounded memory."""

from __future__ import annotations

import numpy as np

from ml.evaluation.metrics.base import Integers

CAPACITY = 2**18
PENDING = 2**16


class FrequentValues:
    """Counts int64 values: exactly while at most `capacity` are different, and after that from below.

    Then it keeps `capacity` counters as Misra and Gries do ("Finding repeated elements", 1982), merged with each new
    part as in Agarwal et al. ("Mergeable Summaries", 2012, section 3.1): a count is too low by at most
    (values added) / (capacity + 1), and what is more frequent than that is never lost. Memory: 16 bytes a counter.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._values = np.zeros(0, np.int64)
        self._counts = np.zeros(0, np.int64)
        self._pending: list[Integers] = []
        self._num_pending = 0

    def add(self, values: Integers) -> None:
        """Counts values [n], each once for every time that it is there."""
        self._pending.append(values.astype(np.int64))  # a copy: the caller's batch is not held
        self._num_pending += len(values)
        if self._num_pending >= PENDING:
            self._merge()

    def most_common(self, number: int) -> list[tuple[int, int]]:
        """The `number` most frequent values with their counts; of equally frequent ones the smaller value first."""
        self._merge()
        order = np.lexsort((self._values, -self._counts))[:number]
        return [(int(self._values[index]), int(self._counts[index])) for index in order]

    def _merge(self) -> None:
        if not self._pending:
            return
        values = np.concatenate([self._values, *self._pending])
        weights = np.ones(len(values), np.int64)
        weights[: len(self._counts)] = self._counts
        self._pending, self._num_pending = [], 0
        self._values, places = np.unique(values, return_inverse=True)
        self._counts = np.zeros(len(self._values), np.int64)
        np.add.at(self._counts, places, weights)
        if len(self._values) > self._capacity:
            first_left_out = len(self._counts) - self._capacity - 1
            self._counts -= np.partition(self._counts, first_left_out)[first_left_out]
            is_kept = self._counts > 0
            self._values, self._counts = self._values[is_kept], self._counts[is_kept]
