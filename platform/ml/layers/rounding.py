"""Rounding to 8 bits, while it is learned, of what tensorflow-model-optimization does not know.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (2018),
section 3. Weights have a symmetric range: w ≈ s·q with q a whole number from -127 to 127 and s = max|w| / 127. The
range of activations is a moving average of what the batches had (section 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras

LEVELS = 127
# Of the average over the ranges of batches, what is kept at most when the next batch comes.
KEPT = 0.99
# The least end of a range: one of nothing but zeros, as of an activation that has died, would have no steps.
SMALLEST = 1e-3


def rounded(weights: tf.Tensor) -> tf.Tensor:
    """float32 of any shape → the nearest of 255 values s·q for each; the gradient is that of the weights as they are.

    Each value is the product of s and q itself, without a term added. So the file can hold q, and have the same
    floats: `ml.conversion.compacting`.
    """

    def rounding(values: tf.Tensor) -> Any:
        scale = tf.maximum(tf.reduce_max(tf.abs(values)), 1e-30) / LEVELS
        return tf.round(values / scale) * scale, lambda gradient: gradient

    result: tf.Tensor = tf.custom_gradient(rounding)(weights)
    return result


@tf_keras.saving.register_keras_serializable("bantam")
class RoundedEmbedding(tf_keras.layers.Embedding):  # type: ignore[misc]
    """A tf_keras Embedding of the same weights that are rounded."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.gather(rounded(self.embeddings), tf.cast(inputs, tf.int32))


def add_range(layer: Any, prefix: str = "") -> dict[str, Any]:
    """The variables of a range in a layer that is being built, for `in_range`."""
    return {
        name: layer.add_weight(
            f"{prefix}{name}", (), initializer=tf_keras.initializers.Constant(first), trainable=False
        )
        for name, first in (("low", -6.0), ("high", 6.0), ("batches", 0.0))
    }


def in_range(values: tf.Tensor, found: Mapping[str, Any], *, training: bool) -> tf.Tensor:
    """float32 of any shape → the nearest of 256 values from `low` to `high`, one of which is zero.

    In training, the range takes in that of the values first.
    """
    if training:
        # At first, weights change fast and the range is a guess: the average is over the last tenth of the batches.
        kept = tf.minimum((1.0 + found["batches"]) / (10.0 + found["batches"]), KEPT)
        low, high = tf.minimum(tf.reduce_min(values), 0.0), tf.maximum(tf.reduce_max(values), SMALLEST)
        found["low"].assign(kept * found["low"] + (1.0 - kept) * low)
        found["high"].assign(kept * found["high"] + (1.0 - kept) * high)
        found["batches"].assign_add(1.0)
    return tf.quantization.fake_quant_with_min_max_vars(values, found["low"], found["high"])


@tf_keras.saving.register_keras_serializable("bantam")
class RoundedOutput(tf_keras.layers.Wrapper):  # type: ignore[misc]
    """A layer, called as it is itself, whose one output of floats is rounded to 256 values of a learned range."""

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self._range = add_range(self)

    def call(self, inputs: tf.Tensor, training: bool | None = None, **others: tf.Tensor) -> tf.Tensor:
        return in_range(self.layer(inputs, **others), self._range, training=bool(training))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layer": tf_keras.saving.serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> RoundedOutput:
        layer = tf_keras.saving.deserialize_keras_object(config["layer"], custom_objects=custom_objects)
        return cls(**{**config, "layer": layer})
