"""What TensorBoard reads, as the protocol buffers that TensorFlow has. The tensorboard package is not needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.core.framework import summary_pb2, tensor_pb2
from tensorflow.core.util import event_pb2

# float64 [buckets, 3]: left edge, right edge, how many values.
Buckets = npt.NDArray[np.float64]

MAX_BUCKETS = 30
MAX_GRAPH_BYTES = 10_000_000
# Constants up to this size are shown with their values.
_SHOWN_CONSTANT_BYTES = 256


def first_event(time: float) -> bytes:
    """Each event file begins with it. `time` here and below is seconds since 1970."""
    return serialized(event_pb2.Event(wall_time=time, file_version="brain.Event:2"))


def scalars_event(step: int, time: float, values: Mapping[str, float]) -> bytes:
    """Shown under Scalars, by tag."""
    event = event_pb2.Event(wall_time=time, step=step)
    for tag, value in values.items():
        event.summary.value.add(tag=tag, simple_value=value)
    return serialized(event)


def histograms_event(step: int, time: float, histograms: Mapping[str, Buckets]) -> bytes:
    """Shown under Histograms and under Distributions, by tag."""
    event = event_pb2.Event(wall_time=time, step=step)
    for tag, buckets in histograms.items():
        plugin = summary_pb2.SummaryMetadata.PluginData(plugin_name="histograms")
        metadata = summary_pb2.SummaryMetadata(plugin_data=plugin, data_class=summary_pb2.DATA_CLASS_TENSOR)
        event.summary.value.add(tag=tag, metadata=metadata, tensor=tf.make_tensor_proto(buckets, tf.float64))
    return serialized(event)


def graph_event(time: float, graph: Any) -> bytes:
    """Shown under Graphs; `graph` is a GraphDef."""
    return serialized(event_pb2.Event(wall_time=time, graph_def=graph.SerializeToString()))


def serialized(event: Any) -> bytes:
    return bytes(event.SerializeToString())


def step_of(event: bytes) -> int:
    """The step of a serialized event."""
    return int(event_pb2.Event.FromString(event).step)


def buckets_of(values: npt.NDArray[np.floating[Any]]) -> Buckets | None:
    """The finite values in 30 buckets of equal width; in one if all are the same, None if there are none."""
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size:
        return None
    if finite.min() == finite.max():
        return np.array([[finite[0], finite[0], finite.size]], np.float64)
    counts, edges = np.histogram(finite, MAX_BUCKETS)
    return np.stack([edges[:-1], edges[1:], counts.astype(np.float64)], axis=1)


def trimmed(graph: Any, *, limit: int = MAX_GRAPH_BYTES) -> Any | None:
    """The GraphDef, changed in place, below `limit` bytes; None if that can't be done.

    Large constants lose their values but not their shape. Where this is not enough, the shapes of edges go, then what
    is inside of functions, as the bodies of loops.
    """
    for node in _nodes(graph):
        tensor = node.attr["value"].tensor if node.op == "Const" else None
        if tensor is not None and tensor.ByteSize() > _SHOWN_CONSTANT_BYTES:
            shape_only = tensor_pb2.TensorProto(dtype=tensor.dtype, tensor_shape=tensor.tensor_shape)
            node.attr["value"].tensor.CopyFrom(shape_only)
    if graph.ByteSize() >= limit:
        for node in _nodes(graph):
            node.attr.pop("_output_shapes", None)
    if graph.ByteSize() >= limit:
        graph.ClearField("library")
    return graph if graph.ByteSize() < limit else None


def _nodes(graph: Any) -> Iterable[Any]:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def
