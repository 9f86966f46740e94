"""The joint objective: λ₁·D(trainer, label) + Σ over students of [λ₂·D(student, trainer) + λ₃·D(student, label)].

Ravi, "ProjectionNet: Learning Efficient On-Device Deep Networks Using Neural Projections" (2017), section 3. D is what
the task's objective says, as a mean over the batch.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from ml.hyperparameters import Hyperparameters
from ml.training.objectives.base import Objective, weighted_mean

# "label", and where examples were mixed in pairs: "other", the second one's label, and "share", how much is the first.
Targets = Mapping[str, tf.Tensor]


def label_loss(objective: Objective, targets: Targets, outputs: tf.Tensor) -> tf.Tensor:
    """The mean error to the labels. Of mixed examples: share·error(label) + (1 - share)·error(other).

    Zhang et al., "mixup: Beyond Empirical Risk Minimization" (2018), section 2; for cross-entropy the same as mixed
    one-hot labels. Each of the two labels counts with the weight of its own class.
    """
    values, weights = objective.errors(targets["label"], outputs)
    if "other" in targets:
        others, other_weights = objective.errors(targets["other"], outputs)
        values = tf.concat([values, others], 0)
        weights = tf.concat([targets["share"] * weights, (1.0 - targets["share"]) * other_weights], 0)
    return weighted_mean(values, weights)


def joint_loss(
    objective: Objective,
    targets: Targets,
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
        parts["trainer/loss"] = label_loss(objective, targets, trainer)
        total += weights.trainer * parts["trainer/loss"]
    for name, outputs in students.items():
        own = parts[f"student:{name}/loss"] = label_loss(objective, targets, outputs)
        total += weights.student * own
        if trainer is not None:
            cross = weighted_mean(*objective.cross(targets["label"], trainer, outputs, hyper))
            parts[f"student:{name}/cross"] = cross
            total += weights.cross * cross
    return total, parts


def measured(objective: Objective, targets: Targets, outputs: tf.Tensor) -> tf.Tensor:
    """The objective's metric over the batch."""
    return weighted_mean(*objective.measured(targets["label"], outputs))
