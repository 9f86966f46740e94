from __future__ import annotations

import numpy as np
import pytest

from tests.ml.layers.texts import TEXTS, as_bytes

pytestmark = pytest.mark.engine

SIZE = 40
# The first is computed from counts, the second from gathered rows.
BUCKETS = (300, 5000)


def slow_vectors(raw: np.ndarray, table: np.ndarray, *, words: int) -> np.ndarray:
    """The sum of each n-gram's row over the root of their number, one after the other in double precision."""
    from ml.layers.hashed_ngrams import hashed_ngrams

    index, valid = (part.numpy() for part in hashed_ngrams(raw, len(table), words=words))
    vectors = np.zeros((len(raw), table.shape[1]))
    for row in range(len(raw)):
        buckets = index[row][valid[row] > 0]
        for bucket in buckets:
            vectors[row] += table[bucket] / np.sqrt(len(buckets))
    return vectors


@pytest.mark.parametrize("buckets", BUCKETS)
@pytest.mark.parametrize("words", [0, 2])
def test_vectors_equal_the_reference(tensorflow, buckets, words):
    from ml.layers.hashed_embedding import HashedEmbedding

    layer = HashedEmbedding(buckets, 7, seed=1, words=words, name="text_embedding")
    raw = as_bytes(TEXTS, SIZE)
    found = layer(raw).numpy()
    np.testing.assert_allclose(found, slow_vectors(raw, layer.table.numpy(), words=words), atol=1e-6)
    assert layer.count_params() == buckets * 7
    assert not found[TEXTS.index("")].any()


@pytest.mark.parametrize("buckets", BUCKETS)
def test_each_token_has_the_vector_that_it_has_as_a_text(tensorflow, buckets):
    from ml.layers.hashed_embedding import HashedEmbedding

    layer = HashedEmbedding(buckets, 5, seed=1)
    tokens = as_bytes(TEXTS, SIZE).reshape(4, 3, SIZE)
    found = layer(tokens).numpy()
    assert found.shape == (4, 3, 5) == layer.compute_output_shape((4, 3, SIZE))
    np.testing.assert_allclose(found.reshape(12, 5), layer(tokens.reshape(12, SIZE)).numpy(), atol=1e-7)


@pytest.mark.parametrize("buckets", BUCKETS)
def test_litert_gives_the_same_vectors_and_int8_ones_that_are_near(tensorflow, in_litert, buckets):
    from ml.layers.hashed_embedding import HashedEmbedding

    layer = HashedEmbedding(buckets, 8, seed=1)
    raw = as_bytes(TEXTS, SIZE)
    expected = layer(raw).numpy()
    exact = in_litert(layer, (SIZE,), dtype="uint8")
    np.testing.assert_allclose([exact(text) for text in raw], expected, atol=1e-6)
    small = in_litert(layer, (SIZE,), dtype="uint8", int8_weights=True)
    assert np.abs([small(text) for text in raw] - expected).max() < 0.03 * np.abs(expected).max()
    # A quarter of the table is left, and a graph of at most 12 KB.
    assert len(small.content) < buckets * 8 + 12_000 < len(exact.content)


@pytest.mark.parametrize("buckets", BUCKETS)
def test_tokens_convert(tensorflow, in_litert, buckets):
    from ml.layers.hashed_embedding import HashedEmbedding

    layer = HashedEmbedding(buckets, 5, seed=1)
    tokens = as_bytes(TEXTS, SIZE).reshape(4, 3, SIZE)
    found = in_litert(layer, (3, SIZE), dtype="uint8")
    np.testing.assert_allclose([found(text) for text in tokens], layer(tokens).numpy(), atol=1e-6)


def test_it_learns_which_words_matter(tensorflow):
    from ml.layers.hashed_embedding import HashedEmbedding

    tf = tensorflow
    texts = [f"{verb} the {thing} now" for verb in ("play", "stop") for thing in ("song", "film", "show", "tune")]
    labels = np.repeat([0.0, 1.0], 4)
    layer = HashedEmbedding(500, 1, seed=1)
    raw = as_bytes(texts, 24)
    layer(raw)
    optimizer = tf.keras.optimizers.legacy.SGD(1.0)
    for _ in range(100):
        with tf.GradientTape() as tape:
            logits = layer(raw[::2])[:, 0]
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels[::2].astype(np.float32), logits))
        optimizer.apply_gradients(
            zip(tape.gradient(loss, layer.trainable_weights), layer.trainable_weights, strict=True)
        )
    assert ((layer(raw[1::2]).numpy()[:, 0] > 0) == labels[1::2]).all()


def test_the_seed_and_the_configuration_make_the_same_layer(tensorflow):
    from ml.layers.hashed_embedding import HashedEmbedding

    raw = as_bytes(TEXTS, SIZE)
    layer = HashedEmbedding(100, 4, seed=5, words=1)
    again = HashedEmbedding.from_config(layer.get_config())
    assert np.array_equal(layer(raw), again(raw))
    assert not np.array_equal(layer(raw), HashedEmbedding(100, 4, seed=6, words=1)(raw))
