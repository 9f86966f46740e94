"""What an uploaded model gets to see of a feature. No TensorFlow at module level."""

from __future__ import annotations

from typing import Any, Literal

from ml.features import FeatureSpec, FeatureType

InputScale = Literal["raw", "0..1", "-1..1"]

# The scales that there are for a type of feature: pixels, samples; other values are as they are.
SCALES: dict[FeatureType, tuple[InputScale, ...]] = {
    "image": ("raw", "0..1", "-1..1"),
    "video": ("raw", "0..1", "-1..1"),
    "audio": ("raw", "-1..1"),
    "sensor": ("raw",),
    "vector": ("raw",),
    "text": ("raw",),
}


def scale_and_offset(feature: FeatureSpec, scale: InputScale) -> tuple[float, float]:
    """The factor, and then what is added, that take raw pixels or samples to a scale; 1 and 0 for all other values."""
    if scale == "raw" or scale not in SCALES[feature.type]:
        return 1.0, 0.0
    if feature.type == "audio":
        return 1 / 32768, 0.0
    return (1 / 255, 0.0) if scale == "0..1" else (1 / 127.5, -1.0)


def scaled(raw: Any, feature: FeatureSpec, scale: InputScale, dtype: Any) -> Any:
    """A raw batch on a scale, in the dtype that a model wants; text as strings if it wants those."""
    import tensorflow as tf

    if dtype == tf.string:
        return as_strings(raw)
    factor, offset = scale_and_offset(feature, scale)
    if (factor, offset) == (1.0, 0.0):
        return tf.cast(raw, dtype)
    return tf.cast(tf.cast(raw, tf.float32) * factor + offset, dtype)


def as_strings(raw: Any) -> Any:
    """uint8 [batch, …, bytes], with zeros after the end → string [batch, …]."""
    import tensorflow as tf

    characters = tf.constant([b"", *(bytes([value]) for value in range(1, 256))])
    return tf.strings.reduce_join(tf.gather(characters, tf.cast(raw, tf.int32)), axis=-1)
