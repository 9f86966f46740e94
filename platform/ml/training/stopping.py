"""When a run ends before its last step. Both rules keep their state in variables, so that a resumed run goes on as if
it had never been stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from ml.hyperparameters import EarlyStopping

CROSS_WINDOW = 100


class CrossStopping(tf.Module):  # type: ignore[misc]
    """Ends when every student's cross loss, as the mean of a window of 100 steps, is below the limit."""

    def __init__(self, limit: float | None, students: Sequence[str]) -> None:
        super().__init__(name="cross_stopping")
        self._limit, self._names = limit, [f"student:{student}/cross" for student in students]
        self.sums = tf.Variable([0.0] * len(students), dtype=tf.float64, trainable=False)
        self.steps = tf.Variable(0, dtype=tf.int64, trainable=False)

    def is_reached(self, step: int, count: int, values: Mapping[str, float]) -> bool:
        """Adds `values`, means over the last `count` steps up to `step`; judges at the end of each window."""
        if self._limit is None:
            return False
        self.sums.assign_add([count * values[name] for name in self._names])
        self.steps.assign_add(count)
        if step % CROSS_WINDOW:
            return False
        means = (self.sums / tf.cast(self.steps, tf.float64)).numpy()
        self.sums.assign(tf.zeros_like(self.sums))
        self.steps.assign(0)
        return bool((means < self._limit).all())


class ValidationStopping(tf.Module):  # type: ignore[misc]
    """Ends after `patience` evaluations without a better value; the best weights are kept in a folder of their own."""

    def __init__(
        self, declared: EarlyStopping, *, students: Sequence[str], metric: str, larger_is_better: bool, best: Any
    ) -> None:
        super().__init__(name="validation_stopping")
        self._declared, self._best = declared, best
        name = "loss" if declared.metric == "loss" else metric
        self._sign = 1.0 if larger_is_better and declared.metric != "loss" else -1.0
        self._names = [f"validation/student:{student}/{name}" for student in students]
        self.best_value = tf.Variable(float("-inf"), dtype=tf.float64, trainable=False)
        self.waited = tf.Variable(0, dtype=tf.int64, trainable=False)

    def is_reached(self, values: Mapping[str, float]) -> bool:
        """Judges one evaluation; never without patience, or without a validation split."""
        if not self._declared.patience or self._names[0] not in values:
            return False
        value = self._sign * sum(values[name] for name in self._names) / len(self._names)
        if value > float(self.best_value) + self._declared.min_delta:
            self.best_value.assign(value)
            self.waited.assign(0)
            self._best.save(checkpoint_number=0)
            return False
        self.waited.assign_add(1)
        return int(self.waited) >= self._declared.patience

    def restore_best(self) -> bool:
        """Gives the models their best weights again, if any were kept."""
        if not self._declared.patience or self._best.latest_checkpoint is None:
            return False
        self._best.checkpoint.restore(self._best.latest_checkpoint).expect_partial()
        return True
