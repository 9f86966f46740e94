"""How far a model's outputs are from the labels and from the trainer's outputs, one file for each task."""

from __future__ import annotations

from collections.abc import Sequence

from ml.features.statistics import Statistics
from ml.tasks import TaskSpec
from ml.training.objectives.base import Objective
from ml.training.objectives.classification import Classification
from ml.training.objectives.multi_label import MultiLabel
from ml.training.objectives.regression import Regression
from ml.training.objectives.sequence import SequenceLabelling

__all__ = ["Objective", "objective_for"]


def objective_for(
    task: TaskSpec, *, class_weights: Sequence[float] | None = None, label_statistics: Statistics | None = None
) -> Objective:
    """The objective of a task. `class_weights`: one for each class; `label_statistics`: of a regression's values."""
    match task.type:
        case "classification":
            return Classification(class_weights)
        case "sequence":
            return SequenceLabelling(class_weights)
        case "multi_label":
            return MultiLabel()
        case "regression":
            assert label_statistics is not None
            return Regression(label_statistics)
