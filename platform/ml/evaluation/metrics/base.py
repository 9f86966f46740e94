"""What the accumulators of all tasks share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

# Probabilities, or the numbers of a regression.
Outputs = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

# The smallest probability that a loss is taken of; a float32 softmax can give zero.
EPSILON = 1e-7
# From this probability on, a label of `multi_label` counts as given.
THRESHOLD = 0.5
# With more classes there is nothing for each of them in the result, whose size then doesn't depend on their number.
MAX_LISTED_CLASSES = 1000


class Metrics(ABC):
    """Sums up batches of outputs and labels. No batch is kept; the shapes are said by each task's class."""

    @abstractmethod
    def update(self, outputs: Outputs, labels: Labels) -> None:
        """Adds a batch. Raises RefusedError if it does not fit the task or the outputs are not finite."""

    @abstractmethod
    def result(self) -> dict[str, Any]:
        """The metrics so far, ready for JSON: None where one is undefined. More batches may follow."""


def ratio(part: float, whole: float) -> float | None:
    """None where there is nothing to take a share of."""
    return float(part / whole) if whole else None


def mean_of(values: Iterable[float | None]) -> float | None:
    """The mean of the defined values."""
    defined = [value for value in values if value is not None]
    return ratio(sum(defined), len(defined))
