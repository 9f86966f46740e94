"""Costs by formula: of one architecture, and expected over many."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from ml.profiling.device_profile import Speed
from ml.search.layers import STORAGE, Layer, Width, bytes_of, millions_of, ms_of, weights_of
from ml.search.space import certain
from tests.ml.profiling.profiles import plain_profile
from tests.ml.search.settings import space_of

PLAIN = Speed(overhead_ms=0, ms_per_million=0, tile=1)


@pytest.mark.parametrize(
    ("layer", "weights", "operations"),
    [
        (Layer("convolution", Width.of(8), positions=20, kernel=9, inputs=3), 9 * 3 * 8, 2 * 20 * 9 * 3 * 8),
        (Layer("depthwise", Width.of(8), positions=20, kernel=9), 9 * 8, 2 * 20 * 9 * 8),
        (Layer("dense", Width.of(10), inputs=64), 640, 2 * 640),
        (Layer("elementwise", Width.of(8), positions=5, kernel=4), 0, 5 * 4 * 8),
    ],
)
def test_a_layer_has_its_weights_and_operations(layer, weights, operations):
    assert weights_of(layer) == weights
    assert millions_of(layer, PLAIN) == pytest.approx(operations / 1e6)


def test_channels_are_paid_for_in_groups():
    layer = Layer("convolution", Width((3, 8), (0.25, 0.75)), inputs=2)
    assert layer.outputs.mean() == 0.25 * 3 + 0.75 * 8
    tiled = Speed(overhead_ms=0, ms_per_million=0, tile=4)
    assert millions_of(layer, tiled) == pytest.approx(2 * 2 * (0.25 * 4 + 0.75 * 8) / 1e6)


def test_chances_of_sizes():
    width = Width((0, 1, 3), (0.5, 0.2, 0.3))
    assert [width.chance_of(size) for size in (0, 3, 7)] == [0.5, 0.3, 0]
    assert [float(width.chance_from(size)) for size in (0, 1, 2, 4)] == pytest.approx([1.0, 0.5, 0.3, 0.0])


@pytest.mark.parametrize(
    ("model_type", "feature", "task"),
    [
        ("projection", "image", "classification"),
        ("feed_forward", "vector", "regression"),
        ("depthwise_cnn", "image", "classification"),
        ("cnn", "sensor", "multi_label"),
        ("depthwise_cnn", "audio", "sequence"),
    ],
)
def test_the_cost_of_expected_widths_is_the_expected_cost(model_type, feature, task):
    """Against the slow way: every architecture's cost times its probability."""
    full = space_of(model_type, feature, task)
    # Two sizes of each gate, three of the depth, keep it short.
    space = full.with_sizes({one.name: one.sizes[: 3 if one.name == "depth" else 2] for one in full.choices})
    generator = np.random.default_rng(0)
    chances = {one.name: generator.dirichlet(np.ones(len(one.sizes))) for one in space.choices}
    profile, storage = plain_profile(), STORAGE["float32"]
    slow_bytes = slow_ms = total = 0.0
    for sizes in product(*(range(len(one.sizes)) for one in space.choices)):
        picked = {one.name: one.sizes[index] for one, index in zip(space.choices, sizes, strict=True)}
        chance = np.prod([chances[one.name][index] for one, index in zip(space.choices, sizes, strict=True)])
        layers = space.layers(certain(picked))
        slow_bytes += chance * bytes_of(layers, storage)
        slow_ms += chance * ms_of(layers, profile, "float32")
        total += chance
    assert total == pytest.approx(1.0)
    layers = space.layers({one.name: Width(one.sizes, chances[one.name]) for one in space.choices})
    assert bytes_of(layers, storage) == pytest.approx(slow_bytes)
    assert ms_of(layers, profile, "float32") == pytest.approx(slow_ms)
