"""Does the .tflite file say the same as the model that it was made from?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypedDict

import numpy as np
import tensorflow as tf

from ml.data.images import Pixels
from ml.evaluation.runtime import Runtime

TOLERANCE = 1e-3


class Parity(TypedDict):
    """Largest difference of a probability, and the share of examples with the same first class."""

    max_abs: float
    top1_agreement: float
    tolerance: float
    num_examples: int


class ParityError(Exception):
    """The converted file's outputs differ from the model's by more than the tolerance."""


def check_parity(model: Any, runtime: Runtime, examples: Iterable[tuple[Pixels, str]]) -> Parity:
    """Compares both on each example (pixels and the path that names it). Raises ParityError with the worst example."""
    worst, worst_path, agreed, count = 0.0, "", 0, 0
    for pixels, path in examples:
        expected = tf.nn.softmax(model(pixels[np.newaxis], training=False)).numpy()[0]
        found = runtime.predict(pixels)
        difference = float(np.max(np.abs(expected - found)))
        if difference > worst:
            worst, worst_path = difference, path
        agreed += int(np.argmax(expected) == np.argmax(found))
        count += 1
    if not worst <= TOLERANCE:
        raise ParityError(
            f"the .tflite file differs from the trained model by {worst:.2g} on {worst_path}; at most {TOLERANCE} is accepted"
        )
    return {
        "max_abs": worst,
        "top1_agreement": agreed / max(count, 1),
        "tolerance": TOLERANCE,
        "num_examples": count,
    }
