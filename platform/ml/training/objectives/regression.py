"""Numbers."""

from __future__ import annotations

from typing import ClassVar

import tensorflow as tf

from ml.features.statistics import Statistics
from ml.hyperparameters import Hyperparameters


class Regression:
    """Mean squared error over the values, in units of each value's deviation; NaN: without a label.

    Outputs and labels are float32 [batch, values] in their own units. The metric is the mean absolute error in those.
    """

    metric: ClassVar[str] = "mae"
    metric_is_better_when: ClassVar[str] = "smaller"

    def __init__(self, statistics: Statistics) -> None:
        self._scale = statistics.scale

    def errors(self, labels: tf.Tensor, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        known, weights = _known(labels)
        return self._squared(known, outputs), weights

    def measured(self, labels: tf.Tensor, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        known, weights = _known(labels)
        return tf.reduce_mean(tf.abs(known - outputs), axis=-1), weights

    def cross(
        self, labels: tf.Tensor, trainer: tf.Tensor, student: tf.Tensor, hyper: Hyperparameters
    ) -> tuple[tf.Tensor, tf.Tensor]:
        values = self._squared(trainer, student)
        return values, tf.ones_like(values)

    def activate(self, outputs: tf.Tensor) -> tf.Tensor:
        return tf.identity(outputs)

    def _squared(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.square((a - b) / tf.constant(self._scale, tf.float32)), axis=-1)


def _known(labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    missing = tf.math.is_nan(labels)
    weights = 1.0 - tf.cast(tf.reduce_any(missing, axis=-1), tf.float32)
    return tf.where(missing, tf.zeros_like(labels), labels), weights
