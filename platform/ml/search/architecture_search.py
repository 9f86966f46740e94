"""Gates learn which architecture does best within the budget, while the weights of all of them learn.

The objective is that of Wu et al., "FBNet", 2019, section 3: the expected loss over architectures, with a cost that is
looked up for each operation and weighted by the gates' probabilities. Weights and gates learn in turn, from two parts
of the training split (four fifths and one fifth, as there), in the first order of Liu, Simonyan & Yang, "DARTS:
Differentiable Architecture Search", 2019, section 2.3. The cost term is the absolute reward, β·|T(α)/T₀ - 1|, of Bender
et al., "Can Weight Sharing Outperform Random Architecture Search? An Investigation With TuNAS", 2020, as a loss: it
pulls a network that is too small towards the limit as well as one that is too large. Here T(α)/T₀ is the load, the
larger one of the shares of bytes and milliseconds that are used, and its logarithm takes the place of T(α)/T₀ - 1, so
that half of a limit is as far from it as twice the limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tf_keras

from ml.data.pipeline import Pipeline
from ml.hyperparameters import Hyperparameters
from ml.reporting import Reporter
from ml.search.batches import batches_of_both
from ml.search.pricing import Limits, Price, Pricing
from ml.search.supernet import Branch, Samples
from ml.training.objective import Targets, label_loss
from ml.training.objectives import Objective
from ml.training.optimizers import make_optimizer

# The share of the steps in which the weights learn alone.
WARM_UP = 0.25
# β.
PENALTY = 2.0
FIRST_TEMPERATURE, LAST_TEMPERATURE = 4.0, 0.4
# What the θ of a gate can move by in all its steps, by Adam; and the largest step. Short searches must decide as well.
GATE_TRAVEL, LARGEST_GATE_RATE = 9.0, 0.15
_GATE_MOMENTUM = 0.5


@dataclass(frozen=True)
class Found:
    """What the gates of one branch say: its own probability, and the logarithm of that of each size of each gate."""

    branch: Branch
    chance: float
    log_chances: Mapping[str, Sequence[float]]


class ArchitectureSearch:
    """The branches with one more gate among them. `seed` decides all noise."""

    def __init__(
        self,
        branches: Sequence[Branch],
        pricing: Pricing,
        limits: Limits,
        objective: Objective,
        hyper: Hyperparameters,
        *,
        feature: str,
    ) -> None:
        self._branches, self._pricing, self._limits, self._objective = list(branches), pricing, limits, objective
        self._hyper, self._feature = hyper, feature
        self.branch_theta = tf.Variable(tf.zeros([len(branches)]), trainable=True)
        self._weight_optimizer: Any = None
        self._gate_optimizer: Any = None
        # Nothing in a step depends on values: it needs no conversion of Python's `if` and `for`, which takes seconds.
        self._weight_step = tf.function(self._learn_weights, reduce_retracing=True, autograph=False)
        self._gate_step = tf.function(self._learn_gates, reduce_retracing=True, autograph=False)

    @property
    def thetas(self) -> list[tf.Variable]:
        """All that the gates learn."""
        return [self.branch_theta, *(theta for branch in self._branches for theta in branch.gates.thetas)]

    def run(self, pipeline: Pipeline, *, steps: int, batch_size: int, reporter: Reporter) -> list[Found]:
        """Learns for so many steps. The order of the branches stays."""
        teaching, judging = batches_of_both(pipeline, batch_size=batch_size, seed=self._hyper.seed)
        self._prepare(next(teaching), steps)
        warm_up = int(WARM_UP * steps)
        for step in range(steps):
            temperature = FIRST_TEMPERATURE * (LAST_TEMPERATURE / FIRST_TEMPERATURE) ** (step / max(steps - 1, 1))
            now, warmth = tf.constant(step), tf.constant(temperature, tf.float32)
            self._weight_step(*next(teaching), now, warmth)
            if step >= warm_up:
                self._gate_step(*next(judging), now, warmth)
            if step % max(steps // 20, 1) == 0:
                reporter.progress(step, steps, "steps", "searching architectures")
        reporter.progress(steps, steps, "steps", "searching architectures")
        chances = tf.nn.softmax(self.branch_theta).numpy().tolist()
        return [
            Found(branch, chance, branch.gates.log_chances())
            for branch, chance in zip(self._branches, chances, strict=True)
        ]

    def branch_losses(self, raw: tf.Tensor, targets: Targets, samples: Sequence[Samples]) -> tf.Tensor:
        """Loss and cost of each branch for a sample of its gates, which these make smaller: float32 [branches]."""
        losses = self._losses(raw, targets, samples)
        costs = [self.cost(branch) for branch in self._branches]
        return tf.stack([loss + cost for loss, cost in zip(losses, costs, strict=True)])

    def cost(self, branch: Branch) -> tf.Tensor:
        """The penalty for what a branch is expected to cost."""
        price = self._pricing.of(branch.space, branch.gates.widths())
        return penalty(price, self._limits)

    def _losses(self, raw: tf.Tensor, targets: Targets, samples: Sequence[Samples]) -> list[tf.Tensor]:
        return [
            label_loss(self._objective, targets, branch.outputs(raw, sample, training=True))
            for branch, sample in zip(self._branches, samples, strict=True)
        ]

    def _samples(self, step: tf.Tensor, temperature: tf.Tensor, *, stream: int) -> list[Samples]:
        return [
            branch.gates.sample(_noise_seed(self._hyper.seed, 2 * index + stream, step), temperature)
            for index, branch in enumerate(self._branches)
        ]

    def _prepare(self, batch: Any, steps: int) -> None:
        """Makes all weights, by one call."""
        features, targets = batch
        self._losses(features[self._feature], targets, self._samples(tf.constant(0), tf.constant(1.0), stream=0))
        hyper = self._hyper.model_copy(
            update={"steps": steps, "warmup_steps": min(self._hyper.warmup_steps, steps // 10)}
        )
        self._weight_optimizer = make_optimizer(hyper)
        self._weight_optimizer.build(self._weights())
        rate = min(GATE_TRAVEL / max((1.0 - WARM_UP) * steps, 1.0), LARGEST_GATE_RATE)
        self._gate_optimizer = tf_keras.optimizers.Adam(rate, beta_1=_GATE_MOMENTUM)
        self._gate_optimizer.build(self.thetas)

    def _weights(self) -> list[tf.Variable]:
        return [variable for branch in self._branches for variable in branch.weights]

    def _learn_weights(self, features: Any, targets: Targets, step: tf.Tensor, temperature: tf.Tensor) -> None:
        """All branches learn alike, whatever their probability: they share no weights."""
        samples = self._samples(step, temperature, stream=0)
        with tf.GradientTape() as tape:
            loss = tf.add_n(self._losses(features[self._feature], targets, samples))
        _apply(self._weight_optimizer, tape.gradient(loss, self._weights()), self._weights())

    def _learn_gates(self, features: Any, targets: Targets, step: tf.Tensor, temperature: tf.Tensor) -> None:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.thetas)
            # The samples depend on what is watched.
            samples = self._samples(step, temperature, stream=1)
            losses = self.branch_losses(features[self._feature], targets, samples)
            # Over branches, the expectation is exact. The gates within a branch learn what is best if it is taken, and
            # not the less the less likely that is: each branch may give a student.
            chances = tf.nn.softmax(self.branch_theta)
            loss = tf.reduce_sum(losses) + tf.reduce_sum(chances * tf.stop_gradient(losses))
        _apply(self._gate_optimizer, tape.gradient(loss, self.thetas), self.thetas)


def penalty(price: Price, limits: Limits) -> tf.Tensor:
    """PENALTY times |log load|, where the load is the largest share of a limit that is used; there must be a limit."""
    shares = [(price.bytes, limits.max_bytes), (price.ms, limits.max_ms)]
    loads = [tf.cast(used, tf.float64) / limit for used, limit in shares if limit is not None]
    return tf.cast(PENALTY * tf.abs(tf.math.log(tf.reduce_max(tf.stack(loads)))), tf.float32)


def _apply(optimizer: Any, gradients: Sequence[tf.Tensor | None], variables: Sequence[tf.Variable]) -> None:
    """A gradient that is not finite is left out: a step is no use then, and the next ones may be."""
    finite = [
        (tf.where(tf.math.is_finite(gradient), gradient, tf.zeros_like(gradient)), variable)
        for gradient, variable in zip(gradients, variables, strict=True)
        if gradient is not None
    ]
    optimizer.apply_gradients(finite)


def _noise_seed(seed: int, stream: int, step: tf.Tensor) -> tf.Tensor:
    """The seed of a step's noise: int64 [2]."""
    return tf.stack([tf.constant(seed + 104729 * stream, tf.int64), tf.cast(step, tf.int64)])
