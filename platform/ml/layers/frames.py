"""The frames of a video as pictures of their own, and back."""

from __future__ import annotations

from math import prod
from typing import Any

import tensorflow as tf
import tf_keras


@tf_keras.saving.register_keras_serializable("bantam")
class FramesAsBatch(tf_keras.layers.Layer):  # type: ignore[misc]
    """[batch, frames, height, width, channels] → [batch * frames, height, width, channels]."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.reshape(inputs, [-1, *inputs.shape[2:]])


@tf_keras.saving.register_keras_serializable("bantam")
class BatchAsFrames(tf_keras.layers.Layer):  # type: ignore[misc]
    """[batch * frames, …] → [batch, frames, values]."""

    def __init__(self, frames: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.frames = frames

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.reshape(inputs, [-1, self.frames, prod(inputs.shape[1:])])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "frames": self.frames}
