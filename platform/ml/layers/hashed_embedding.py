"""Learned vectors of text without a vocabulary: every n-gram reads the row of a table that its hash names.

Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", 2009, over the n-grams of fastText
(Bojanowski et al., "Enriching Word Vectors with Subword Information", 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from ml.layers.hashed_ngrams import hashed_ngrams, ngram_count, sum_by_index
from ml.layers.rounding import rounded

# What one number of a gathered row costs, in multiplications of a matrix product.
GATHER_COST = 8


@tf_keras.saving.register_keras_serializable("bantam")
class HashedEmbedding(tf_keras.layers.Layer):  # type: ignore[misc]
    """uint8 [batch, bytes] → float32 [batch, width]; uint8 [batch, tokens, bytes] → float32 [batch, tokens, width].

    The sum of the rows of the n valid n-grams over √n, which keeps its size the same for short and long texts; zeros
    for an empty one. `words` is the longest n-gram of words beside those of characters: 0, 1 or 2.

    There are two ways to the same sum: by gathered rows, or by a product with the counts of the buckets, whichever is
    less work. With `rounds`, the table [buckets, width] is rounded to 8 bits, as the file will have it.
    """

    def __init__(
        self, buckets: int, width: int, *, seed: int, words: int = 2, rounds: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.buckets = buckets
        self.width = width
        self.seed = seed
        self.words = words
        self.rounds = rounds

    def build(self, input_shape: Sequence[int | None]) -> None:
        self._places = ngram_count(int(input_shape[-1] or 0), self.words)
        initializer = tf_keras.initializers.RandomUniform(-0.05, 0.05, seed=self.seed)
        self.table = self.add_weight(name="table", shape=(self.buckets, self.width), initializer=initializer)
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        raw = tf.reshape(inputs, [-1, inputs.shape[-1]]) if len(inputs.shape) == 3 else inputs
        index, valid = hashed_ngrams(raw, self.buckets, words=self.words)
        table = rounded(self.table) if self.rounds else self.table
        weights = valid * tf.math.rsqrt(tf.maximum(tf.reduce_sum(valid, 1, keepdims=True), 1.0))
        if self.buckets <= GATHER_COST * self._places:
            x = tf.matmul(sum_by_index(weights, index, self.buckets), table)
        else:
            x = tf.reduce_sum(tf.gather(table, index) * weights[:, :, tf.newaxis], 1)
        return tf.reshape(x, [-1, inputs.shape[1], self.width]) if len(inputs.shape) == 3 else x

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.width)

    def get_config(self) -> dict[str, Any]:
        own = {"buckets": self.buckets, "width": self.width, "seed": self.seed, "words": self.words}
        return {**super().get_config(), **own, "rounds": self.rounds}
