"""How often does a student say what its trainer says?"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ml.evaluation.metrics.base import THRESHOLD, Booleans, Outputs, ratio
from ml.evaluation.metrics.checks import check_outputs, check_shape
from ml.refusal import RefusedError
from ml.tasks.spec import TaskSpec, TaskType

MEASURES: dict[TaskType, str] = {
    "classification": "top1_agreement",
    "multi_label": "label_agreement",
    "regression": "rmse",
    "sequence": "token_agreement",
}


class Agreement:
    """Trainer against student on the same examples, batch by batch, labels not needed.

    | task | measure |
    |---|---|
    | classification | top1_agreement: share of examples for which both give the same class |
    | multi_label | label_agreement: share of labels that both give or both don't, from probability 0.5 on |
    | regression | rmse: root of the mean squared difference of their values, in the labels' units; smaller is closer |
    | sequence | token_agreement: share of tokens for which both give the same class |
    """

    def __init__(self, task: TaskSpec) -> None:
        self._task = task
        self._axes = ("batch", "steps") if task.type == "sequence" else ("batch",)
        self._sum = 0.0
        self._count = 0

    def update(self, trainer_outputs: Outputs, student_outputs: Outputs, mask: Booleans | None = None) -> None:
        """Adds a batch of both outputs, [batch, outputs] or [batch, steps, outputs].

        Only what is true in `mask`, [batch] or [batch, steps], counts: the tokens that are no padding. Raises
        RefusedError if shapes differ or a value is not finite.
        """
        for outputs in (trainer_outputs, student_outputs):
            check_outputs(outputs, axes=self._axes, size=self._task.num_outputs)
        if trainer_outputs.shape != student_outputs.shape:
            raise RefusedError(
                "outputs_mismatch",
                "The student's outputs are not of the trainer's shape. "
                f"Received: {list(student_outputs.shape)}. Accepted: {list(trainer_outputs.shape)}.",
            )
        compared = self._compare(trainer_outputs, student_outputs)
        if mask is not None:
            check_shape(mask, trainer_outputs.shape[:-1])
            compared = compared[mask.astype(np.bool_)]
        self._sum += float(compared.sum(dtype=np.float64))
        self._count += compared.size

    def result(self) -> dict[str, Any]:
        """`measure`, its `value` (None before anything was compared), and the `count` of what was compared."""
        value = ratio(self._sum, self._count)
        if value is not None and self._task.type == "regression":
            value = math.sqrt(value)
        return {"measure": MEASURES[self._task.type], "value": value, "count": self._count}

    def _compare(self, trainer: Outputs, student: Outputs) -> Booleans | Outputs:
        match self._task.type:
            case "regression":
                squares: Outputs = np.square(trainer.astype(np.float64) - student)
                return squares
            case "multi_label":
                same: Booleans = (trainer >= THRESHOLD) == (student >= THRESHOLD)
                return same
            case _:
                same_class: Booleans = np.argmax(trainer, axis=-1) == np.argmax(student, axis=-1)
                return same_class
