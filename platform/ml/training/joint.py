"""The training step: all models of a run in one pass over each batch, many steps in one call into the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from ml.data.derived import Derived
from ml.hyperparameters import Hyperparameters
from ml.training.fixed_parts import fixed_parts, raw_features
from ml.training.networks import Network
from ml.training.objective import Targets, joint_loss, measured
from ml.training.objectives import Objective
from ml.training.optimizers import make_optimizer


class JointTrainer:
    """The networks of a run with one optimizer over all that learns."""

    def __init__(self, networks: Sequence[Network], hyper: Hyperparameters, objective: Objective) -> None:
        self.networks = list(networks)
        self.hyper = hyper
        self.objective = objective
        self._fixed = fixed_parts(networks)
        self.optimizer = make_optimizer(hyper)
        self._owners = _owners(networks)
        self.variables = [variable for variables in self._owners for variable in variables]
        self.optimizer.build(self.variables)
        self.metric_names = self._names()
        self._run = tf.function(self._run_steps, reduce_retracing=True)
        self._measure = tf.function(self._measure_batch, reduce_retracing=True)

    @property
    def has_trainer(self) -> bool:
        return any(network.role == "trainer" for network in self.networks)

    @property
    def derived(self) -> list[Derived]:
        """What batches may bring with them, so that it is not computed in every step."""
        return [one for part in self._fixed.values() for one in part.derived]

    def _names(self) -> list[str]:
        names = ["loss"]
        for network in self.networks:
            names += [f"{network.key}/loss", f"{network.key}/{self.objective.metric}"]
            if network.role == "student" and self.has_trainer:
                names.append(f"{network.key}/cross")
        return names

    def graph(self, form: Any) -> Any:
        """The GraphDef of all models, losses and metrics without learning, for batches of a dataset's element_spec."""
        return self._measure.get_concrete_function(*form).graph.as_graph_def(add_shapes=True)

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
        for features, targets in batches:
            size = int(targets["label"].shape[0])
            values = self._measure(features, targets).numpy().tolist()
            total = [old + size * value for old, value in zip(total, values, strict=True)]
            count += size
        return {name: value / max(count, 1) for name, value in zip(self.metric_names, total, strict=True)}

    def _run_steps(self, batches: Any, steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        sums = tf.zeros([len(self.metric_names)])
        done = tf.constant(0)
        finite = tf.constant(True)
        while done < steps and finite:
            features, targets = next(batches)
            with tf.GradientTape() as tape:
                loss, metrics = self._forward(features, targets, training=True)
            finite = tf.math.is_finite(loss)
            if finite:
                gradients = self._clipped(tape.gradient(loss, self.variables))
                self.optimizer.apply_gradients(
                    [pair for pair in zip(gradients, self.variables, strict=True) if pair[0] is not None]
                )
                sums += metrics
                done += 1
        return sums, done

    def _clipped(self, gradients: list[tf.Tensor | None]) -> list[tf.Tensor | None]:
        """Each model's own norm is limited, so that one model's outburst does not slow the others."""
        if self.hyper.clip_norm is None:
            return gradients
        clipped: list[tf.Tensor | None] = []
        for variables in self._owners:
            own, gradients = gradients[: len(variables)], gradients[len(variables) :]
            clipped += tf.clip_by_global_norm(own, self.hyper.clip_norm)[0]
        return clipped

    def _measure_batch(self, features: Mapping[str, tf.Tensor], targets: Targets) -> tf.Tensor:
        return self._forward(features, targets, training=False)[1]

    def _forward(
        self, features: Mapping[str, tf.Tensor], targets: Targets, *, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        outputs = {network.key: self._outputs(network, features, training=training) for network in self.networks}
        trainer = outputs.get("trainer")
        frozen = any(network.role == "trainer" and network.frozen for network in self.networks)
        students = {network.spec.id: outputs[network.key] for network in self.networks if network.role == "student"}
        loss, parts = joint_loss(self.objective, targets, trainer, students, self.hyper, trainer_frozen=frozen)
        metric = self.objective.metric
        values = {"loss": loss, **parts}
        values |= {f"{key}/{metric}": measured(self.objective, targets, output) for key, output in outputs.items()}
        return loss, tf.stack([values[name] for name in self.metric_names])

    def _outputs(self, network: Network, features: Mapping[str, tf.Tensor], *, training: bool) -> tf.Tensor:
        training = training and not network.frozen
        fixed = self._fixed.get(network.key)
        if fixed is not None and fixed.is_in(features):
            return fixed.outputs(features, training=training)
        return network.model(raw_features(features), training=training)


def _owners(networks: Sequence[Network]) -> list[list[Any]]:
    """What learns, by the network that has it; what several share is the first one's."""
    seen: set[int] = set()
    owners: list[list[Any]] = []
    for network in networks:
        own = [variable for variable in network.model.trainable_variables if id(variable) not in seen]
        seen |= {id(variable) for variable in own}
        owners.append(own)
    return owners
