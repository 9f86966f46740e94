"""Answers to many examples are those to one at a time, whether or not the file can take a batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from ml.evaluation.answers import AT_ONCE, Answers
from ml.evaluation.runtime import Runtime

pytestmark = pytest.mark.engine


def file_of(path: Path, function) -> Runtime:
    signature = tf.function(function, input_signature=[tf.TensorSpec((1, 4), tf.float32, name="x")])
    module = tf.Module()
    module.serve = signature
    converter = tf.lite.TFLiteConverter.from_concrete_functions([signature.get_concrete_function()], module)
    path.write_bytes(converter.convert())
    return Runtime(path)


def alone(runtime: Runtime, examples):
    return np.stack([runtime.predict(example) for example in examples])


@pytest.fixture
def examples():
    values = np.random.default_rng(3).normal(size=(2 * AT_ONCE + 5, 4)).astype(np.float32)
    return [{"x": row} for row in values]


def test_a_file_that_takes_a_batch_is_asked_several_at_a_time(tmp_path, examples, monkeypatch):
    runtime = file_of(tmp_path / "m.tflite", lambda x: {"y": tf.nn.softmax(x @ tf.eye(4, 3))})
    expected = alone(runtime, examples)
    count, predict = 0, runtime.predict

    def counted(inputs):
        nonlocal count
        count += 1
        return predict(inputs)

    monkeypatch.setattr(runtime, "predict", counted)
    answers = Answers(runtime)
    np.testing.assert_allclose(answers(examples), expected, rtol=1e-5)
    assert count == AT_ONCE + 5  # the first batch, to compare, and the rest
    np.testing.assert_allclose(answers(examples[:3]), expected[:3], rtol=1e-5)


def test_one_that_mixes_the_examples_of_a_batch_is_asked_one_by_one(tmp_path, examples):
    runtime = file_of(tmp_path / "m.tflite", lambda x: {"y": x - tf.reduce_mean(x)})
    assert runtime.for_batch(AT_ONCE) is not None
    np.testing.assert_array_equal(Answers(runtime)(examples), alone(runtime, examples))


def test_one_that_is_bound_to_one_example_is_asked_one_by_one(tmp_path, examples):
    runtime = file_of(tmp_path / "m.tflite", lambda x: {"y": tf.reshape(x, (1, 2, 2))})
    assert runtime.for_batch(AT_ONCE) is None
    np.testing.assert_array_equal(Answers(runtime)(examples), alone(runtime, examples))
