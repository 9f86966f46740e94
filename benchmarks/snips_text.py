"""Intents of SNIPS from raw bytes of text: accuracy, file and time of an inference of two projection students.

    make bench BENCH=snips_text DATA=../shared/data [QUICK=1]

Goals: at least 96 % in 64 KB and at most 1 ms an inference; at least 95 % in 16 KB. Both learn by themselves in the
quantized space. Nothing was chosen by the test split.
"""

from __future__ import annotations

from typing import Any

from benchmarks._datasets import snips
from benchmarks._engine import options, report, train


def spec(*, steps: int) -> dict[str, Any]:
    return {
        "experiment_name": "snips",
        "task": {"type": "classification", "num_classes": 7},
        "features": [{"name": "text", "type": "text", "shape": [128]}],
        "hyperparameters": {
            "steps": steps,
            "batch_size": 64,
            "learning_rate": 0.002,
            "learning_rate_schedule": "cosine",
            "quantize": "int8",
        },
        "students": [
            {"id": "large", "model_type": "projection", "params": {"projections": 120, "bits": 16, "units": [16]}},
            {"id": "medium", "model_type": "projection", "params": {"projections": 80, "bits": 14}},
            {"id": "small", "model_type": "projection", "params": {"projections": 56, "bits": 11}},
        ],
    }


def main() -> None:
    data, quick = options(__doc__)
    models = train(spec(steps=100 if quick else 3000), snips(data), name="snips_text")["by_id"]
    report("snips_text", {"64KB": models["large"], "80x14": models["medium"], "16KB": models["small"]})


if __name__ == "__main__":
    main()
