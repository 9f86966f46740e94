"""Activities of a smart watch (BasicMotions, 6 channels of 100 steps): a convolutional student.

    make bench BENCH=motions_sensor DATA=../shared/data [QUICK=1]

Goal: at least 95 % with a student of at most 64 KB, standardizing inside the file.
"""

from __future__ import annotations

from typing import Any

from benchmarks._datasets import motions
from benchmarks._engine import options, report, train

SPEC: dict[str, Any] = {
    "experiment_name": "motions",
    "task": {"type": "classification", "num_classes": 4},
    "features": [{"name": "motion", "type": "sensor", "shape": [100, 6]}],
    "students": [
        {"id": "cnn", "model_type": "cnn", "params": {"filters": [16, 32], "head": "average"}},
        {"id": "depthwise", "model_type": "depthwise_cnn", "params": {"stem": 16, "filters": [32, 32]}},
    ],
}


def main() -> None:
    data, quick = options(__doc__)
    hyper = {"steps": 50 if quick else 600, "batch_size": 16, "learning_rate": 0.003, "quantize": "int8"}
    spec = {**SPEC, "hyperparameters": {**hyper, "learning_rate_schedule": "cosine"}}
    report("motions_sensor", train(spec, motions(data), name="motions_sensor")["by_id"])


if __name__ == "__main__":
    main()
