"""The gates of quasi-recurrent networks: Bradbury et al., "Quasi-Recurrent Neural Networks", 2016, equation 1."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
import tf_keras


@tf_keras.saving.register_keras_serializable("bantam")
class QrnnGates(tf_keras.layers.Layer):  # type: ignore[misc]
    """[batch, steps, 1, 3 * width] of the convolution → z by tanh, f and o by sigmoid: each [batch, steps, width]."""

    def call(self, inputs: tf.Tensor) -> list[tf.Tensor]:
        z, forget, output = tf.split(inputs[:, :, 0], 3, axis=2)
        return [tf.tanh(z), tf.sigmoid(forget), tf.sigmoid(output)]

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> list[tuple[int | None, ...]]:
        return [(*input_shape[:2], int(input_shape[-1] or 0) // 3)] * 3
