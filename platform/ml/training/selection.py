"""Which student of a run is shipped?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ml.evaluation.metrics import primary_metric
from ml.specs import Budget
from ml.tasks import TaskSpec


def best_student(models: Sequence[dict[str, Any]], budget: Budget, task: TaskSpec) -> str | None:
    """The id of the student with the best validation result within the budget (the smaller of equals), or None.

    `models` are entries of result.json; compared is the task's primary metric. The validation split decides, so that
    the test split stays a fair measure. Where a device profile predicts the latency, the prediction counts.
    """
    metric, larger_is_better = primary_metric(task)
    fitting = []
    for model in models:
        if model["role"] != "student" or "validation" not in model["metrics"]:
            continue
        size = next(file["bytes"] for file in model["files"] if file["kind"] == "tflite")
        if budget.max_bytes is not None and size > budget.max_bytes:
            continue
        latency = model.get("predicted_latency_ms", model["latency_ms"]["p50"])
        if budget.max_latency_ms is not None and latency > budget.max_latency_ms:
            continue
        value = model["metrics"]["validation"][metric]
        if value is None:  # undefined: nothing of what it counts was there
            continue
        fitting.append((value if larger_is_better else -value, -size, model["id"]))
    return max(fitting)[2] if fitting else None
