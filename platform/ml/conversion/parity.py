"""Does the .tflite file say the same as the model that it was made from?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypedDict

import numpy as np
import tensorflow as tf

from ml.data.images import Pixels
from ml.evaluation.runtime import Runtime

TOLERANCE = 1e-3
BATCH = 128


class Parity(TypedDict):
    """Largest difference of a probability, and the share of examples with the same first class."""

    max_abs: float
    top1_agreement: float
    tolerance: float
    num_examples: int


class ParityError(Exception):
    """The converted file's outputs differ from the model's by more than the tolerance."""


def check_parity(model: Any, runtime: Runtime, examples: Iterable[tuple[Pixels, str]]) -> Parity:
    """Compares both on each example (pixels and the path that names it). Raises ParityError with the worst example.

    `model` gives logits for a batch of pixels.
    """
    worst, worst_path, agreed, count = 0.0, "", 0, 0
    for batch in batched(examples, BATCH):
        expected = tf.nn.softmax(model(np.stack([pixels for pixels, _ in batch]), training=False)).numpy()
        found = np.stack([runtime.predict(pixels) for pixels, _ in batch])
        differences = np.max(np.abs(expected - found), axis=1)
        for difference, (_, path) in zip(differences.tolist(), batch, strict=True):
            # A NaN is the worst there is, and compares as false with everything.
            if not difference <= worst:
                worst, worst_path = difference, path
        agreed += int(np.sum(np.argmax(expected, axis=1) == np.argmax(found, axis=1)))
        count += len(batch)
    if not worst <= TOLERANCE:
        raise ParityError(
            f"the .tflite file differs from the trained model by {worst:.2g} on {worst_path}; "
            f"at most {TOLERANCE} is accepted"
        )
    return {
        "max_abs": worst,
        "top1_agreement": agreed / max(count, 1),
        "tolerance": TOLERANCE,
        "num_examples": count,
    }


def batched(examples: Iterable[tuple[Pixels, str]], size: int) -> Iterator[list[tuple[Pixels, str]]]:
    """Lists of at most `size`."""
    iterator = iter(examples)
    while batch := list(islice(iterator, size)):
        yield batch
