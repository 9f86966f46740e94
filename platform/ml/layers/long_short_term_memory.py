"""Long short-term memory that starts from zero at each inference, on a device too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from ml.layers.rounding import rounded


@tf_keras.saving.register_keras_serializable("bantam")
class LongShortTermMemory(tf_keras.layers.Layer):  # type: ignore[misc]
    """float32 [batch, steps, values] → the output of each step: float32 [batch, steps, units].

    Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997), with the forget gate of Gers et al., "Learning to
    Forget" (2000): from i, f, g, o = x·W + h·U + b follows c ← σ(f)·c + σ(i)·tanh(g) and h ← σ(o)·tanh(c). Weights and
    their order are those of `tf_keras.layers.LSTM`; the forget gate's bias starts at 1 (Jozefowicz et al., 2015).

    Not `tf_keras.layers.LSTM` itself: the converter makes one fused operator of that, which keeps its state from one
    inference to the next until the application resets it. So the second prediction of a file would be wrong. A WHILE
    loop starts anew. `seed` decides how the weights start. With `rounds`, both matrices are rounded to 8 bits, as the
    file will have them.
    """

    def __init__(self, units: int, *, seed: int, rounds: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.seed = seed
        self.rounds = rounds

    def build(self, input_shape: Sequence[int | None]) -> None:
        size = 4 * self.units
        glorot = tf_keras.initializers.GlorotUniform(seed=self.seed)
        orthogonal = tf_keras.initializers.Orthogonal(seed=self.seed)
        self.kernel = self.add_weight("kernel", [input_shape[-1], size], initializer=glorot)
        self.recurrent_kernel = self.add_weight("recurrent_kernel", [self.units, size], initializer=orthogonal)
        self.bias = self.add_weight("bias", [size], initializer=self._first_bias)
        super().build(input_shape)

    def _first_bias(self, shape: Sequence[int], dtype: Any = None, **_: Any) -> tf.Tensor:
        units = self.units
        return tf.concat([tf.zeros([units], dtype), tf.ones([units], dtype), tf.zeros([2 * units], dtype)], 0)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        batch, steps = inputs.shape[:2]
        kernel, recurrent_kernel = self.kernel, self.recurrent_kernel
        if self.rounds:
            kernel, recurrent_kernel = rounded(kernel), rounded(recurrent_kernel)
        driven = tf.transpose(tf.tensordot(inputs, kernel, 1) + self.bias, [1, 0, 2])
        given = tf.TensorArray(tf.float32, steps, element_shape=[batch, 4 * self.units]).unstack(driven)
        # What stands here is written over. An empty array would be exported as a constant of steps·units zeros.
        outputs = tf.TensorArray(tf.float32, steps, element_shape=[batch, self.units]).unstack(
            driven[:, :, : self.units]
        )

        def step(index: tf.Tensor, h: tf.Tensor, c: tf.Tensor, outputs: Any) -> tuple[Any, ...]:
            gates = given.read(index) + tf.matmul(h, recurrent_kernel)
            i, f, g, o = tf.split(gates, 4, axis=1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            h = tf.sigmoid(o) * tf.tanh(c)
            return index + 1, h, c, outputs.write(index, h)

        zeros = tf.zeros([tf.shape(inputs)[0] if batch is None else batch, self.units])
        first = (tf.constant(0), zeros, zeros, outputs)
        *_, outputs = tf.while_loop(lambda index, *_: index < steps, step, first, maximum_iterations=steps)
        return tf.ensure_shape(tf.transpose(outputs.stack(), [1, 0, 2]), [batch, steps, self.units])

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (*input_shape[:2], self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "seed": self.seed, "rounds": self.rounds}
