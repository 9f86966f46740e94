"""Bits of text without anything learned or stored: random projections of its counted n-grams to signs.

Ravi & Kozareva, "Self-Governing Neural Networks for On-Device Short Text Classification", 2018, on the similarity
hashing of Charikar, "Similarity Estimation Techniques from Rounding Algorithms", 2002. Every n-gram is counted, with a
sign, in one of D buckets by its hash (a count sketch: Charikar, Chen & Farach-Colton, 2002), and the D counts go
through one Hadamard transform. That is the round H·D of `StructuredProjection` with D the hashed places and signs:
more rounds are for inputs with an order of their own, which hashes do not have. On SNIPS (three seeds, 1120 bits, a
softmax layer on them) one round gave 96.7 % and three gave 96.6 %.

Counts and their sums are integers far below 2^24, so that float32 is exact in any order, on any hardware.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import tensorflow as tf
import tf_keras

from ml.layers.hashed_ngrams import hashed_ngrams, mix_factor, sum_by_index
from ml.layers.structured_projection import hadamard


def transform_sides(outputs: int) -> list[int]:
    """Powers of two from 2 to 16, nearly equal, with the smallest product that is at least `outputs` (and 256).

    H_abc = H_a ⊗ H_b ⊗ H_c: three small matrices instead of a large one. They also stay below the 1024 values from
    which the converter quantizes weights, which would change bits.
    """
    exponent = max(8, (outputs - 1).bit_length())
    parts = -(-exponent // 4)
    return [2 ** (exponent // parts + (index < exponent % parts)) for index in range(parts)]


@tf_keras.saving.register_keras_serializable("bantam")
class TextProjection(tf_keras.layers.Layer):  # type: ignore[misc]
    """uint8 [batch, bytes] → float32 [batch, outputs] of ±1; [batch, tokens, bytes] → [batch, tokens, outputs].

    `words` is the longest n-gram of words beside those of characters: 0, 1 or 2. With 0 the file is 3.4 KB smaller.
    A sum of exactly zero gives -1, as in an empty text.
    """

    def __init__(self, outputs: int, *, seed: int, words: int = 2, **kwargs: Any) -> None:
        super().__init__(autocast=False, **{**kwargs, "trainable": False})
        self.outputs = outputs
        self.seed = seed
        self.words = words

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        raw = tf.reshape(inputs, [-1, inputs.shape[-1]]) if len(inputs.shape) == 3 else inputs
        x = self._transformed(self._counts(raw))[:, : self.outputs]
        bits = tf.where(x > 0.0, 1.0, -1.0)
        return tf.reshape(bits, [-1, inputs.shape[1], self.outputs]) if len(inputs.shape) == 3 else bits

    def _counts(self, raw: tf.Tensor) -> tf.Tensor:
        """float32 [rows, D] of integers: the upper half of 2·D buckets counts with the sign -1."""
        size = self._size
        index, valid = hashed_ngrams(raw, 2 * size, words=self.words, factor=mix_factor(self.seed))
        counts = sum_by_index(valid, index, 2 * size)
        return counts[:, :size] - counts[:, size:]

    def _transformed(self, x: tf.Tensor) -> tf.Tensor:
        """H·x for each row, but with the first of the sides' axes last: the order of the bits has no meaning."""
        size = self._size
        *others, first = reversed(transform_sides(self.outputs))
        for side in others:
            x = tf.matmul(tf.reshape(x, [-1, side]), tf.constant(hadamard(side)))
            x = tf.transpose(tf.reshape(x, [-1, size // side, side]), [0, 2, 1])
        x = tf.matmul(tf.reshape(x, [-1, first]), tf.constant(hadamard(first)))
        return tf.reshape(x, [-1, size])

    @property
    def _size(self) -> int:
        return prod(transform_sides(self.outputs))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.outputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "outputs": self.outputs, "seed": self.seed, "words": self.words}
