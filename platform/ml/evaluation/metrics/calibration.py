"""Does a model's confidence mean what it says?"""

from __future__ import annotations

from typing import Any

import numpy as np

from ml.evaluation.metrics.base import Booleans, Outputs, ratio

BINS = 15


class Calibration:
    """Expected calibration error over 15 equal bins.

    Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", 2017, eq. 3. Bin m holds the examples
    whose confidence, the largest probability, lies in ((m-1)/15, m/15]; zero is in the first.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(BINS, np.int64)
        self._right = np.zeros(BINS, np.int64)
        self._confidence = np.zeros(BINS, np.float64)

    def add(self, confidence: Outputs, is_right: Booleans) -> None:
        """Adds the confidence [n] of decisions and whether they were right [n]."""
        wide = confidence.astype(np.float64)
        # A float32 softmax can exceed 1 by a rounding error.
        bins = np.clip(np.ceil(wide * BINS).astype(np.int64) - 1, 0, BINS - 1)
        self._counts += np.bincount(bins, minlength=BINS)
        self._right += np.bincount(bins[is_right], minlength=BINS)
        self._confidence += np.bincount(bins, weights=wide, minlength=BINS)

    def result(self) -> dict[str, Any]:
        """`ece`, 0 (calibrated) to 1, and all bins with their mean confidence and accuracy, None in an empty one."""
        gaps = np.abs(self._right - self._confidence)  # |B| · |accuracy(B) − confidence(B)|
        return {
            "ece": ratio(float(gaps.sum()), int(self._counts.sum())),
            "bins": [
                {"confidence": ratio(confidence, count), "accuracy": ratio(right, count), "count": count}
                for confidence, right, count in zip(
                    self._confidence.tolist(), self._right.tolist(), self._counts.tolist(), strict=True
                )
            ],
        }
