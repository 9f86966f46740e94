"""The training step: all models of a run in one pass over each batch, many steps in one call into the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from ml.specs import Hyperparameters
from ml.training.networks import Network
from ml.training.objective import accuracy, joint_loss


def make_optimizer(hyper: Hyperparameters) -> Any:
    """The tf_keras optimizer that the spec names."""
    rate: Any = hyper.learning_rate
    if hyper.learning_rate_schedule == "cosine":
        rate = tf_keras.optimizers.schedules.CosineDecay(hyper.learning_rate, hyper.steps)
    match hyper.optimizer:
        case "adam":
            return tf_keras.optimizers.Adam(rate)
        case "adamw":
            return tf_keras.optimizers.AdamW(rate)
        case "sgd":
            return tf_keras.optimizers.SGD(rate)
        case "momentum":
            return tf_keras.optimizers.SGD(rate, momentum=0.9, nesterov=True)
        case "rmsprop":
            return tf_keras.optimizers.RMSprop(rate)
        case "adagrad":
            return tf_keras.optimizers.Adagrad(rate)


class JointTrainer:
    """The networks of a run with one optimizer over all that learns."""

    def __init__(self, networks: Sequence[Network], hyper: Hyperparameters) -> None:
        self.networks = list(networks)
        self.hyper = hyper
        self.optimizer = make_optimizer(hyper)
        self.variables = [variable for network in networks for variable in network.model.trainable_variables]
        self.optimizer.build(self.variables)
        self.metric_names = self._names(networks)
        self._run = tf.function(self._run_steps, reduce_retracing=True)
        self._measure = tf.function(self._measure_batch, reduce_retracing=True)

    @staticmethod
    def _names(networks: Sequence[Network]) -> list[str]:
        has_trainer = any(network.role == "trainer" for network in networks)
        names = ["loss"]
        for network in networks:
            names += [f"{network.key}/loss", f"{network.key}/accuracy"]
            if network.role == "student" and has_trainer:
                names.append(f"{network.key}/cross")
        return names

    def run_steps(self, batches: Any, steps: int) -> tuple[dict[str, float], int | None]:
        """Takes `steps` batches from the iterator and learns from each.

        Returns the mean of each metric over the steps, and None; or, when the loss of a step is not finite, the number
        of the steps before it. That step's update has not been applied.
        """
        sums, done = self._run(batches, tf.constant(steps, tf.int32))
        completed = int(done)
        values = dict(zip(self.metric_names, (sums / max(completed, 1)).numpy().tolist(), strict=True))
        return values, None if completed == steps else completed

    def measure(self, batches: Any) -> dict[str, float]:
        """The mean of each metric over the examples of a finite dataset, without learning."""
        total, count = [0.0] * len(self.metric_names), 0
        for images, labels in batches:
            size = int(labels.shape[0])
            values = self._measure(images, labels).numpy().tolist()
            total = [old + size * value for old, value in zip(total, values, strict=True)]
            count += size
        return {name: value / max(count, 1) for name, value in zip(self.metric_names, total, strict=True)}

    def _run_steps(self, batches: Any, steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        sums = tf.zeros([len(self.metric_names)])
        done = tf.constant(0)
        finite = tf.constant(True)
        while done < steps and finite:
            images, labels = next(batches)
            with tf.GradientTape() as tape:
                loss, metrics = self._forward(images, labels, training=True)
            finite = tf.math.is_finite(loss)
            if finite:
                gradients = tape.gradient(loss, self.variables)
                self.optimizer.apply_gradients(
                    [pair for pair in zip(gradients, self.variables, strict=True) if pair[0] is not None]
                )
                sums += metrics
                done += 1
        return sums, done

    def _measure_batch(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return self._forward(images, labels, training=False)[1]

    def _forward(self, images: tf.Tensor, labels: tf.Tensor, *, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        logits = {
            network.key: network.model(images, training=training and not network.frozen) for network in self.networks
        }
        trainer = logits.get("trainer")
        frozen = any(network.role == "trainer" and network.frozen for network in self.networks)
        students: Mapping[str, tf.Tensor] = {
            network.spec.id: logits[network.key] for network in self.networks if network.role == "student"
        }
        loss, parts = joint_loss(labels, trainer, students, self.hyper, trainer_frozen=frozen)
        values = {"loss": loss, **parts} | {f"{key}/accuracy": accuracy(labels, logits[key]) for key in logits}
        return loss, tf.stack([values[name] for name in self.metric_names])
