"""The end of a text: zeros follow it, and a recurrent network must not see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from ml.features import FeatureSpec


def valid_steps(raw: tf.Tensor, feature: FeatureSpec) -> Any:
    """How many steps of each example count: int32 [batch]; None where all do, as of all but text."""
    return ValidSteps(name=f"{feature.name}_valid_steps")(raw) if feature.type == "text" else None


def both_ways(
    read: Callable[[tf.Tensor, str], tf.Tensor], x: tf.Tensor, valid: Any, *, name: str, keep_steps: bool
) -> tf.Tensor:
    """What `read(x, layer name)` gives for the steps in order and in reverse, side by side.

    [batch, steps, values] → [batch, steps, 2 * units]; without `keep_steps` where each way ends: [batch, 2 * units].
    """
    forwards = read(x, f"{name}_forwards")
    backwards = read(reversed_steps(x, valid, name=f"{name}_reverse"), f"{name}_backwards")
    if keep_steps:
        backwards = reversed_steps(backwards, valid, name=f"{name}_in_order")
    else:
        forwards = last_step(forwards, valid, name=f"{name}_last")
        backwards = last_step(backwards, valid, name=f"{name}_first")
    return tf_keras.layers.Concatenate(name=name)([forwards, backwards])


def reversed_steps(x: tf.Tensor, valid: Any, *, name: str) -> tf.Tensor:
    """[batch, steps, values] with its `valid` steps in reverse order; what follows them stays."""
    return ReversedSteps(name=name)(x) if valid is None else ReversedSteps(name=name)(x, valid)


def last_step(x: tf.Tensor, valid: Any, *, name: str = "last_step") -> tf.Tensor:
    """[batch, steps, values] → the last valid step: [batch, values]."""
    return LastStep(name=name)(x) if valid is None else LastStep(name=name)(x, valid)


@tf_keras.saving.register_keras_serializable("bantam")
class ValidSteps(tf_keras.layers.Layer):  # type: ignore[misc]
    """uint8 [batch, bytes] or [batch, tokens, bytes] → the number of bytes or tokens up to the last that is not zero.

    int32 [batch], at least 1, so that there is always a last one.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        numbers = tf.cast(inputs, tf.int32)
        if len(inputs.shape) == 3:
            numbers = tf.reduce_max(numbers, 2)
        places = tf.range(1, inputs.shape[1] + 1)
        return tf.maximum(tf.reduce_max(tf.minimum(numbers, 1) * places, 1), 1)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None]:
        return (input_shape[0],)


@tf_keras.saving.register_keras_serializable("bantam")
class ReversedSteps(tf_keras.layers.Layer):  # type: ignore[misc]
    """See `reversed_steps`. Undoes itself."""

    def call(self, inputs: tf.Tensor, valid: Any = None) -> tf.Tensor:
        return tf.reverse(inputs, [1]) if valid is None else tf.reverse_sequence(inputs, valid, seq_axis=1)


@tf_keras.saving.register_keras_serializable("bantam")
class LastStep(tf_keras.layers.Layer):  # type: ignore[misc]
    """See `last_step`."""

    def call(self, inputs: tf.Tensor, valid: Any = None) -> tf.Tensor:
        return inputs[:, -1] if valid is None else tf.gather(inputs, valid - 1, axis=1, batch_dims=1)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (input_shape[0], *input_shape[2:])
