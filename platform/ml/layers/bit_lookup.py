"""Bits that look up learned weights instead of being multiplied by them.

The sparse form of a projection layer: each of the T projections' d bits is a number that names a row of its own table
(Ravi, "ProjectionNet: Learning Efficient On-Device Deep Networks Using Neural Projections", 2017, section 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from ml.layers.rounding import rounded

MAX_BITS = 16


@tf_keras.saving.register_keras_serializable("bantam")
class BitLookup(tf_keras.layers.Layer):  # type: ignore[misc]
    """float32 [batch, T·bits] of ±1 → float32 [batch, width], or [batch, steps, T·bits] → [batch, steps, width].

    The output is the sum of T rows: block t of `bits` bits, the first bit being the lowest of a number i, reads row
    t·2^bits + i of the table [T·2^bits, width]. Rows start near zero, so that one that training never met adds nothing.
    With `rounds`, the table is rounded to 8 bits, as the file will have it.

    Raises ValueError if `bits` is not from 1 to 16 or does not divide the number of inputs.
    """

    def __init__(self, bits: int, width: int, *, seed: int, rounds: bool = False, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        if not 1 <= bits <= MAX_BITS:
            raise ValueError(f"A block of bits has no table. Received: {bits} bits. Accepted: 1 to {MAX_BITS}")
        self.bits = bits
        self.width = width
        self.seed = seed
        self.rounds = rounds

    def build(self, input_shape: Sequence[int | None]) -> None:
        inputs = int(input_shape[-1] or 0)
        if inputs % self.bits:
            raise ValueError(
                f"The inputs are not whole blocks. Received: {inputs} bits. Accepted: a multiple of {self.bits}"
            )
        self._blocks = inputs // self.bits
        limit = 0.05 / sqrt(self._blocks)
        self.table = self.add_weight(
            name="table",
            # One matrix, not a stack of T: the gradient of a gather from it stays sparse.
            shape=(self._blocks << self.bits, self.width),
            initializer=tf_keras.initializers.RandomUniform(-limit, limit, seed=self.seed),
        )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        powers = tf.constant(1 << np.arange(self.bits), tf.float32)
        ones = tf.where(tf.reshape(inputs, [-1, self._blocks, self.bits]) > 0.0, powers, 0.0)
        # At most 2^16 - 1, exact in float32; the offsets may be too large for it.
        numbers = tf.cast(tf.reduce_sum(ones, 2), tf.int32)
        rows = numbers + tf.constant(np.arange(self._blocks) << self.bits, tf.int32)
        x = tf.reduce_sum(tf.gather(rounded(self.table) if self.rounds else self.table, rows), 1)
        return tf.reshape(x, [-1, inputs.shape[1], self.width]) if len(inputs.shape) == 3 else x

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.width)

    def get_config(self) -> dict[str, Any]:
        own = {"bits": self.bits, "width": self.width, "seed": self.seed, "rounds": self.rounds}
        return {**super().get_config(), **own}
