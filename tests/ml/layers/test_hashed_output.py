from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

pytestmark = pytest.mark.engine

CASES = [(10, 4, 2), (50, 10, 3), (90, 10, 2), (1000, 37, 2), (50, 64, 4)]


def made(num_classes: int, buckets: int, hashes: int):
    from ml.layers.hashed_output import HashedOutput

    return HashedOutput(num_classes, buckets=buckets, hashes=hashes, seed=3, name="logits")


def places(layer) -> list[list[tuple[int, int]]]:
    """For each class its (bucket, sign) by each hash: h(c) = (r + (q + 1)·n) mod B, the sign that of the repetition."""
    rows = -(-layer.num_classes // layer.buckets)
    found: list[list[tuple[int, int]]] = [[] for _ in range(layer.num_classes)]
    for step, signs in layer.steps_and_signs(rows):
        for number in range(layer.num_classes):
            q, r = divmod(number, layer.buckets)
            row = q + 1 if step else q
            sign = int(signs[(row * (layer.buckets + step) + r) // layer.buckets])
            found[number].append(((r + row * step) % layer.buckets, sign))
    return found


@pytest.mark.parametrize(("num_classes", "buckets", "hashes"), CASES)
def test_logits_equal_the_reference(tensorflow, num_classes, buckets, hashes):
    layer = made(num_classes, buckets, hashes)
    x = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    found = layer(x).numpy()
    kernel, bias = (weight.numpy().astype(float) for weight in layer.weights)
    z = x @ kernel + bias
    expected = [[sum(sign * row[bucket] for bucket, sign in one) for one in places(layer)] for row in z]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert layer.count_params() == 5 * buckets + buckets


@pytest.mark.parametrize(("num_classes", "buckets", "hashes"), CASES)
def test_classes_share_at_most_one_bucket(tensorflow, num_classes, buckets, hashes):
    layer = made(num_classes, buckets, hashes)
    assert num_classes <= buckets**2 / (hashes - 1)
    for one, other in combinations(places(layer), 2):
        assert sum(a[0] == b[0] for a, b in zip(one, other, strict=True)) <= 1


@pytest.mark.parametrize("buckets", [4, 7, 16, 37])
def test_every_class_has_two_values_of_its_own(tensorflow, buckets):
    found = places(made(buckets * (buckets - 1), buckets, 2))
    assert all(one[0] != other[0] for one, other in found)


def test_steps_of_a_sequence_have_the_logits_of_single_inputs(tensorflow, in_litert):
    layer = made(90, 10, 3)
    x = np.random.default_rng(0).normal(size=(4, 6, 5)).astype(np.float32)
    found = layer(x).numpy()
    assert found.shape == (4, 6, 90) == layer.compute_output_shape((4, 6, 5))
    np.testing.assert_allclose(found.reshape(24, 90), layer(x.reshape(24, 5)), atol=1e-5)
    runtime = in_litert(layer, (6, 5))
    np.testing.assert_allclose([runtime(one) for one in x], found, atol=1e-5)


def test_a_hundred_thousand_classes_convert_to_a_small_file(tensorflow, in_litert):
    layer = made(100_000, 512, 2)
    x = np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32)
    expected = layer(x).numpy()
    runtime = in_litert(layer, (16,))
    np.testing.assert_allclose([runtime(one) for one in x], expected, atol=1e-5)
    # A dense layer's 6.8 MB are 35 KB, and no index of a class is stored.
    assert len(runtime.content) < 4 * layer.count_params() + 6_000


def test_it_learns_more_classes_than_it_has_buckets(tensorflow):
    """600 classes, each a point of its own, through 128 values: every one is found."""
    tf = tensorflow
    points = np.random.default_rng(0).normal(size=(600, 64)).astype(np.float32)
    layer = made(600, 128, 3)
    layer(points)
    optimizer = tf.keras.optimizers.Adam(0.05)

    @tf.function
    def learn() -> None:
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(np.arange(600), layer(points))
            loss = tf.reduce_mean(losses)
        optimizer.apply_gradients(
            zip(tape.gradient(loss, layer.trainable_weights), layer.trainable_weights, strict=True)
        )

    for _ in range(150):
        learn()
    assert np.mean(np.argmax(layer(points), 1) == np.arange(600)) > 0.95


def test_it_is_made_again_from_its_configuration(tensorflow):
    from ml.layers.hashed_output import HashedOutput

    x = np.ones((2, 5), np.float32)
    layer = made(1000, 37, 2)
    assert np.array_equal(layer(x), HashedOutput.from_config(layer.get_config())(x))


def test_classes_that_could_not_be_told_apart_are_refused(tensorflow):
    with pytest.raises(ValueError, match=r"Received: 9 buckets for 100 classes\. Accepted: at least 11"):
        made(100, 9, 2)
    with pytest.raises(ValueError, match=r"Received: 1 hashes\. Accepted: 2 to 8"):
        made(100, 50, 1)
