"""What all architectures end with, and how their weights start."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from ml.architectures.base import BuildContext


def seeded_initializer(context: BuildContext, name: str) -> Any:
    """He-uniform initializer whose seed depends on the run's seed, the model's id and the layer's name alone.

    So adding a student to a spec does not change how the others start.
    """
    digest = hashlib.sha256(f"{context.seed}/{context.name}/{name}".encode()).digest()
    return tf_keras.initializers.HeUniform(seed=int.from_bytes(digest[:4], "big") >> 1)


def activation_layer(activation: str, *, name: str) -> Any:
    """The named activation as a layer."""
    if activation == "relu6":
        return tf_keras.layers.ReLU(max_value=6.0, name=name)
    if activation == "leaky_relu":
        return tf_keras.layers.LeakyReLU(alpha=0.1, name=name)
    return tf_keras.layers.Activation(activation, name=name)


def dense_head(x: tf.Tensor, units: Sequence[int], context: BuildContext) -> tf.Tensor:
    """Hidden dense layers of `units`, then logits: [batch, features] → float32 [batch, num_classes]."""
    for index, width in enumerate(units):
        x = tf_keras.layers.Dense(
            width, kernel_initializer=seeded_initializer(context, f"dense_{index}"), name=f"dense_{index}"
        )(x)
        x = activation_layer(context.activation, name=f"dense_{index}_activation")(x)
    return tf_keras.layers.Dense(
        context.num_classes, kernel_initializer=seeded_initializer(context, "logits"), name="logits"
    )(x)
