"""One class for each example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import tensorflow as tf

from ml.hyperparameters import Hyperparameters
from ml.training.objectives.base import softened_difference


class Classification:
    """Cross-entropy of softmax(logits [batch, classes]) to labels int64 [batch]; -1: without a label."""

    metric: ClassVar[str] = "accuracy"
    metric_is_better_when: ClassVar[str] = "larger"

    def __init__(self, class_weights: Sequence[float] | None = None) -> None:
        self._weights = class_weights

    def errors(self, labels: tf.Tensor, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        known = tf.maximum(labels, 0)
        values = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=known, logits=outputs)
        weights = _has_label(labels)
        if self._weights is not None:
            weights *= tf.gather(tf.constant(self._weights, tf.float32), known)
        return values, weights

    def measured(self, labels: tf.Tensor, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.cast(tf.equal(tf.argmax(outputs, axis=-1), labels), tf.float32), _has_label(labels)

    def cross(
        self, labels: tf.Tensor, trainer: tf.Tensor, student: tf.Tensor, hyper: Hyperparameters
    ) -> tuple[tf.Tensor, tf.Tensor]:
        values = softened_difference(trainer, student, kind=hyper.cross_loss, temperature=hyper.temperature)
        return values, tf.ones_like(values)

    def activate(self, outputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(outputs)


def _has_label(labels: tf.Tensor) -> tf.Tensor:
    return tf.cast(labels >= 0, tf.float32)
