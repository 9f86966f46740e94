"""Raw values to numbers that a network likes, inside the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import tensorflow as tf
import tf_keras

from ml.features.statistics import Statistics


@tf_keras.saving.register_keras_serializable("bantam")
class Standardize(tf_keras.layers.Layer):  # type: ignore[misc]
    """Numbers of any dtype → float32 of the same shape: (value - mean) / std, for each entry of the last axis.

    An entry that never changes (std below `smallest_std`) is only moved to zero; of pixels, which are whole numbers,
    below 1. With `rounds`, pixels come out as the 256 values that an 8-bit integer can stand for, so that what follows
    can work on integers; other numbers are not rounded.
    """

    def __init__(
        self,
        statistics: Statistics | Mapping[str, Any],
        *,
        smallest_std: float = 1e-6,
        rounds: bool = False,
        **kwargs: Any,
    ) -> None:
        # Keras must not cast integers before `call` sees them.
        super().__init__(autocast=False, **kwargs)
        if not isinstance(statistics, Statistics):
            statistics = Statistics(mean=tuple(statistics["mean"]), std=tuple(statistics["std"]))
        self.statistics = statistics
        self.smallest_std = smallest_std
        self.rounds = rounds

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        mean = tf.constant(self.statistics.mean, tf.float32)
        scale = [1.0 / std if std >= self.smallest_std else 1.0 for std in self.statistics.std]
        standardized = (tf.cast(inputs, tf.float32) - mean) * tf.constant(scale, tf.float32)
        if not self.rounds or inputs.dtype != tf.uint8:
            return standardized
        ends = [((0.0 - m) * s, (255.0 - m) * s) for m, s in zip(self.statistics.mean, scale, strict=True)]
        low, high = min(end[0] for end in ends), max(end[1] for end in ends)
        return tf.quantization.fake_quant_with_min_max_args(standardized, low, high)

    def get_config(self) -> dict[str, Any]:
        own = {"statistics": asdict(self.statistics), "smallest_std": self.smallest_std, "rounds": self.rounds}
        return {**super().get_config(), **own}


@tf_keras.saving.register_keras_serializable("bantam")
class InUnits(tf_keras.layers.Layer):  # type: ignore[misc]
    """The way back: float32 of mean 0 and deviation 1 → value * std + mean, for each entry of the last axis."""

    def __init__(self, statistics: Statistics | Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(statistics, Statistics):
            statistics = Statistics(mean=tuple(statistics["mean"]), std=tuple(statistics["std"]))
        self.statistics = statistics

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs * tf.constant(self.statistics.scale, tf.float32) + tf.constant(self.statistics.mean, tf.float32)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "statistics": asdict(self.statistics)}


@tf_keras.saving.register_keras_serializable("bantam")
class WholeNumbers(tf_keras.layers.Layer):  # type: ignore[misc]
    """Standardized numbers → whole numbers -127 … 127 as float32: 16 steps a deviation, what is beyond cut off."""

    STEPS = 16.0

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(tf.floor(inputs * self.STEPS + 0.5), -127.0, 127.0)


@tf_keras.saving.register_keras_serializable("bantam")
class Bits(tf_keras.layers.Layer):  # type: ignore[misc]
    """±1 as they are. With `rounds` marked as 8-bit integers, ±127 / 127, so that what follows can work on integers."""

    def __init__(self, *, rounds: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rounds = rounds

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if not self.rounds:
            return tf.identity(inputs)
        return tf.quantization.fake_quant_with_min_max_args(inputs, -1.0, 1.0, narrow_range=True)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rounds": self.rounds}
