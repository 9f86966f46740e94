from __future__ import annotations

from math import prod

import numpy as np
import pytest

pytestmark = pytest.mark.engine


def slow_bits(pixels: np.ndarray, *, outputs: int, center: list[int], seed: int) -> list[int]:
    """The projection of one image in integers, by the definition of the Hadamard transform: no matrix, no float."""
    from ml.layers.structured_projection import side_for, sign_factors

    values = [int(value) - center[index % len(center)] for index, value in enumerate(pixels.ravel())]
    side = side_for(len(values))
    size = side * side
    values += [0] * (size - len(values))
    blocks = -(-outputs // (size - 1))
    signs = [
        np.broadcast_to(prod(factors), (blocks, side, side)).reshape(blocks, size)
        for factors in sign_factors(seed=seed, blocks=blocks, side=side)
    ]
    bits: list[int] = []
    for block in range(blocks):
        x = list(values)
        for round_of_signs in signs:
            x = [value * int(sign) for value, sign in zip(x, round_of_signs[block], strict=True)]
            # The entry at i, j of H is -1 to the number of ones in i AND j.
            x = [sum(-v if (i & j).bit_count() % 2 else v for j, v in enumerate(x)) for i in range(size)]
            x = [(2 * value + side) // (2 * side) for value in x]
            # The square of √N rows stays transposed.
            x = [x[column * side + row] for row in range(side) for column in range(side)]
        # Diagonal by diagonal: from a value to the one a row below and a column to the right.
        order = [start + step * (side + 1) for start in range(side + 1) for step in range(side - 1)]
        bits += [1 if x[index] > 0 else -1 for index in order]
    return bits[:outputs]


def layer(tensorflow, **options):
    from ml.layers.structured_projection import StructuredProjection

    return StructuredProjection(**options)


@pytest.mark.parametrize(
    ("shape", "outputs", "center"),
    [((8, 8, 1), 64, [77]), ((8, 8, 1), 200, [0]), ((5, 7, 1), 30, [128]), ((4, 4, 3), 70, [10, 20, 30])],
)
def test_bits_equal_the_integer_reference(tensorflow, shape, outputs, center):
    images = np.random.default_rng(0).integers(0, 256, (4, *shape), dtype=np.uint8)
    images[0] = 255
    images[1] = 0
    found = layer(tensorflow, outputs=outputs, center=center, seed=3)(images).numpy()
    for image, bits in zip(images, found, strict=True):
        assert bits.astype(int).tolist() == slow_bits(image, outputs=outputs, center=center, seed=3)


def test_bits_do_not_depend_on_the_batch(tensorflow):
    images = np.random.default_rng(1).integers(0, 256, (50, 28, 28, 1), dtype=np.uint8)
    projection = layer(tensorflow, outputs=720, center=[33], seed=1)
    together = projection(images).numpy()
    alone = np.concatenate([projection(images[index : index + 1]).numpy() for index in range(50)])
    assert np.array_equal(together, alone)


def test_every_sum_of_the_largest_input_is_exact_in_float32(tensorflow):
    tf = tensorflow
    from ml.layers.structured_projection import hadamard, sign_factors

    side = 256
    signs = sign_factors(seed=1, blocks=1, side=side)[0][0][0]
    transform = hadamard(side).astype(np.float64)
    x = np.full((side, side), 255.0)
    # The worst case: signs that line up with a row of the transform.
    x = x * signs * signs
    exact = transform @ x @ transform
    assert np.abs(exact).max() < 2**24
    single = tf.matmul(
        tf.constant(transform, tf.float32), tf.matmul(tf.constant(x, tf.float32), tf.constant(transform, tf.float32))
    )
    assert np.array_equal(single.numpy().astype(np.float64), exact)


def test_bits_preserve_angles(tensorflow):
    """Two images differ in the share of bits that their angle is of a half turn (Charikar, 2002)."""
    generator = np.random.default_rng(5)
    first = generator.integers(0, 256, (40, 16, 16, 1), dtype=np.uint8)
    second = np.clip(first.astype(int) + generator.normal(0, 60, first.shape), 0, 255).astype(np.uint8)
    projection = layer(tensorflow, outputs=2048, center=[128], seed=9)
    different = np.mean(projection(first).numpy() != projection(second).numpy(), axis=1)
    a, b = (images.reshape(40, -1).astype(float) - 128 for images in (first, second))
    cosine = np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert np.abs(different - np.arccos(cosine) / np.pi).max() < 0.04


def test_too_many_inputs_are_refused(tensorflow):
    with pytest.raises(ValueError, match="at most 65536"):
        layer(tensorflow, outputs=8, center=[0, 0, 0], seed=1)(np.zeros((1, 200, 200, 3), np.uint8))


def test_a_saved_layer_gives_the_same_bits(tensorflow):
    images = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    projection = layer(tensorflow, outputs=100, center=[9], seed=4)
    again = type(projection).from_config(projection.get_config())
    assert np.array_equal(projection(images), again(images))
    assert projection.compute_output_shape((None, 8, 8, 1)) == (None, 100)


def test_few_bits_differ_as_much_as_many(tensorflow):
    """The share of different bits estimates an angle; with bits that are alike, few would estimate it worse."""
    generator = np.random.default_rng(5)
    first, second = generator.integers(0, 256, (2, 200, 28, 28, 1), dtype=np.uint8)
    a, b = (images.reshape(200, -1).astype(float) - 128 for images in (first, second))
    angle = np.arccos(np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)) / np.pi
    projection = layer(tensorflow, outputs=80, center=[128], seed=9)
    different = np.mean(projection(first).numpy() != projection(second).numpy(), axis=1)
    # 80 independent bits have the deviation of a binomial share.
    assert np.std(different - angle) < 1.2 * np.sqrt(0.25 / 80)
