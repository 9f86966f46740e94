"""The LSTM layer is the published recurrence, and forgets everything between two inferences on a device."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ml.architectures.tiny import converted

pytestmark = pytest.mark.engine


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def slow_lstm(x: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> np.ndarray:
    units = len(recurrent)
    outputs = np.zeros((*x.shape[:2], units))
    for row, sequence in enumerate(x):
        h, c = np.zeros(units), np.zeros(units)
        for index, values in enumerate(sequence):
            i, f, g, o = np.split(values @ kernel + h @ recurrent + bias, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            outputs[row, index] = h
    return outputs


def test_it_is_the_recurrence_of_the_paper(tensorflow):
    from ml.layers.long_short_term_memory import LongShortTermMemory

    layer = LongShortTermMemory(5, seed=3)
    x = np.random.default_rng(0).normal(size=(4, 7, 3)).astype(np.float32)
    found = layer(x).numpy()
    assert np.allclose(found, slow_lstm(x, *(weight.numpy() for weight in layer.weights)), atol=1e-6)


def test_it_takes_the_weights_and_gives_the_gradients_of_the_keras_layer(tensorflow):
    import tf_keras

    from ml.layers.long_short_term_memory import LongShortTermMemory

    tf = tensorflow
    x = tf.constant(np.random.default_rng(1).normal(size=(4, 6, 3)), tf.float32)
    own, theirs = LongShortTermMemory(5, seed=3), tf_keras.layers.LSTM(5, return_sequences=True)
    own(x), theirs(x)
    theirs.set_weights(own.get_weights())
    gradients = []
    for layer in (own, theirs):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x)[:, -1] ** 2)
        gradients.append(tape.gradient(loss, [x, *layer.trainable_variables]))
    assert len(gradients[0]) == 4
    for mine, expected in zip(*gradients, strict=True):
        assert np.allclose(mine, expected, atol=1e-6)


def test_the_seed_decides_how_all_weights_start_and_the_forget_gate_starts_open(tensorflow):
    from ml.layers.long_short_term_memory import LongShortTermMemory

    def weights(seed):
        layer = LongShortTermMemory(4, seed=seed)
        layer.build([None, 5, 3])
        return layer.get_weights()

    assert all(np.array_equal(a, b) for a, b in zip(weights(1), weights(1), strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(weights(1)[:2], weights(2)[:2], strict=True))
    assert weights(1)[2].tolist() == [0] * 4 + [1] * 4 + [0] * 8


def test_the_second_inference_of_a_file_does_not_remember_the_first(tensorflow):
    import tf_keras

    from ml.layers.long_short_term_memory import LongShortTermMemory

    steps, units = 200, 32
    raw = tf_keras.Input((steps, 3), name="motion")
    model = tf_keras.Model({"motion": raw}, LongShortTermMemory(units, seed=3)(raw))
    x = np.random.default_rng(0).normal(size=(3, steps, 3)).astype(np.float32)
    file = converted(model)
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" not in file.operators
    for row in [*x, *x]:
        expected = model({"motion": row[np.newaxis]}).numpy()[0]
        assert np.allclose(file.predict(motion=row), expected, atol=1e-5)
    weights = 4 * (3 + units + 1) * units * 4
    # Room for the operators, none for a constant of steps * units floats, which would be 25 KB.
    assert file.size < weights + 12_000
