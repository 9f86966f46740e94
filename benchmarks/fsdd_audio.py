"""Spoken digits (Free Spoken Digit Dataset, 8 kHz): students that take raw samples, with the spectrogram in the file.

    make bench BENCH=fsdd_audio DATA=../shared/data [QUICK=1]

Goal: at least 95 % on recordings 0 to 4 of each speaker and digit with a student of at most 64 KB.
"""

from __future__ import annotations

from typing import Any

from benchmarks._datasets import fsdd
from benchmarks._engine import options, report, train

SPEC: dict[str, Any] = {
    "experiment_name": "spoken-digits",
    "task": {"type": "classification", "num_classes": 10},
    "features": [{"name": "sound", "type": "audio", "shape": [8000], "sample_rate": 8000}],
    "students": [
        {"id": "small", "model_type": "depthwise_cnn", "params": {"stem": 12, "filters": [24, 32, 48]}},
        {"id": "medium", "model_type": "depthwise_cnn", "params": {"stem": 16, "filters": [32, 48, 64]}},
    ],
}


def main() -> None:
    data, quick = options(__doc__)
    hyper = {"steps": 30 if quick else 2000, "batch_size": 32, "learning_rate": 0.003, "quantize": "int8"}
    spec = {**SPEC, "hyperparameters": {**hyper, "learning_rate_schedule": "cosine"}}
    report("fsdd_audio", train(spec, fsdd(data), name="fsdd_audio")["by_id"])


if __name__ == "__main__":
    main()
