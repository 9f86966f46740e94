from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from ml.compatibility.flatbuffer import read_model
from ml.conversion.compacting import exact_scale
from ml.conversion.metadata import ModelMetadata, embed_metadata

pytestmark = pytest.mark.engine

METADATA = ModelMetadata(labels=[], inputs=[], outputs=[], model_id="m")


@pytest.mark.parametrize("seed", range(20))
def test_multiples_of_any_scale_are_found(seed):
    generator = np.random.default_rng(seed)
    # From dense steps to a few that are far apart.
    steps = generator.integers(-127, 128, int(generator.integers(3, 3000)))
    scale = np.float32(10.0 ** generator.uniform(-6, 6))
    values = (steps * scale).astype(np.float32)
    found = exact_scale(values)
    assert found is not None
    again = np.round(values / found)
    assert np.abs(again).max() <= 127
    assert np.array_equal((again.astype(np.int8) * found).astype(np.float32), values)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [([1, -1], 1), ([0, 5, -5], 5), ([6, 10, 15], 1), ([0, 126, 127], 1), ([7, 127], 1), ([4, 100], 4), ([-127], 127)],
)
def test_steps_may_be_few_and_far_between(steps, expected):
    values = np.array(steps, np.float32) * np.float32(0.3)
    assert exact_scale(values) == pytest.approx(0.3 * expected)


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(0).normal(0, 1, 1000),
        np.random.default_rng(0).normal(0, 1, 5),
        np.arange(-128, 128),
        [0.0, 0.0],
        [1.0, float("nan")],
        [1.0, float("inf")],
        [1.0, 1000.0],
        # One digit is another than in a multiple.
        [*range(120), np.nextafter(np.float32(120), np.float32(121))],
    ],
)
def test_what_is_no_multiple_exactly_has_no_scale(values):
    assert exact_scale(np.asarray(values, np.float32)) is None


def file_of(tensorflow, function: Any, size: int) -> bytes:
    tf = tensorflow
    concrete = tf.function(function).get_concrete_function(x=tf.TensorSpec([1, size], tf.float32, name="x"))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return bytes(converter.convert())


def run(content: bytes, inputs: np.ndarray) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    outputs = []
    for one in inputs:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], one[np.newaxis])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    return np.stack(outputs)


def float_constants(content: bytes) -> list[list[int]]:
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    return [
        list(tensor.shape)
        for graph in model.subgraphs
        for tensor in graph.tensors
        if tensor.type == schema.TensorType.FLOAT32 and model.buffers[tensor.buffer].data is not None
    ]


def test_multiples_are_stored_as_integers_and_all_else_as_it_was(tensorflow):
    tf, generator = tensorflow, np.random.default_rng(0)
    multiples = (generator.integers(-127, 128, (40, 30)) * np.float32(0.013)).astype(np.float32)
    signs = generator.choice(np.array([-1, 1], np.float32), (30, 25))
    small = generator.choice(np.array([-1, 1], np.float32), (25, 6))
    weights = generator.normal(0, 1, (25, 40)).astype(np.float32)

    def function(x):
        x = tf.tanh(tf.matmul(x, tf.constant(multiples)))
        x = tf.matmul(x, tf.constant(signs))
        return {"y": tf.concat([tf.matmul(x, tf.constant(small)), tf.matmul(x, tf.constant(weights))], 1)}

    before = file_of(tensorflow, function, 40)
    after = embed_metadata(before, METADATA)
    inputs = generator.normal(0, 1, (10, 40)).astype(np.float32)
    assert np.array_equal(run(before, inputs), run(after, inputs))
    # Three of four bytes of the two that are worth it, less the operators.
    assert len(before) - len(after) > 3 * (multiples.size + signs.size) - 1000
    kept = [sorted(shape) for shape in float_constants(after) if np.prod(shape) > 100]
    assert sorted(kept) == [sorted(small.shape), sorted(weights.shape)]
    assert ("DEQUANTIZE", 2) in read_model(after).operators


def test_what_goes_out_as_it_is_stays_as_it_is(tensorflow):
    tf = tensorflow
    table = np.tile(np.array([-1, 1], np.float32), 500)
    content = file_of(tensorflow, lambda x: {"y": tf.constant(table), "z": x + 1.0}, 2)
    again = embed_metadata(content, METADATA)
    assert [1000] in float_constants(again)
    assert read_model(again).operators == read_model(content).operators


def test_files_with_a_loop_get_smaller_as_well(tensorflow):
    tf = tensorflow
    table = np.tile(np.array([-1, 1], np.float32), (50, 20))

    def function(x):
        x = tf.matmul(x, tf.constant(table))
        return {"y": tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, tf.tanh(y) + x), (tf.constant(0), x))[1]}

    before = file_of(tensorflow, function, 50)
    assert len(schema.ModelT.InitFromPackedBuf(before, 0).subgraphs) > 1
    after = embed_metadata(before, METADATA)
    inputs = np.random.default_rng(0).normal(0, 1, (3, 50)).astype(np.float32)
    assert np.array_equal(run(before, inputs), run(after, inputs))
    assert len(before) - len(after) > 3 * table.size - 1000
