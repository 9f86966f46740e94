"""Which metrics belong to which task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ml.evaluation.metrics.base import Labels, Metrics, Outputs
from ml.evaluation.metrics.classification import ClassificationMetrics
from ml.evaluation.metrics.multi_label import MultiLabelMetrics
from ml.evaluation.metrics.regression import RegressionMetrics
from ml.evaluation.metrics.sequence import SequenceMetrics
from ml.tasks.spec import TaskSpec, TaskType

PRIMARY: dict[TaskType, tuple[str, bool]] = {
    "classification": ("accuracy", True),
    "multi_label": ("micro_f1", True),
    "regression": ("rmse", False),
    "sequence": ("token_f1", True),
}


def accumulator_for(task: TaskSpec, classes: Sequence[str]) -> Metrics:
    """An empty accumulator. `classes`: the labels in the order of their indices; a regression has none."""
    match task.type:
        case "classification":
            return ClassificationMetrics(classes)
        case "multi_label":
            return MultiLabelMetrics(classes)
        case "regression":
            return RegressionMetrics(task.num_outputs)
        case "sequence":
            return SequenceMetrics(classes)


def primary_metric(task: TaskSpec) -> tuple[str, bool]:
    """The name of the metric by which students are compared, and whether larger is better."""
    return PRIMARY[task.type]


def classification_metrics(outputs: Outputs, labels: Labels, classes: Sequence[str]) -> dict[str, Any]:
    """The metrics of a classifier on examples that are all at hand: probabilities [n, classes] and labels [n]."""
    metrics = ClassificationMetrics(classes)
    metrics.update(outputs, labels)
    return metrics.result()
