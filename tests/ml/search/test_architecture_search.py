"""What the gates learn from: the loss, and what they cost."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from ml.hyperparameters import Hyperparameters
from ml.search.layers import STORAGE, bytes_of
from ml.search.pricing import Limits, Price, Pricing
from ml.search.space import certain
from tests.ml.architectures.tiny import FEATURES, context_of, raw_batch
from tests.ml.conftest import quiet_reporter
from tests.ml.profiling.profiles import plain_profile
from tests.ml.search.settings import space_of

pytestmark = pytest.mark.engine

LIMITS = Limits(max_bytes=9000, max_ms=0.01)


def price_of(space, picked):
    """A front end of 1000 bytes, and a microsecond for everything."""
    return Price(1000 + bytes_of(space.layers(certain(picked)), STORAGE["float32"]), 0.001)


def fixed_pricing(*model_types):
    pricing = Pricing(number="float32", profile=plain_profile())
    for model_type in model_types:
        space = space_of(model_type, "vector")
        pricing.measure_front(space, partial(price_of, space))
    return pricing


def search_of(*model_types, limits=LIMITS):
    from ml.search.architecture_search import ArchitectureSearch
    from ml.search.supernet import DenseBranch
    from ml.training.objectives import objective_for

    context = context_of(FEATURES["vector"])
    branches = []
    for name in model_types:
        full = space_of(name, "vector")
        few = {one.name: one.sizes[:4] for one in full.choices}
        branches.append(DenseBranch(full.with_sizes(few), context))
    pricing = fixed_pricing(*model_types)
    hyper = Hyperparameters(learning_rate=0.01, seed=2**31 - 1)  # the largest: noise has seeds above it
    objective = objective_for(context.task)
    return ArchitectureSearch(branches, pricing, limits, objective, hyper, feature="values"), branches


def batch(tensorflow):
    classes = np.arange(12) % 3
    raw = tensorflow.constant(raw_batch(FEATURES["vector"], classes))
    return raw, {"label": tensorflow.constant(classes, tensorflow.int64)}


def test_the_gradient_of_the_gates_is_that_of_loss_and_cost(tensorflow):
    """Against differences of the value itself, with the noise held still, in each direction of each gate."""
    search, (branch,) = search_of("feed_forward")
    raw, targets = batch(tensorflow)
    generator = np.random.default_rng(0)
    for theta in branch.gates.thetas:
        theta.assign(generator.normal(0, 0.5, theta.shape))

    def value():
        samples = [branch.gates.sample(tensorflow.constant([5, 6]), tensorflow.constant(1.0))]
        return tensorflow.reduce_sum(search.branch_losses(raw, targets, samples))

    def cost():
        return search.cost(branch)

    value()
    for function in (value, cost):
        with tensorflow.GradientTape() as tape:
            result = function()
        gradients = tape.gradient(result, branch.gates.thetas)
        for theta, gradient in zip(branch.gates.thetas, gradients, strict=True):
            start, step = theta.numpy(), 2e-2
            for index in range(len(start)):
                moved = np.eye(len(start), dtype=np.float32)[index] * step
                theta.assign(start + moved)
                above = float(function())
                theta.assign(start - moved)
                below = float(function())
                theta.assign(start)
                assert float(gradient[index]) == pytest.approx((above - below) / (2 * step), rel=0.03, abs=2e-3)
    with tensorflow.GradientTape() as tape:
        result = cost()
    assert max(np.abs(gradient.numpy()).max() for gradient in tape.gradient(result, branch.gates.thetas)) > 0.01


@pytest.mark.parametrize(
    ("price", "limits", "load"),
    [
        (Price(200.0, 1.0), Limits(max_bytes=100), 2.0),
        (Price(50.0, 1.0), Limits(max_bytes=100), 0.5),
        (Price(100.0, 0.5), Limits(max_bytes=100, max_ms=0.1), 5.0),
        (Price(100.0, 1.0), Limits(max_bytes=100), 1.0),
    ],
)
def test_the_cost_is_the_distance_from_the_limit_that_is_nearest(tensorflow, price, limits, load):
    from ml.search.architecture_search import PENALTY, penalty

    constants = Price(tensorflow.constant(price.bytes), tensorflow.constant(price.ms))
    assert float(penalty(constants, limits)) == pytest.approx(PENALTY * abs(np.log(load)), rel=1e-5, abs=1e-6)


def test_the_cost_ends_nearer_to_the_limit(tensorflow, vectors_dataset):
    from ml.data.dataset import DatasetInfo
    from ml.data.pipeline import Pipeline

    vectors = Pipeline(vectors_dataset, DatasetInfo.read(vectors_dataset))
    search, branches = search_of("projection", "feed_forward", limits=Limits(max_bytes=3600))
    found = search.run(vectors, steps=50, batch_size=16, reporter=quiet_reporter())
    assert sum(one.chance for one in found) == pytest.approx(1.0)
    assert [one.branch.space.model_type for one in found] == ["projection", "feed_forward"]
    pricing = fixed_pricing("projection", "feed_forward")
    for branch in branches:
        first = float(pricing.of(branch.space, uniform(branch)).bytes)
        last = float(pricing.of(branch.space, branch.gates.widths()).bytes)
        assert abs(np.log(last / 3600)) < abs(np.log(first / 3600))


def uniform(branch):
    from ml.search.layers import Width

    sizes = {choice.name: choice.sizes for choice in branch.space.choices}
    return {name: Width(one, [1 / len(one)] * len(one)) for name, one in sizes.items()}
