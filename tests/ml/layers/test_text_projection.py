from __future__ import annotations

from math import prod

import numpy as np
import pytest

from tests.ml.layers.texts import TEXTS, as_bytes

pytestmark = pytest.mark.engine

SIZE = 40


def slow_bits(raw: np.ndarray, *, outputs: int, seed: int, words: int) -> list[int]:
    """The bits of one text in integers, by the definition of the Hadamard transform: no matrix, no float."""
    from ml.layers.hashed_ngrams import hashed_ngrams, mix_factor
    from ml.layers.text_projection import transform_sides

    sides = transform_sides(outputs)
    size = prod(sides)
    index, valid = hashed_ngrams(raw[np.newaxis], 2 * size, words=words, factor=mix_factor(seed))
    counts = [0] * size
    for bucket, is_valid in zip(index.numpy()[0].tolist(), valid.numpy()[0].tolist(), strict=True):
        if is_valid:
            counts[bucket % size] += 1 if bucket < size else -1
    filled = [(place, count) for place, count in enumerate(counts) if count]
    # The entry at i, j of H is -1 to the number of ones in i AND j.
    sums = [sum(-count if (i & j).bit_count() % 2 else count for j, count in filled) for i in range(size)]
    # The first axis comes last.
    first, rest = sides[0], size // sides[0]
    moved = [sums[(place % first) * rest + place // first] for place in range(size)]
    return [1 if value > 0 else -1 for value in moved[:outputs]]


@pytest.mark.parametrize(("outputs", "words"), [(1120, 2), (1024, 1), (30, 0), (5000, 1)])
def test_bits_equal_the_integer_reference(tensorflow, outputs, words):
    from ml.layers.text_projection import TextProjection

    raw = as_bytes(TEXTS[:8], SIZE)
    found = TextProjection(outputs, seed=3, words=words, name="text_bits")(raw).numpy()
    assert found.dtype == np.float32
    for text, bits in zip(raw, found, strict=True):
        assert bits.astype(int).tolist() == slow_bits(text, outputs=outputs, seed=3, words=words)


@pytest.mark.parametrize(
    ("outputs", "sides"), [(1, [16, 16]), (257, [8, 8, 8]), (1120, [16, 16, 8]), (4096, [16, 16, 16])]
)
def test_the_transform_is_made_of_small_matrices(tensorflow, outputs, sides):
    from ml.layers.text_projection import transform_sides

    assert transform_sides(outputs) == sides


@pytest.mark.parametrize("int8_weights", [False, True])
def test_litert_has_the_bits_of_the_layer(tensorflow, in_litert, int8_weights):
    from ml.layers.text_projection import TextProjection

    layer = TextProjection(1120, seed=11)
    raw = as_bytes(TEXTS, SIZE)
    runtime = in_litert(layer, (SIZE,), dtype="uint8", int8_weights=int8_weights)
    assert np.array_equal([runtime(text) for text in raw], layer(raw).numpy())
    # A stored matrix would be 9 MB, and three rounds of sign masks 6 KB.
    assert len(runtime.content) < 16_000


def test_tokens_have_the_bits_of_texts_here_and_in_litert(tensorflow, in_litert):
    from ml.layers.text_projection import TextProjection

    layer = TextProjection(100, seed=2, words=0)
    tokens = as_bytes(TEXTS, SIZE).reshape(4, 3, SIZE)
    bits = layer(tokens).numpy()
    assert bits.shape == (4, 3, 100) == layer.compute_output_shape((4, 3, SIZE))
    assert np.array_equal(bits.reshape(12, 100), layer(tokens.reshape(12, SIZE)))
    runtime = in_litert(layer, (3, SIZE), dtype="uint8")
    assert np.array_equal([runtime(text) for text in tokens], bits)


def test_bits_do_not_depend_on_the_batch(tensorflow):
    from ml.layers.text_projection import TextProjection

    raw = as_bytes(TEXTS, SIZE)
    layer = TextProjection(720, seed=1)
    assert np.array_equal(layer(raw), np.concatenate([layer(raw[row : row + 1]) for row in range(len(raw))]))


def test_bits_preserve_angles(tensorflow):
    """Two texts differ in the share of bits that the angle of their counts is of a half turn (Charikar, 2002)."""
    from ml.layers.hashed_ngrams import hashed_ngrams
    from ml.layers.text_projection import TextProjection

    letters = np.frombuffer(b"etaoinshrdlu  ", np.uint8)
    generator = np.random.default_rng(0)
    first = generator.choice(letters, (40, 100))
    second = np.where(generator.random((40, 100)) < np.linspace(0.01, 0.5, 40)[:, None], letters[0], first)
    bits = [TextProjection(2048, seed=9)(raw).numpy() for raw in (first, second)]
    different = np.mean(bits[0] != bits[1], axis=1)

    exact = [[part.numpy() for part in hashed_ngrams(raw, 2**31 - 1, words=1)] for raw in (first, second)]
    for row in range(40):
        vocabulary = np.unique(np.concatenate([index[row][valid[row] > 0] for index, valid in exact]))
        a, b = (
            np.bincount(np.searchsorted(vocabulary, index[row][valid[row] > 0]), minlength=len(vocabulary))
            for index, valid in exact
        )
        angle = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
        assert abs(different[row] - angle / np.pi) < 0.06


def test_a_saved_layer_gives_the_same_bits_and_another_seed_others(tensorflow):
    from ml.layers.text_projection import TextProjection

    raw = as_bytes(TEXTS[4:], SIZE)
    layer = TextProjection(300, seed=4, words=0)
    assert np.array_equal(layer(raw), TextProjection.from_config(layer.get_config())(raw))
    assert np.mean(layer(raw) == TextProjection(300, seed=5, words=0)(raw)) < 0.6
