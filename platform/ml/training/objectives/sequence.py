"""One class for each step: slot filling, tagging, labelling a signal."""

from __future__ import annotations

from typing import ClassVar

import tensorflow as tf

from ml.hyperparameters import Hyperparameters
from ml.training.objectives.base import softened_difference
from ml.training.objectives.classification import Classification


class SequenceLabelling(Classification):
    """Cross-entropy at each step: logits [batch, steps, classes], labels int64 [batch, steps]; -1: padding.

    Padding counts for nothing: not in the loss, the metric or the cross loss. Without any label, all steps of an
    example count for the cross loss.
    """

    metric: ClassVar[str] = "accuracy"

    def cross(
        self, labels: tf.Tensor, trainer: tf.Tensor, student: tf.Tensor, hyper: Hyperparameters
    ) -> tuple[tf.Tensor, tf.Tensor]:
        values = softened_difference(trainer, student, kind=hyper.cross_loss, temperature=hyper.temperature)
        is_unlabelled = tf.reduce_all(labels < 0, axis=-1, keepdims=True)
        return values, tf.cast(tf.logical_or(labels >= 0, is_unlabelled), tf.float32)
