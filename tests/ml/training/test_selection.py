"""Which student is chosen where files are missing or a device profile speaks."""

from __future__ import annotations

from typing import Any

from ml.specs import Budget
from ml.tasks import TaskSpec
from ml.training.selection import best_student

TASK = TaskSpec(num_classes=2)


def model(name: str, accuracy: float, *, role: str = "student", measured: float = 1.0, **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "role": role,
        "files": [{"kind": "tflite", "bytes": 100}],
        "metrics": {"validation": {"accuracy": accuracy}},
        "latency_ms": {"p50": measured},
        **more,
    }


def test_a_trainer_without_a_file_is_no_obstacle():
    trainer = model("trainer", 1.0, role="trainer", files=[], predicted_latency_ms=None)
    student = model("small", 0.9, predicted_latency_ms=0.5)
    assert best_student([trainer, student], Budget(max_bytes=200, max_latency_ms=0.8), TASK) == "small"


def test_where_a_profile_predicts_the_latency_the_prediction_counts():
    slow_there = model("slow there", 0.9, measured=0.1, predicted_latency_ms=3.0)
    slow_here = model("slow here", 0.8, measured=3.0, predicted_latency_ms=0.1)
    at_once = model("at once", 0.7, measured=3.0, predicted_latency_ms=0.0)
    assert best_student([slow_there, slow_here], Budget(max_latency_ms=1.0), TASK) == "slow here"
    assert best_student([slow_there, at_once], Budget(max_latency_ms=1.0), TASK) == "at once"
