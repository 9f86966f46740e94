"""Examples that the weights learn from, and others for the gates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ml.data.augmenting import Augment
from ml.data.decoding import example_bytes
from ml.data.pipeline import CACHE_BYTES, SHUFFLE_RECORDS, Pipeline

# Of the training split, one part in so many teaches the gates.
GATES_PART = 5


def batches_of_both(pipeline: Pipeline, *, batch_size: int, seed: int) -> tuple[Iterator[Any], Iterator[Any]]:
    """Endless batches for the weights, with the dataset's augmentation, and for the gates.

    Each example of the training split serves one of them alone: a random part, which depends on the seed, the gates.
    """
    info = pipeline.info
    for_gates = gates_part(info.splits["train"], seed)

    def batches(is_wanted: tf.Tensor, seed: int) -> tf.data.Dataset:
        numbered = pipeline.batches("train").unbatch().enumerate()
        part = numbered.filter(lambda index, _: is_wanted[index]).map(lambda _, example: example)
        if info.splits["train"] * example_bytes(info) <= CACHE_BYTES:
            part = part.cache()
        shuffled = part.shuffle(min(info.splits["train"], SHUFFLE_RECORDS), seed=seed)
        return shuffled.repeat().batch(batch_size, drop_remainder=True)

    teaching = batches(tf.constant(~for_gates), seed)
    if not info.augmentation.is_empty:
        teaching = tf.data.Dataset.zip(tf.data.Dataset.counter(), teaching).map(Augment(info, seed=seed))
    judging = batches(tf.constant(for_gates), seed + 1)
    return iter(untuned(teaching.prefetch(2))), iter(untuned(judging.prefetch(2)))


def untuned(batches: tf.data.Dataset) -> tf.data.Dataset:
    """The same without tuning while it is read: nothing is left open here, and the tuner's thread ends seconds late."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


def gates_part(examples: int, seed: int) -> npt.NDArray[np.bool_]:
    """Which of so many examples, two at least, teach the gates: one in GATES_PART, at random."""
    order = np.random.default_rng(seed).permutation(examples)
    return order < max(examples // GATES_PART, 1)
