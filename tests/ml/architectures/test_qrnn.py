"""A QRNN is masked convolutions and fo-pooling, in one direction or in both, whatever follows a text."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from ml.architectures import MODEL_TYPES
from tests.ml.architectures.texts import outputs_in_fields
from tests.ml.architectures.tiny import FEATURES, context_of, tiny_model

pytestmark = pytest.mark.engine


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def slow_qrnn(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """x [batch, steps, values], kernel [size, values, 3 * width], the last tap on the present."""
    size, width = len(kernel), kernel.shape[2] // 3
    outputs = np.zeros((*x.shape[:2], width))
    for row, sequence in enumerate(x):
        c = np.zeros(width)
        for step in range(len(sequence)):
            gates = bias.copy()
            for tap in range(size):
                place = step - (size - 1 - tap)
                gates += sequence[place] @ kernel[tap] if place >= 0 else 0.0
            z, f, o = np.tanh(gates[:width]), sigmoid(gates[width : 2 * width]), sigmoid(gates[2 * width :])
            c = f * c + (1.0 - f) * z
            outputs[row, step] = o * c
    return outputs


@pytest.mark.parametrize("kernel_size", [1, 2, 4])
def test_a_layer_is_that_of_the_paper(tensorflow, kernel_size):
    import tf_keras

    motion = FEATURES["sensor"]
    params = {"units": [5], "kernel_size": kernel_size}
    model = tiny_model("qrnn", params, context_of(motion, task="sequence"))
    kernel, _ = model.get_layer("qrnn_0").get_weights()
    bias = np.linspace(-1, 1, 15)
    model.get_layer("qrnn_0").set_weights([kernel, bias])
    x = np.random.default_rng(0).normal(size=(3, *motion.shape)).astype(np.float32)
    encoded = tf_keras.Model(model.inputs, model.get_layer("qrnn_0_pooling").output)
    # The statistics of the feature are those of standardized values.
    assert encoded({"motion": x}).numpy() == pytest.approx(slow_qrnn(x, kernel[:, 0], bias), abs=1e-6)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_zeros_after_a_text_change_nothing(tensorflow, bidirectional):
    params = {"units": [6, 5], "kernel_size": 3, "bidirectional": bidirectional}
    short, long = outputs_in_fields("qrnn", params, "tea", "hello world", "", lengths=(12, 40))
    assert short == pytest.approx(long, abs=1e-6)
    assert len(np.unique(short.round(4), axis=0)) == 3


@pytest.mark.parametrize("bidirectional", [False, True])
def test_only_both_directions_tell_the_first_step_of_the_last(tensorflow, bidirectional):
    motion = FEATURES["sensor"]
    params = {"units": [6], "bidirectional": bidirectional}
    model = tiny_model("qrnn", params, context_of(motion, task="sequence"))
    raw = np.zeros((2, *motion.shape), np.float32)
    raw[1, 3] = 1.0
    first = model({"motion": raw}).numpy()[:, 0]
    assert (np.abs(first[0] - first[1]).max() > 1e-4) == bidirectional


@pytest.mark.parametrize("params", [{"units": []}, {"kernel_size": 0}, {"kernel_size": 17}])
def test_bad_parameters_are_refused(params):
    with pytest.raises(ValidationError, match=next(iter(params))):
        MODEL_TYPES["qrnn"].params.model_validate(params)
