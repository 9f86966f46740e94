"""Gates as random choices, and as masks."""

from __future__ import annotations

import numpy as np
import pytest

from ml.search.space import Choice
from tests.ml.search.settings import space_of

pytestmark = pytest.mark.engine

THETA = np.log([0.2, 0.5, 0.3]).astype(np.float32)


@pytest.fixture
def gate(tensorflow):
    from ml.search.gates import Gate

    gate = Gate(Choice("units", (4, 8, 16)))
    gate.theta.assign(THETA)
    return gate


def test_at_first_all_sizes_are_as_likely(tensorflow):
    from ml.search.gates import Gate

    np.testing.assert_allclose(Gate(Choice("units", (4, 8, 16, 32))).chances(), 0.25)


def test_cold_samples_take_each_size_as_often_as_its_chance(tensorflow, gate):
    temperature = tensorflow.constant(0.01)
    draw = tensorflow.function(
        lambda: tensorflow.map_fn(
            lambda step: gate.sample(tensorflow.stack([7, step]), temperature),
            tensorflow.range(2000),
            fn_output_signature=tensorflow.float32,
        )
    )
    samples = draw().numpy()
    np.testing.assert_allclose(samples.sum(axis=1), 1.0, rtol=1e-5)
    assert (samples.max(axis=1) > 0.9).mean() > 0.95
    # Four standard deviations of a share of 2000.
    np.testing.assert_allclose(np.bincount(samples.argmax(axis=1)) / 2000, [0.2, 0.5, 0.3], atol=0.045)


def test_a_sample_is_a_softmax_of_theta_and_noise(tensorflow, gate):
    """The same noise at two temperatures: log m differs by a constant once it is multiplied by the temperature."""
    seed = tensorflow.constant([3, 4])
    logits = [
        temperature * np.log(gate.sample(seed, tensorflow.constant(temperature)).numpy()) for temperature in (1.0, 2.5)
    ]
    np.testing.assert_allclose(logits[0] - logits[0][0], logits[1] - logits[1][0], rtol=1e-4, atol=1e-5)


def test_the_noise_follows_the_seed_and_differs_from_gate_to_gate(tensorflow):
    from ml.search.gates import Gates

    gates = Gates(space_of("cnn"))
    temperature = tensorflow.constant(1.0)
    first = gates.sample(tensorflow.constant([1, 2]), temperature)
    again = gates.sample(tensorflow.constant([1, 2]), temperature)
    other = gates.sample(tensorflow.constant([1, 3]), temperature)
    assert all((first[name].numpy() == again[name].numpy()).all() for name in first)
    assert not np.allclose(first["filters_0"], other["filters_0"])
    assert not np.allclose(first["filters_0"], first["filters_1"])


def test_a_mask_lets_through_as_many_channels_as_the_size_has(tensorflow):
    from ml.search.gates import mask

    one_hot = mask(tensorflow.constant([0.0, 1.0, 0.0]), (2, 3, 5))
    np.testing.assert_array_equal(one_hot, [1, 1, 1, 0, 0])
    mixed = mask(tensorflow.constant([0.2, 0.3, 0.5]), (1, 2, 3), times=2)
    np.testing.assert_allclose(mixed, [1, 1, 0.8, 0.8, 0.5, 0.5], rtol=1e-6)


def test_a_small_kernel_is_the_middle_of_a_large_one(tensorflow):
    from ml.search.gates import kernel_mask

    square = kernel_mask(tensorflow.constant([0.25, 0.75]), (3, 5), is_line=False)[:, :, 0, 0]
    expected = np.full((5, 5), 0.75)
    expected[1:4, 1:4] = 1.0
    np.testing.assert_allclose(square, expected)
    line = kernel_mask(tensorflow.constant([1.0, 0.0]), (3, 5), is_line=True)
    assert line.shape == (5, 1, 1, 1)
    np.testing.assert_array_equal(line[:, 0, 0, 0], [0, 1, 1, 1, 0])
