"""The joint objective: λ₁·D(trainer, label) + Σ over students of [λ₂·D(student, trainer) + λ₃·D(student, label)].

Ravi, "ProjectionNet: Learning Efficient On-Device Deep Networks Using Neural Projections" (2017), section 3. All
functions take logits [batch, classes] and return the mean over the batch.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from ml.specs import Hyperparameters


def label_loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of softmax(logits) to the classes in `labels` (int64 [batch])."""
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def cross_loss(trainer: tf.Tensor, student: tf.Tensor, *, kind: str, temperature: float = 1.0) -> tf.Tensor:
    """How far the student is from the trainer.

    cross_entropy: T²·H(softmax(trainer/T), softmax(student/T)). kl: the same less the trainer's own entropy, so it is
    zero when both agree. mse_logits: the mean squared difference of the logits. The factor T² keeps the gradient's size
    (Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, section 2).
    """
    if kind == "mse_logits":
        return tf.reduce_mean(tf.math.squared_difference(trainer, student))
    soft = tf.nn.softmax(trainer / temperature)
    entropy = -tf.reduce_sum(soft * tf.nn.log_softmax(student / temperature), axis=-1)
    if kind == "kl":
        entropy += tf.reduce_sum(soft * tf.nn.log_softmax(trainer / temperature), axis=-1)
    return temperature**2 * tf.reduce_mean(entropy)


def joint_loss(
    labels: tf.Tensor,
    trainer: tf.Tensor | None,
    students: Mapping[str, tf.Tensor],
    hyper: Hyperparameters,
    *,
    trainer_frozen: bool,
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """The loss to minimize, and its parts: "trainer/loss", "student:<id>/loss" and "student:<id>/cross".

    Both trainer and students get the cross term's gradient, as the joint objective says; a frozen trainer gets none.
    """
    weights = hyper.loss_weights
    total = tf.constant(0.0)
    parts: dict[str, tf.Tensor] = {}
    if trainer is not None:
        if trainer_frozen:
            trainer = tf.stop_gradient(trainer)
        parts["trainer/loss"] = label_loss(labels, trainer)
        total += weights.trainer * parts["trainer/loss"]
    for name, logits in students.items():
        own = parts[f"student:{name}/loss"] = label_loss(labels, logits)
        total += weights.student * own
        if trainer is not None:
            cross = cross_loss(trainer, logits, kind=hyper.cross_loss, temperature=hyper.temperature)
            parts[f"student:{name}/cross"] = cross
            total += weights.cross * cross
    return total, parts


def accuracy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """The share of examples whose largest logit is that of their class."""
    return tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, axis=-1), labels), tf.float32))
