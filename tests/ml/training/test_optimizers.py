"""Learning rates over the steps, and each optimizer's update, against formulas in NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from ml.specs import Hyperparameters

pytestmark = pytest.mark.engine

RATE = 0.5


def rates(tensorflow, at: list[int], **declared: Any) -> list[float]:
    from ml.training.optimizers import make_optimizer

    optimizer = make_optimizer(Hyperparameters(learning_rate=RATE, optimizer="sgd", **declared))
    variable, found = tensorflow.Variable(0.0), []
    optimizer.build([variable])
    for step in at:
        optimizer.iterations.assign(step)
        variable.assign(0.0)
        # What a gradient of one takes off is the rate.
        optimizer.apply_gradients([(tensorflow.constant(1.0), variable)])
        found.append(-float(variable))
    return found


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", lambda t: 1.0),
        ("cosine", lambda t: 0.5 * (1 + np.cos(np.pi * t))),
        ("linear", lambda t: 1 - t),
        ("exponential", lambda t: 0.01**t),
    ],
)
@pytest.mark.parametrize("warmup", [0, 20])
def test_the_rate_follows_its_formula(tensorflow, schedule, expected, warmup):
    steps = [0, 1, 9, 19, 20, 21, 60, 99, 100, 500]
    found = rates(tensorflow, steps, learning_rate_schedule=schedule, warmup_steps=warmup, steps=100)
    for step, rate in zip(steps, found, strict=True):
        time = np.clip((step - warmup) / (100 - warmup), 0, 1)
        rise = min((step + 1) / warmup, 1) if warmup else 1
        assert rate == pytest.approx(RATE * rise * expected(time), abs=1e-6)


def test_a_warm_up_rises_evenly_to_the_whole_rate(tensorflow):
    found = rates(tensorflow, [0, 1, 2, 3, 4, 5], warmup_steps=4, steps=10)
    assert found == pytest.approx([RATE / 4, RATE / 2, 3 * RATE / 4, RATE, RATE, RATE])


def test_a_run_of_one_step_has_a_rate(tensorflow):
    assert rates(tensorflow, [0], learning_rate_schedule="cosine", steps=1) == [RATE]


@dataclass
class Slow:
    """One weight, in double precision, by the published update rules."""

    name: str
    rate: float
    decay: float

    def weights(self, weight: float, gradients: list[float]) -> Iterator[float]:
        m = v = 0.0
        for step, g in enumerate(gradients, start=1):
            weight -= self.rate * self.decay * weight  # decoupled: not a part of the gradient
            if self.name in ("adam", "adamw"):  # Kingma and Ba (2015), algorithm 1
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
                weight -= self.rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-7)
            elif self.name == "sgd":
                weight -= self.rate * g
            elif self.name == "momentum":  # Sutskever et al. (2013), in the form that looks one step ahead
                m = 0.9 * m - self.rate * g
                weight += 0.9 * m - self.rate * g
            elif self.name == "rmsprop":
                v = 0.9 * v + 0.1 * g * g
                weight -= self.rate * g / np.sqrt(v + 1e-7)
            else:  # Duchi et al. (2011), from a sum of 0.1
                v += g * g
                weight -= self.rate * g / np.sqrt(v + 0.1 + 1e-7)
            yield weight


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "momentum", "rmsprop", "adagrad"])
def test_updates_equal_the_published_rules(tensorflow, name, decay):
    from ml.training.optimizers import ADAMW_DECAY, make_optimizer

    tf = tensorflow
    optimizer = make_optimizer(Hyperparameters(optimizer=name, learning_rate=0.05, weight_decay=decay))
    variable = tf.Variable(2.0)
    optimizer.build([variable])
    gradients, found = [1.0, -0.5, 3.0, 0.25, 2.0], []
    for one in gradients:
        optimizer.apply_gradients([(tf.constant(one), variable)])
        found.append(float(variable))
    wanted = decay or (ADAMW_DECAY if name == "adamw" else 0.0)
    assert found == pytest.approx(list(Slow(name, 0.05, wanted).weights(2.0, gradients)), rel=1e-5)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_rows_of_an_embedding_move_as_if_the_whole_gradient_were_given(tensorflow, name):
    from ml.training.optimizers import make_optimizer

    tf = tensorflow

    def moved(gradients: list[Any]) -> list[list[float]]:
        optimizer = make_optimizer(Hyperparameters(optimizer=name, learning_rate=0.05))
        variable = tf.Variable([[2.0], [1.0], [-1.0]])
        optimizer.build([variable])
        for one in gradients:
            optimizer.apply_gradients([(one, variable)])
        return variable.numpy().tolist()

    rows = [tf.IndexedSlices(tf.constant([[g]]), tf.constant([row]), [3, 1]) for g, row in [(1.0, 0), (-2.0, 2)]]
    dense = [tf.convert_to_tensor(one) for one in rows]
    assert moved(rows) == [pytest.approx(row, rel=1e-6) for row in moved(dense)]


class Linear:
    """A model of one weight with outputs x·w, whose gradient can be made as large as one likes."""

    def __init__(self, tensorflow: Any, *weights: float) -> None:
        self.trainable_variables = [tensorflow.Variable(weight) for weight in weights]

    def __call__(self, features: Any, training: bool) -> Any:
        return features["x"] * sum(self.trainable_variables)


def test_each_model_has_a_gradient_of_its_own_norm(tensorflow):
    """With plain descent at rate 1, a step is the gradient: 2·(x·Σw)·x for each weight, to a label of zero."""
    from ml.features.statistics import Statistics
    from ml.specs import ModelSpec
    from ml.tasks import TaskSpec
    from ml.training.joint import JointTrainer
    from ml.training.networks import Network
    from ml.training.objectives import objective_for

    def moves(clip: float | None) -> list[np.ndarray]:
        models = [Linear(tensorflow, 3.0, 1.0), Linear(tensorflow, 0.1)]
        networks = [
            Network(ModelSpec(id=f"student{index}", model_type="feed_forward"), "student", model)
            for index, model in enumerate(models)
        ]
        hyper = Hyperparameters(optimizer="sgd", learning_rate=1.0, clip_norm=clip)
        objective = objective_for(
            TaskSpec(type="regression", num_values=1), label_statistics=Statistics(mean=(0.0,), std=(1.0,))
        )
        trainer = JointTrainer(networks, hyper, objective)
        batch = {"x": tensorflow.ones([1, 1])}, {"label": tensorflow.zeros([1, 1])}
        before = [np.array([float(one) for one in model.trainable_variables]) for model in models]
        trainer.run_steps(iter(tensorflow.data.Dataset.from_tensors(batch).repeat()), 1)
        after = [np.array([float(one) for one in model.trainable_variables]) for model in models]
        return [old - new for old, new in zip(before, after, strict=True)]

    assert np.concatenate(moves(None)) == pytest.approx([8.0, 8.0, 0.2])
    # The first is cut to a norm of one, the second, which is smaller, stays as it is.
    assert np.concatenate(moves(1.0)) == pytest.approx([np.sqrt(0.5), np.sqrt(0.5), 0.2])
