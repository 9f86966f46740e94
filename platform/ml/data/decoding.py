"""Serialized examples to batches of raw inputs and labels, in TensorFlow: what `ml.features.raw_values` gives for one.

Formats are those of `ml.data.examples`; a test holds both against each other.
"""

from __future__ import annotations

from math import prod

import numpy as np
import tensorflow as tf

from ml.data.dataset import DatasetInfo
from ml.features import FeatureSpec
from ml.tasks import TaskSpec

Batch = tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]


def decode_batch(records: tf.Tensor, info: DatasetInfo, *, is_labelled: bool = True) -> Batch:
    """Serialized examples [batch] → {feature: raw values [batch, …]}, {"label": labels}.

    An example without a label gets -1, or NaN in a regression. In a multi-label task, no label and the label of no
    class look the same here: `is_labelled` says which it is, so it must be false for the unlabelled split. Raises
    InvalidArgumentError for damaged examples.
    """
    schema = {feature.name: _form(feature) for feature in info.features} | {info.task.label: _label_form(info.task)}
    fields = tf.io.parse_example(records, schema)
    features = {feature.name: _values(fields[feature.name], feature) for feature in info.features}
    return features, {"label": _labels(fields[info.task.label], info, is_labelled=is_labelled)}


def _form(feature: FeatureSpec) -> object:
    if feature.type in ("sensor", "vector"):
        return tf.io.FixedLenFeature(feature.shape, tf.float32)
    if feature.type == "video":
        return tf.io.FixedLenFeature([feature.shape[0]], tf.string)
    if feature.is_tokens:
        return tf.io.VarLenFeature(tf.string)
    return tf.io.FixedLenFeature([], tf.string)


def _label_form(task: TaskSpec) -> object:
    return tf.io.VarLenFeature(tf.float32 if task.type == "regression" else tf.int64)


def _values(stored: tf.Tensor, feature: FeatureSpec) -> tf.Tensor:
    match feature.type:
        case "sensor" | "vector":
            return stored
        case "audio":
            # Without a fixed length, so that a sound that is too short is an error and not followed by silence.
            return tf.ensure_shape(tf.io.decode_raw(stored, tf.int16), [None, *feature.shape])
        case "text" if feature.is_tokens:
            tokens = tf.sparse.to_dense(stored, default_value="")[:, : feature.shape[0]]
            missing = feature.shape[0] - tf.shape(tokens)[1]
            tokens = tf.pad(tokens, [[0, 0], [0, missing]])
            texts = _bytes(tf.reshape(tokens, [-1]), feature.shape[1])
            return tf.reshape(texts, [-1, *feature.shape])
        case "text":
            return _bytes(stored, feature.shape[0])
    shape = feature.shape[-3:]
    pictures = tf.map_fn(
        # With the file's own number of channels, so that another one is an error and not converted.
        lambda png: tf.ensure_shape(tf.io.decode_png(png, 0), shape),
        tf.reshape(stored, [-1]),
        fn_output_signature=tf.TensorSpec(shape, tf.uint8),
    )
    return tf.reshape(pictures, [-1, *feature.shape])


def _bytes(texts: tf.Tensor, length: int) -> tf.Tensor:
    """UTF-8 texts [batch] → uint8 [batch, length]: cut between two characters, zeros after the end."""
    values = tf.io.decode_raw(texts, tf.uint8, fixed_length=length + 1)
    continues = tf.equal(tf.bitwise.bitwise_and(values, 0xC0), 0x80)
    # Where the byte after the last that fits continues a character, that character's other bytes go as well.
    positions = tf.range(length)
    starts = tf.where(continues[:, :length], 0, positions[tf.newaxis])
    end = tf.where(continues[:, length], tf.reduce_max(starts, axis=1), length)
    fits = positions[tf.newaxis] < end[:, tf.newaxis]
    return tf.where(fits, values[:, :length], tf.zeros_like(values[:, :length]))


def _labels(stored: tf.Tensor, info: DatasetInfo, *, is_labelled: bool) -> tf.Tensor:
    """See `ml.tasks.labels.label_values` for the forms."""
    task = info.task
    if task.type == "regression":
        return _dense(stored, task.num_outputs, float("nan"))
    if task.type == "classification":
        return _dense(stored, 1, -1)[:, 0]
    if task.type == "sequence":
        return _dense(stored, info.features[0].steps or 0, -1)
    batch = stored.dense_shape[0]
    if not is_labelled:
        return tf.fill([batch, task.num_outputs], -1.0)
    row, value = stored.indices[:, 0], stored.values
    shape = tf.stack([batch, tf.constant(task.num_outputs, tf.int64)])
    hot = tf.scatter_nd(tf.stack([row, value], axis=1), tf.ones_like(value, tf.float32), shape)
    # A class may be named twice.
    return tf.ensure_shape(tf.minimum(hot, 1.0), [None, task.num_outputs])


def _dense(stored: tf.Tensor, length: int, default: float) -> tf.Tensor:
    values = tf.sparse.to_dense(stored, default_value=tf.cast(default, stored.dtype))[:, :length]
    missing = length - tf.shape(values)[1]
    padded = tf.pad(values, [[0, 0], [0, missing]], constant_values=tf.cast(default, stored.dtype))
    return tf.ensure_shape(padded, [None, length])


def example_bytes(info: DatasetInfo) -> int:
    """Memory of one decoded example."""
    labels = {"classification": 1, "sequence": info.features[0].steps or 0}.get(info.task.type, info.task.num_outputs)
    return sum(prod(feature.shape) * np.dtype(feature.dtype).itemsize for feature in info.features) + 8 * labels
