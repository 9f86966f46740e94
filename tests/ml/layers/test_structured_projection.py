from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.engine


def slow_bits(pixels: np.ndarray, *, outputs: int, center: list[int], seed: int) -> list[int]:
    """The projection of one image in integers, by the definition of the Hadamard transform: no matrix, no float."""
    from ml.layers.structured_projection import side_for, sign_masks

    values = [int(value) - center[index % len(center)] for index, value in enumerate(pixels.ravel())]
    side = side_for(len(values))
    size = side * side
    values += [0] * (size - len(values))
    masks = sign_masks(seed=seed, blocks=-(-outputs // size), side=side)
    bits: list[int] = []
    for block in range(masks.shape[1]):
        x = list(values)
        for mask in masks[:, block].reshape(len(masks), size):
            x = [value if keep else -value for value, keep in zip(x, mask, strict=True)]
            # The entry at i, j of H is -1 to the number of ones in i AND j.
            x = [sum(-v if (i & j).bit_count() % 2 else v for j, v in enumerate(x)) for i in range(size)]
            x = [(2 * value + side) // (2 * side) for value in x]
            # The square of √N rows stays transposed.
            x = [x[column * side + row] for row in range(side) for column in range(side)]
        bits += [1 if value > 0 else -1 for value in x]
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
    from ml.layers.structured_projection import hadamard, sign_masks

    side = 256
    masks = sign_masks(seed=1, blocks=1, side=side)
    transform = hadamard(side).astype(np.float64)
    x = np.full((side, side), 255.0)
    # The worst case: signs that line up with a row of the transform.
    x = np.where(masks[0, 0], x, -x) * np.where(masks[0, 0], 1, -1)
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
