"""The optimizer that a spec names, with its learning rate over the steps."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras

from ml.hyperparameters import Hyperparameters

ADAMW_DECAY = 0.004  # Keras's own default, where the spec names none
EXPONENTIAL_END = 0.01


def make_optimizer(hyper: Hyperparameters) -> Any:
    """The tf_keras optimizer. Weight decay is decoupled: Loshchilov and Hutter, "Decoupled Weight Decay" (2019)."""
    rate: Any = hyper.learning_rate
    if hyper.learning_rate_schedule != "constant" or hyper.warmup_steps:
        rate = Schedule(hyper.learning_rate, hyper.learning_rate_schedule, hyper.steps, hyper.warmup_steps)
    decay = hyper.weight_decay or None
    match hyper.optimizer:
        case "adam":
            return Adam(rate, weight_decay=decay)
        case "adamw":
            return Adam(rate, weight_decay=decay or ADAMW_DECAY)
        case "sgd":
            return tf_keras.optimizers.SGD(rate, weight_decay=decay)
        case "momentum":
            return tf_keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay)
        case "rmsprop":
            return tf_keras.optimizers.RMSprop(rate, weight_decay=decay)
        case "adagrad":
            return tf_keras.optimizers.Adagrad(rate, weight_decay=decay)


class Adam(tf_keras.optimizers.Adam):  # type: ignore[misc]
    """Keras's Adam, whose dense update is one operation for each variable instead of a dozen: half of its time."""

    def update_step(self, gradient: Any, variable: Any) -> None:
        """The update of Kingma and Ba, "Adam" (2015), section 2, in the form with epsilon beside the root of v."""
        if isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable)
            return
        index = self._index_dict[self._var_key(variable)]
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, variable.dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, variable.dtype), step),
            lr=tf.cast(self.learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


class Schedule(tf_keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """A linear rise over `warmup` steps, then `kind` down to the last step.

    With t from 0 to 1: cosine ½(1 + cos πt), Loshchilov and Hutter, "SGDR" (2017), eq. 5; linear 1 - t; exponential
    0.01^t.
    """

    def __init__(self, rate: float, kind: str, steps: int, warmup: int) -> None:
        self.rate, self.kind, self.steps, self.warmup = rate, kind, steps, warmup

    def __call__(self, step: Any) -> tf.Tensor:
        step = tf.cast(step, tf.float32)
        share = tf.clip_by_value((step - self.warmup) / max(self.steps - self.warmup, 1), 0.0, 1.0)
        match self.kind:
            case "cosine":
                factor = 0.5 * (1.0 + tf.cos(3.141592653589793 * share))
            case "linear":
                factor = 1.0 - share
            case "exponential":
                factor = tf.pow(EXPONENTIAL_END, share)
            case _:
                factor = tf.ones_like(share)
        return self.rate * factor * tf.minimum((step + 1.0) / max(self.warmup, 1), 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"rate": self.rate, "kind": self.kind, "steps": self.steps, "warmup": self.warmup}
