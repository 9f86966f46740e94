"""Colours in the other order."""

from __future__ import annotations

import tensorflow as tf
import tf_keras


@tf_keras.saving.register_keras_serializable("bantam")
class ReversedChannels(tf_keras.layers.Layer):  # type: ignore[misc]
    """[…, red, green, blue] → […, blue, green, red]."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.reverse(inputs, axis=[-1])
