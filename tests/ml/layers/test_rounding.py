from __future__ import annotations

import numpy as np
import pytest

from tests.ml.layers.texts import TEXTS, as_bytes

pytestmark = pytest.mark.engine


def slow_rounded(weights: np.ndarray) -> np.ndarray:
    scale = np.abs(weights).max() / 127
    return np.array([round(float(weight) / scale) * scale for weight in weights.reshape(-1)]).reshape(weights.shape)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.3, shape).astype(np.float32)


def test_weights_become_the_nearest_of_255_multiples(tensorflow):
    from ml.conversion.compacting import exact_scale
    from ml.layers.rounding import rounded

    weights = noise(500, 8)
    found = rounded(tensorflow.constant(weights)).numpy()
    np.testing.assert_allclose(found, slow_rounded(weights), atol=1e-6)
    assert len(np.unique(found)) <= 255
    # To the bit, so that a file can hold the multiples.
    assert exact_scale(found) == pytest.approx(np.abs(weights).max() / 127, rel=1e-6)
    assert not rounded(tensorflow.zeros([3])).numpy().any()


def test_the_gradient_is_that_of_the_weights_as_they_are(tensorflow):
    from ml.layers.rounding import rounded

    weights = tensorflow.Variable(noise(6, 2))
    with tensorflow.GradientTape() as tape:
        loss = tensorflow.reduce_sum(tensorflow.gather(rounded(weights), [1, 4, 4]) * 3.0)
    expected = np.zeros((6, 2))
    expected[1], expected[4] = 3.0, 6.0
    assert np.array_equal(tensorflow.convert_to_tensor(tape.gradient(loss, weights)), expected)


@pytest.mark.parametrize("buckets", [300, 5000])
def test_a_rounded_table_of_ngrams_is_that_of_rounded_weights(tensorflow, buckets):
    from ml.layers.hashed_embedding import HashedEmbedding

    raw = as_bytes(TEXTS, 40)
    plain, rounding = (HashedEmbedding(buckets, 4, seed=1, rounds=rounds) for rounds in (False, True))
    assert not np.array_equal(plain(raw), rounding(raw))
    plain.table.assign(slow_rounded(rounding.table.numpy()))
    np.testing.assert_allclose(plain(raw), rounding(raw), atol=1e-6)
    assert HashedEmbedding.from_config(rounding.get_config()).rounds


def test_a_rounded_table_of_bits_is_that_of_rounded_weights(tensorflow):
    from ml.layers.bit_lookup import BitLookup

    bits = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), (5, 12))
    plain, rounding = (BitLookup(4, 3, seed=1, rounds=rounds) for rounds in (False, True))
    assert not np.array_equal(plain(bits), rounding(bits))
    plain.table.assign(slow_rounded(rounding.table.numpy()))
    np.testing.assert_allclose(plain(bits), rounding(bits), atol=1e-6)
    assert BitLookup.from_config(rounding.get_config()).rounds


def test_a_rounded_embedding_has_the_weights_of_a_plain_one(tensorflow):
    import tf_keras

    from ml.layers.rounding import RoundedEmbedding

    plain = tf_keras.layers.Embedding(256, 3, name="text_embedding")
    rounding = RoundedEmbedding.from_config(plain.get_config())
    raw = as_bytes(TEXTS, 10)
    plain(raw), rounding(raw)
    rounding.set_weights(plain.get_weights())
    np.testing.assert_allclose(rounding(raw), slow_rounded(plain.get_weights()[0])[raw], atol=1e-6)


def test_an_output_has_256_values_of_the_average_range_of_the_batches(tensorflow):
    import tf_keras

    from ml.layers.rounding import RoundedOutput

    layer = RoundedOutput(tf_keras.layers.Activation("linear"))
    batches = [noise(400, 3) * size + size for size in (1.0, 2.0, 0.5)]
    low, high = -6.0, 6.0
    for count, batch in enumerate(batches):
        found = layer(batch, training=True).numpy()
        kept = (1 + count) / (10 + count)
        low = kept * low + (1 - kept) * min(float(batch.min()), 0.0)
        high = kept * high + (1 - kept) * max(float(batch.max()), 0.0)
        step = (high - low) / 255
        assert len(np.unique(found)) <= 256
        # The range is moved by less than a step, so that zero is one of the values.
        clipped = np.clip(batch, low, high)
        assert np.abs(found - clipped).max() < 1.01 * step
    weights = [weight.numpy() for weight in layer.weights]
    after = layer(100 * batches[0], training=False).numpy()
    assert after.max() == pytest.approx(high, rel=0.02)
    assert np.array_equal(weights, [weight.numpy() for weight in layer.weights])


def test_an_output_of_zeros_has_a_range(tensorflow):
    import tf_keras

    from ml.layers.rounding import RoundedOutput

    layer = RoundedOutput(tf_keras.layers.Activation("relu"))
    for _ in range(200):
        assert not layer(np.full((2, 2), -1.0, np.float32), training=True).numpy().any()
    assert float(layer.weights[1]) == pytest.approx(0.001)


def test_a_range_forgets_what_is_long_ago(tensorflow):
    import tf_keras

    from ml.layers.rounding import KEPT, RoundedOutput

    layer = RoundedOutput(tf_keras.layers.Activation("linear"))
    for _ in range(20):
        layer(np.full((1, 1), 2.0, np.float32), training=True)
    assert float(layer.weights[1]) == pytest.approx(2.0, rel=1e-4)
    layer.weights[2].assign(10_000.0)
    for _ in range(50):
        layer(np.full((1, 1), 4.0, np.float32), training=True)
    assert float(layer.weights[1]) == pytest.approx(4.0 - 2.0 * KEPT**50, rel=1e-4)


def test_a_layer_with_a_second_input_is_called_as_ever_and_made_again(tensorflow):
    import tf_keras

    from ml.layers.rounding import RoundedOutput
    from ml.layers.valid_steps import LastStep

    given = tf_keras.Input((4, 2), name="x"), tf_keras.Input((), dtype="int32", name="valid")
    output = RoundedOutput(LastStep(name="last"), name="quant_last")(given[0], valid=given[1])
    model = tf_keras.Model(given, output)
    again = tf_keras.models.clone_model(model)
    values, valid = noise(5, 4, 2), np.array([1, 2, 3, 4, 4], np.int32)
    found = again([values, valid], training=True).numpy()
    assert np.abs(found - values[np.arange(5), valid - 1]).max() < 0.01
