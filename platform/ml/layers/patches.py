"""Pieces of pictures and of sequences, each of which is projected by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras


def patch_count(size: int, stride: int) -> int:
    """How many patches stand along a side of `size`: one every `stride`, whatever their own size."""
    return -(-size // stride)


def patch_places(size: int, patch: int, stride: int) -> tuple[npt.NDArray[np.int32], tuple[int, int]]:
    """Where the values of each patch are found, int32 [patches, patch], after padding by (before, after).

    The patches are centred, as the windows of a convolution with padding "same" are.
    """
    patches = patch_count(size, stride)
    missing = max((patches - 1) * stride + patch - size, 0)
    places = np.arange(patches)[:, None] * stride + np.arange(patch)
    return places.astype(np.int32), (missing // 2, missing - missing // 2)


@tf_keras.saving.register_keras_serializable("bantam")
class Patches(tf_keras.layers.Layer):  # type: ignore[misc]
    """[batch, height, width, channels] → [batch * patches, patch values], row after row, zeros beyond the edges.

    Of steps, [batch, steps, values] or [batch, steps], it takes windows. Integers become int32, since the converter
    has no padding of others. `patch` and `stride` are those of both sides, of the height alone where the width is 1.
    """

    def __init__(self, patch: int, stride: int, **kwargs: Any) -> None:
        super().__init__(autocast=False, **{**kwargs, "trainable": False})
        self.patch = patch
        self.stride = stride

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        shape = inputs.shape[1:]
        height, width, channels = shape if len(shape) == 3 else (shape[0], 1, shape[1] if len(shape) == 2 else 1)
        x = tf.cast(inputs, tf.int32) if inputs.dtype.is_integer else inputs
        x = tf.reshape(x, [-1, height, width, channels])
        rows, vertical = patch_places(height, self.patch, self.stride)
        columns, horizontal = patch_places(width, *((1, 1) if width == 1 else (self.patch, self.stride)))
        if sum(vertical + horizontal):
            x = tf.pad(x, [[0, 0], vertical, horizontal, [0, 0]])
        x = tf.gather(x, tf.constant(rows), axis=1)
        if width > 1:
            x = tf.gather(tf.transpose(x, [0, 1, 3, 2, 4]), tf.constant(columns), axis=2)
        return tf.reshape(x, [-1, rows.shape[1] * columns.shape[1] * channels])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "patch": self.patch, "stride": self.stride}
