"""Raw uint8 pixels to numbers that a network likes, inside the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import tensorflow as tf
import tf_keras


@dataclass(frozen=True)
class PixelStatistics:
    """Mean and standard deviation of each channel over the training split, in pixel values 0 to 255."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@tf_keras.saving.register_keras_serializable("bantam")
class Standardize(tf_keras.layers.Layer):  # type: ignore[misc]
    """uint8 [batch, height, width, channels] → float32 of the same shape: (pixel - mean) / std, for each channel."""

    def __init__(self, statistics: PixelStatistics | Mapping[str, Any], **kwargs: Any) -> None:
        # uint8 inputs must not be cast by Keras before `call` sees them.
        super().__init__(autocast=False, **kwargs)
        if not isinstance(statistics, PixelStatistics):
            statistics = PixelStatistics(mean=tuple(statistics["mean"]), std=tuple(statistics["std"]))
        self.statistics = statistics

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        mean = tf.constant(self.statistics.mean, tf.float32)
        scale = 1.0 / tf.maximum(tf.constant(self.statistics.std, tf.float32), 1.0)
        return (tf.cast(inputs, tf.float32) - mean) * scale

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "statistics": asdict(self.statistics)}
