"""What all architectures end with, and how their weights start."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from ml.architectures.base import BuildContext
from ml.layers.hashed_output import HashedOutput
from ml.layers.standardize import InUnits


def seed_of(context: BuildContext, name: str) -> int:
    """A seed that depends on the run's seed, the model's id and the layer's name alone.

    So adding a student to a spec does not change how the others start.
    """
    digest = hashlib.sha256(f"{context.seed}/{context.name}/{name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def seeded_initializer(context: BuildContext, name: str) -> Any:
    """He-uniform initializer with the layer's own seed."""
    return tf_keras.initializers.HeUniform(seed=seed_of(context, name))


def activation_layer(activation: str, *, name: str) -> Any:
    """The named activation as a layer."""
    if activation == "relu6":
        return tf_keras.layers.ReLU(max_value=6.0, name=name)
    if activation == "leaky_relu":
        return tf_keras.layers.LeakyReLU(alpha=0.1, name=name)
    return tf_keras.layers.Activation(activation, name=name)


def hidden_layers(x: tf.Tensor, units: Sequence[int], context: BuildContext) -> tf.Tensor:
    """Dense layers of `units` with the run's activation: [batch, …, features] → float32 [batch, …, last unit]."""
    for index, width in enumerate(units):
        x = tf_keras.layers.Dense(
            width, kernel_initializer=seeded_initializer(context, f"dense_{index}"), name=f"dense_{index}"
        )(x)
        x = activation_layer(context.activation, name=f"dense_{index}_activation")(x)
    return x


def picture_head(x: tf.Tensor, head: str, context: BuildContext) -> tf.Tensor:
    """[batch, height, width, channels] → [batch, values] by `head` ("average" or "flatten").

    For a sequence task the height is the time axis and stays: [batch, height, width * channels].
    """
    if context.is_sequence:
        return tf_keras.layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]), name="steps")(x)
    if head == "average":
        return tf_keras.layers.GlobalAveragePooling2D(name="average")(x)
    return tf_keras.layers.Flatten(name="flatten")(x)


def output_layer(x: tf.Tensor, context: BuildContext) -> tf.Tensor:
    """Logits, or the values of a regression: [batch, …, features] → float32 [batch, …, outputs]."""
    outputs = context.task.num_outputs
    if context.output_buckets is not None:
        return HashedOutput(outputs, buckets=context.output_buckets, seed=seed_of(context, "logits"), name="logits")(x)
    x = tf_keras.layers.Dense(outputs, kernel_initializer=seeded_initializer(context, "logits"), name="logits")(x)
    if context.task.type != "regression":
        return x
    return InUnits(context.statistics[context.task.label], name="in_units")(x)
