from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.engine


def random_bits(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).choice(np.array([-1, 1], np.float32), shape)


def slow_sums(bits: np.ndarray, table: np.ndarray, size: int) -> np.ndarray:
    """The rows that one example's blocks name, by writing each block as a binary number."""
    total = np.zeros(table.shape[1])
    for block in range(len(bits) // size):
        digits = ["1" if bit > 0 else "0" for bit in bits[block * size : (block + 1) * size]]
        total += table[block * 2**size + int("".join(reversed(digits)), 2)]
    return total


@pytest.mark.parametrize(("blocks", "size"), [(1, 1), (5, 3), (4, 16), (70, 12)])
def test_sums_equal_the_reference(tensorflow, blocks, size):
    from ml.layers.bit_lookup import BitLookup

    bits = random_bits(6, blocks * size)
    layer = BitLookup(size, 3, seed=1, name="lookup")
    found = layer(bits).numpy()
    assert layer.table.shape == (blocks * 2**size, 3)
    for row in range(6):
        np.testing.assert_allclose(found[row], slow_sums(bits[row], layer.table.numpy(), size), atol=1e-6)


def test_each_step_of_a_sequence_is_looked_up(tensorflow, in_litert):
    from ml.layers.bit_lookup import BitLookup

    bits = random_bits(6, 4, 10)
    layer = BitLookup(5, 3, seed=1)
    found = layer(bits).numpy()
    assert found.shape == (6, 4, 3) == layer.compute_output_shape((6, 4, 10))
    np.testing.assert_allclose(found.reshape(24, 3), layer(bits.reshape(24, 10)), atol=1e-7)
    runtime = in_litert(layer, (4, 10))
    np.testing.assert_allclose([runtime(one) for one in bits], found, atol=1e-6)


def test_litert_gives_the_same_sums_and_int8_ones_that_are_near(tensorflow, in_litert):
    from ml.layers.bit_lookup import BitLookup

    bits = random_bits(10, 20 * 8)
    layer = BitLookup(8, 4, seed=1)
    expected = layer(bits).numpy()
    exact = in_litert(layer, (160,))
    np.testing.assert_allclose([exact(one) for one in bits], expected, atol=1e-6)
    small = in_litert(layer, (160,), int8_weights=True)
    assert np.abs([small(one) for one in bits] - expected).max() < 0.05 * np.abs(expected).max()
    table = 20 * 256 * 4
    assert len(small.content) < table + 5_000
    assert 4 * table < len(exact.content) < 4 * table + 5_000


def test_only_the_rows_that_were_read_get_a_gradient(tensorflow):
    from ml.layers.bit_lookup import BitLookup

    tf = tensorflow
    layer = BitLookup(2, 1, seed=1)
    bits = np.array([[1, -1, 1, 1]], np.float32)
    layer(bits)
    with tf.GradientTape() as tape:
        loss = 2 * tf.reduce_sum(layer(bits))
    gradient = tape.gradient(loss, layer.table)
    assert isinstance(gradient, tf.IndexedSlices)
    assert tf.convert_to_tensor(gradient).numpy()[:, 0].tolist() == [0, 2, 0, 0, 0, 0, 0, 2]


def test_it_is_made_again_from_its_configuration(tensorflow):
    from ml.layers.bit_lookup import BitLookup

    bits = random_bits(2, 12)
    layer = BitLookup(4, 2, seed=9)
    assert np.array_equal(layer(bits), BitLookup.from_config(layer.get_config())(bits))


def test_blocks_without_a_table_are_refused(tensorflow):
    from ml.layers.bit_lookup import BitLookup

    with pytest.raises(ValueError, match=r"Received: 17 bits\. Accepted: 1 to 16"):
        BitLookup(17, 2, seed=1)
    with pytest.raises(ValueError, match=r"Received: 10 bits\. Accepted: a multiple of 4"):
        BitLookup(4, 2, seed=1)(np.ones((1, 10), np.float32))
