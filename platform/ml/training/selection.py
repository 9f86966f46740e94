"""Which student of a run is shipped?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ml.specs import Budget


def best_student(models: Sequence[dict[str, Any]], budget: Budget) -> str | None:
    """The id of the student with the best validation accuracy within the budget (the smaller of equals), or None.

    `models` are entries of result.json. The validation split decides, so that the test split stays a fair measure.
    """
    fitting = []
    for model in models:
        size = next(file["bytes"] for file in model["files"] if file["kind"] == "tflite")
        if model["role"] != "student" or "validation" not in model["metrics"]:
            continue
        if budget.max_bytes is not None and size > budget.max_bytes:
            continue
        if budget.max_latency_ms is not None and model["latency_ms"]["p50"] > budget.max_latency_ms:
            continue
        fitting.append((model["metrics"]["validation"]["accuracy"], -size, model["id"]))
    return max(fitting)[2] if fitting else None
