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
            return tf_keras.optimizers.Adam(rate, weight_decay=decay)
        case "adamw":
            return tf_keras.optimizers.AdamW(rate, weight_decay=decay or ADAMW_DECAY)
        case "sgd":
            return tf_keras.optimizers.SGD(rate, weight_decay=decay)
        case "momentum":
            return tf_keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=decay)
        case "rmsprop":
            return tf_keras.optimizers.RMSprop(rate, weight_decay=decay)
        case "adagrad":
            return tf_keras.optimizers.Adagrad(rate, weight_decay=decay)


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
