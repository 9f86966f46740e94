"""Several classes at once, each by itself present or not."""

from __future__ import annotations

from typing import ClassVar

import tensorflow as tf

from ml.hyperparameters import Hyperparameters


class MultiLabel:
    """Binary cross-entropy of sigmoid(logits [batch, classes]) to labels 0 or 1; -1: without labels.

    The mean over the classes; the metric is the share of examples with all classes right.
    """

    metric: ClassVar[str] = "accuracy"
    metric_is_better_when: ClassVar[str] = "larger"

    def errors(self, labels: tf.Tensor, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        values = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.maximum(labels, 0.0), logits=outputs)
        return tf.reduce_mean(values, axis=-1), _has_labels(labels)

    def measured(self, labels: tf.Tensor, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        right = tf.reduce_all(tf.equal(outputs > 0.0, labels > 0.5), axis=-1)
        return tf.cast(right, tf.float32), _has_labels(labels)

    def cross(
        self, labels: tf.Tensor, trainer: tf.Tensor, student: tf.Tensor, hyper: Hyperparameters
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As for one class, of each class being present or not: Hinton et al. (2015), section 2, with a sigmoid."""
        temperature = hyper.temperature
        if hyper.cross_loss == "mse_logits":
            values = tf.math.squared_difference(trainer, student)
        else:
            soft = tf.sigmoid(trainer / temperature)
            values = tf.nn.sigmoid_cross_entropy_with_logits(labels=soft, logits=student / temperature)
            if hyper.cross_loss == "kl":
                values -= tf.nn.sigmoid_cross_entropy_with_logits(labels=soft, logits=trainer / temperature)
            values *= temperature**2
        values = tf.reduce_mean(values, axis=-1)
        return values, tf.ones_like(values)

    def activate(self, outputs: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(outputs)


def _has_labels(labels: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.reduce_all(labels >= 0, axis=-1), tf.float32)
