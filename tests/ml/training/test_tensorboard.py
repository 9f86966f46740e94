"""The events themselves. That TensorBoard shows them follows from the fields that it reads."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.engine


def parsed(event: bytes):
    from tensorflow.core.util import event_pb2

    return event_pb2.Event.FromString(event)


def test_a_histogram_counts_every_value_once(tensorflow):
    from ml.training.tensorboard import MAX_BUCKETS, buckets_of

    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    buckets = buckets_of(values)
    assert buckets.shape == (MAX_BUCKETS, 3)
    left, right, counts = buckets.T
    assert (left[0], right[-1]) == (values.min(), values.max())
    assert np.array_equal(left[1:], right[:-1])
    for index in range(MAX_BUCKETS):
        is_last = index == MAX_BUCKETS - 1
        inside = (values >= left[index]) & ((values < right[index]) | (is_last & (values <= right[index])))
        assert counts[index] == inside.sum()


def test_what_is_not_finite_is_left_out_of_a_histogram(tensorflow):
    from ml.training.tensorboard import buckets_of

    assert buckets_of(np.array([np.nan, 2.0, np.inf, 2.0, -np.inf])).tolist() == [[2.0, 2.0, 2.0]]
    assert buckets_of(np.array([np.nan])) is None
    assert buckets_of(np.array([])) is None


def test_values_that_differ_by_the_least_still_have_buckets(tensorflow):
    from ml.training.tensorboard import buckets_of

    assert buckets_of(np.array([1.0, np.nextafter(np.float32(1.0), np.float32(2.0))], np.float32))[:, 2].sum() == 2
    assert buckets_of(np.array([0.0, 1e-45], np.float32))[:, 2].sum() == 2
    assert buckets_of(np.array([-3e38, 3e38], np.float32))[:, 2].sum() == 2


def test_histograms_are_tensors_of_the_plugin_that_shows_them(tensorflow):
    from tensorflow.core.framework import summary_pb2

    from ml.training.tensorboard import histograms_event

    buckets = np.array([[0.0, 1.0, 3.0], [1.0, 2.0, 4.0]])
    event = parsed(histograms_event(7, 12.5, {"small/weights/kernel": buckets}))
    assert (event.step, event.wall_time) == (7, 12.5)
    (value,) = event.summary.value
    assert value.tag == "small/weights/kernel"
    assert value.metadata.plugin_data.plugin_name == "histograms"
    assert value.metadata.data_class == summary_pb2.DATA_CLASS_TENSOR
    tensor = tensorflow.make_ndarray(value.tensor)
    assert tensor.dtype == np.float64
    assert np.array_equal(tensor, buckets)


def graph_of(tensorflow, values: int):
    tf = tensorflow
    array = np.random.default_rng(0).normal(size=values).astype(np.float32)

    @tf.function
    def call(x):
        constant = tf.constant(array)
        return tf.while_loop(lambda index, _: index < 3, lambda index, x: (index + 1, x * constant), (0, x))[1]

    return call.get_concrete_function(tf.TensorSpec([values])).graph.as_graph_def(add_shapes=True)


def test_a_graph_loses_the_values_of_large_constants_but_not_their_shape(tensorflow):
    from ml.training.tensorboard import trimmed

    graph = graph_of(tensorflow, 10_000)
    whole = graph.ByteSize()
    names = [node.name for node in graph.node]
    found = trimmed(graph)
    assert found.ByteSize() < whole - 40_000
    assert [node.name for node in found.node] == names
    constants = [
        node.attr["value"].tensor
        for function in (found, *found.library.function)
        for node in getattr(function, "node", getattr(function, "node_def", ()))
        if node.op == "Const"
    ]
    large = [tensor for tensor in constants if [dim.size for dim in tensor.tensor_shape.dim] == [10_000]]
    assert large
    assert not any(tensor.tensor_content for tensor in large)
    assert any(tensor.int_val == [3] for tensor in constants)


def test_a_graph_that_stays_too_large_loses_more_and_is_left_out_at_last(tensorflow):
    from ml.training.tensorboard import trimmed

    whole = trimmed(graph_of(tensorflow, 10)).ByteSize()
    without_shapes = trimmed(graph_of(tensorflow, 10), limit=whole)
    assert without_shapes.library.function
    assert not any("_output_shapes" in node.attr for node in without_shapes.node)
    without_functions = trimmed(graph_of(tensorflow, 10), limit=without_shapes.ByteSize())
    assert not without_functions.library.function
    assert without_functions.node
    assert trimmed(graph_of(tensorflow, 10), limit=without_functions.ByteSize()) is None
