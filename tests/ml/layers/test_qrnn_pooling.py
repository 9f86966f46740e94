from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.engine

STEPS = [1, 2, 7, 8, 9, 32, 33, 100, 256]


def slow_pooling(z: np.ndarray, forget: np.ndarray, output: np.ndarray | None) -> np.ndarray:
    """Equations 3 and 4, one step after the other in double precision."""
    state = np.zeros((len(z), z.shape[2]))
    found = np.zeros(z.shape)
    for step in range(z.shape[1]):
        state = forget[:, step].astype(float) * state + (1 - forget[:, step].astype(float)) * z[:, step]
        found[:, step] = state if output is None else output[:, step] * state
    return found


def parts(steps: int, width: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z in [-1, 1], and gates in [0, 1] with some at either end."""
    generator = np.random.default_rng(steps)
    z, forget, output = generator.random((3, 4, steps, width)).astype(np.float32)
    forget = np.clip(forget * 1.4 - 0.2, 0, 1)
    return 2 * z - 1, forget, output


@pytest.mark.parametrize("steps", STEPS)
def test_both_poolings_equal_the_reference(tensorflow, steps):
    from ml.layers.qrnn_pooling import QrnnPooling

    z, forget, output = parts(steps)
    layer = QrnnPooling(name="pooling")
    np.testing.assert_allclose(layer([z, forget]), slow_pooling(z, forget, None), atol=1e-6)
    np.testing.assert_allclose(layer([z, forget, output]), slow_pooling(z, forget, output), atol=1e-6)


def test_a_gate_that_stays_open_keeps_the_first_value_to_the_end(tensorflow):
    from ml.layers.qrnn_pooling import QrnnPooling

    z = np.random.default_rng(0).normal(size=(2, 200, 3)).astype(np.float32)
    forget = np.ones_like(z)
    forget[:, 0] = 0
    found = QrnnPooling()([z, forget]).numpy()
    assert np.array_equal(found, np.repeat(z[:, :1], 200, axis=1))


def test_gradients_equal_those_of_a_loop(tensorflow):
    from ml.layers.qrnn_pooling import QrnnPooling

    tf = tensorflow
    z, forget, output = (tf.constant(part) for part in parts(37))
    weights = tf.constant(np.random.default_rng(1).normal(size=z.shape), tf.float32)

    def loop():
        states, state = [], tf.zeros_like(z[:, 0])
        for step in range(37):
            state = forget[:, step] * state + (1 - forget[:, step]) * z[:, step]
            states.append(state)
        return output * tf.stack(states, 1)

    found = []
    for pooled in (lambda: QrnnPooling()([z, forget, output]), loop):
        with tf.GradientTape() as tape:
            tape.watch([z, forget, output])
            loss = tf.reduce_sum(weights * pooled())
        found.append(tape.gradient(loss, [z, forget, output]))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("steps", [6, 100])
def test_litert_gives_the_same_values_from_a_small_file(tensorflow, in_litert, steps):
    from ml.layers.qrnn_pooling import QrnnPooling

    inputs = parts(steps)
    layer = QrnnPooling()
    runtime = in_litert(layer, *[(steps, 3)] * 3)
    found = [runtime(*(part[row] for part in inputs)) for row in range(4)]
    np.testing.assert_allclose(found, layer(list(inputs)).numpy(), atol=1e-6)
    assert len(runtime.content) < 16_000
    assert "WHILE" not in runtime.operators


def test_it_is_made_again_from_its_configuration(tensorflow):
    from ml.layers.qrnn_pooling import QrnnPooling

    layer = QrnnPooling.from_config(QrnnPooling(name="one").get_config())
    assert layer.name == "one"
    assert layer.compute_output_shape([(None, 5, 3), (None, 5, 3)]) == (None, 5, 3)


def test_another_number_of_inputs_is_refused(tensorflow):
    from ml.layers.qrnn_pooling import QrnnPooling

    with pytest.raises(ValueError, match=r"Received: 1 inputs\. Accepted: z, f or z, f, o"):
        QrnnPooling()([np.zeros((1, 2, 3), np.float32)])
