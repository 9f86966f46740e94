from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.compatibility.flatbuffer import NotAModelError, read_model
from ml.evaluation.flops import count_flops
from ml.evaluation.memory import smallest_model


@pytest.fixture
def flops(tensorflow, tmp_path):
    """`flops(call, shape, …)` → what is counted, and the names of the operators, of a converted function."""
    tf = tensorflow

    def count(call, *shapes):
        function = tf.function(lambda *inputs: call(*inputs)).get_concrete_function(*map(tf.TensorSpec, shapes))
        path = tmp_path / "model.tflite"
        path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([function], call).convert())
        return count_flops(path), {name for name, _version in read_model(path.read_bytes()).operators}

    return count


@pytest.mark.engine
def test_convolutions_count_each_use_of_a_kernel_value_twice(tensorflow, flops):
    import tf_keras

    layers = tf_keras.layers
    model = tf_keras.Sequential(
        [
            layers.Input((12, 10, 3)),
            layers.Conv2D(5, 3, padding="same", activation="relu"),
            layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
            layers.Conv2DTranspose(4, 2, strides=2),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(7),
        ]
    )
    found, operators = flops(model, (1, 12, 10, 3))
    assert {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "MAX_POOL_2D", "FULLY_CONNECTED"} <= operators
    assert found == (
        2 * (12 * 10 * 5) * (3 * 3 * 3)
        + 2 * (12 * 10 * 10) * (3 * 3)
        + 2 * (12 * 10 * 10) * (2 * 2 * 4)
        + (12 * 10 * 4) * (2 * 2)
        + 2 * (12 * 10 * 4) * 7
    )


@pytest.mark.engine
def test_products_transforms_and_what_is_done_to_each_value(tensorflow, flops):
    tf = tensorflow

    def call(x, y):
        product = tf.matmul(x, y, transpose_a=True)  # [2, 16, 5]
        spectrum = tf.abs(tf.signal.rfft(x))  # [2, 8, 9]
        return tf.nn.softmax(product), tf.reduce_sum(spectrum, axis=1), tf.reshape(x, [-1])

    found, operators = flops(call, (2, 8, 16), (2, 8, 5))
    assert {"BATCH_MATMUL", "RFFT2D", "COMPLEX_ABS", "SOFTMAX", "SUM", "RESHAPE"} <= operators
    # A real transform of 16 values takes 2.5 * 16 * log2(16) operations.
    assert found == 2 * (2 * 16 * 5) * 8 + 2 * 16 * 5 + (2 * 8) * 160 + 2 * 8 * 9 + 2 * 8 * 9


@pytest.mark.engine
def test_a_fused_lstm_applies_its_matrices_in_each_step(tensorflow, flops):
    import tf_keras

    model = tf_keras.Sequential([tf_keras.layers.Input((10, 4)), tf_keras.layers.LSTM(8, return_sequences=True)])
    found, operators = flops(model, (1, 10, 4))
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" in operators
    assert found == 2 * 10 * 4 * (8 * 4 + 8 * 8)


@pytest.mark.engine
@pytest.mark.parametrize("steps", [1, 10])
def test_a_loop_counts_as_often_as_it_runs(tensorflow, flops, steps):
    tf = tensorflow
    matrix = tf.constant(np.random.default_rng(0).normal(size=(6, 6)), tf.float32)

    def call(x):
        body = lambda index, x: (index + 1, tf.tanh(tf.matmul(x, matrix)))  # noqa: E731
        return tf.while_loop(lambda index, _: index < steps, body, (tf.constant(0), x))[1]

    found, operators = flops(call, (1, 6))
    if steps > 1:
        assert "WHILE" in operators
    # In each round a product, an activation, the counter and its comparison.
    assert found == steps * (2 * 6 * 6 + 6 + 1 + 1)


@pytest.mark.engine
def test_of_a_choice_the_larger_branch_counts(tensorflow, flops):
    tf = tensorflow

    def call(x):
        return tf.cond(tf.reduce_sum(x) > 0.0, lambda: tf.tanh(tf.tanh(x)), lambda: tf.tanh(x))

    found, operators = flops(call, (1, 50))
    assert "IF" in operators
    assert found == 50 + 1 + 100


def test_a_dense_layer_counts_each_weight_twice(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(smallest_model())
    assert count_flops(path) == 2 * 4 * 4


def test_what_is_no_model_is_said(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"nothing")
    with pytest.raises(NotAModelError, match=r"not a \.tflite model"):
        count_flops(path)


def test_a_model_that_calls_itself_is_refused(tmp_path):
    with pytest.raises(NotAModelError, match=r"call each other. Received: depth 9. Accepted: up to 8"):
        count_flops(calling_itself(tmp_path / "model.tflite"))


def calling_itself(path: Path) -> Path:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(smallest_model(), 0))
    model.operatorCodes[0].builtinCode = model.operatorCodes[0].deprecatedBuiltinCode = schema.BuiltinOperator.IF
    operator = model.subgraphs[0].operators[0]
    operator.builtinOptionsType = schema.BuiltinOptions.IfOptions
    operator.builtinOptions = schema.IfOptionsT()  # both branches are subgraph 0
    builder = flatbuffers.Builder(512)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path
