"""What every task's objective can do."""

from __future__ import annotations

from typing import ClassVar, Protocol

import tensorflow as tf

from ml.hyperparameters import Hyperparameters


class Objective(Protocol):
    """Errors come as (values, weights) of one shape: a mean over them is Σ value·weight / Σ weight.

    What has no label, or is padding, has weight 0. `outputs` are logits, or the values of a regression.
    """

    metric: ClassVar[str]
    metric_is_better_when: ClassVar[str]

    def errors(self, labels: tf.Tensor, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The loss of each example (or step)."""

    def measured(self, labels: tf.Tensor, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """`metric` of each example (or step)."""

    def cross(
        self, labels: tf.Tensor, trainer: tf.Tensor, student: tf.Tensor, hyper: Hyperparameters
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """How far the student is from the trainer; labels say no more than what is padding."""

    def activate(self, outputs: tf.Tensor) -> tf.Tensor:
        """What an exported model gives: probabilities, or the values of a regression."""


def weighted_mean(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Σ value·weight / Σ weight; 0 where all weights are 0."""
    return tf.math.divide_no_nan(tf.reduce_sum(values * weights), tf.reduce_sum(weights))


def softened_difference(trainer: tf.Tensor, student: tf.Tensor, *, kind: str, temperature: float = 1.0) -> tf.Tensor:
    """How far a student's logits [..., classes] are from the trainer's: [...].

    cross_entropy: T²·H(softmax(trainer/T), softmax(student/T)). kl: the same less the trainer's own entropy, so it is
    zero when both agree. mse_logits: the mean squared difference of the logits. The factor T² keeps the gradient's size
    (Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, section 2).
    """
    if kind == "mse_logits":
        return tf.reduce_mean(tf.math.squared_difference(trainer, student), axis=-1)
    soft = tf.nn.softmax(trainer / temperature)
    entropy = -tf.reduce_sum(soft * tf.nn.log_softmax(student / temperature), axis=-1)
    if kind == "kl":
        entropy += tf.reduce_sum(soft * tf.nn.log_softmax(trainer / temperature), axis=-1)
    return temperature**2 * entropy
