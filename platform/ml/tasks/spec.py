"""What the models of a run learn."""

from __future__ import annotations

from math import isqrt
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from ml.declared import NAME_PATTERN, Declared

TaskType = Literal["classification", "multi_label", "regression", "sequence"]


class TaskSpec(Declared):
    type: TaskType = Field(
        default="classification",
        title="Task",
        description="One class for each example; several at once (multi_label); numbers (regression); "
        "or one class for each step or token (sequence).",
    )
    label: str = Field(
        default="label",
        pattern=NAME_PATTERN,
        title="Label",
        description="The field of an example that holds what is to be learned.",
    )
    num_classes: int | None = Field(
        default=None,
        ge=2,
        le=1_000_000,
        validate_default=True,
        title="Classes",
        description="How many classes the dataset has.",
    )
    num_values: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        validate_default=True,
        title="Values",
        description="How many numbers a regression gives.",
    )

    @field_validator("num_classes", "num_values")
    @classmethod
    def check_size(cls, value: int | None, info: ValidationInfo) -> int | None:
        task = info.data.get("type")
        if task is None:  # its own error is reported
            return value
        is_needed = (task == "regression") == (info.field_name == "num_values")
        if is_needed and value is None:
            raise ValueError(f"is needed for {task}. Received: none. Accepted: a whole number")
        if not is_needed and value is not None:
            raise ValueError(f"has no meaning for {task}. Received: {value}. Accepted: null")
        return value

    @property
    def num_outputs(self) -> int:
        """Values that a model gives for an example, or for each step of a sequence."""
        return self.num_values or self.num_classes or 0


def least_buckets(num_classes: int) -> int:
    """The smallest number B of buckets that tells so many classes apart: B·(B - 1) pairs of two different ones."""
    return (isqrt(max(4 * num_classes - 3, 0)) + 1) // 2 + 1
