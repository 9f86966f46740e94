"""The seven projection students of ProjectionNet (Ravi, 2017) on MNIST, without a trainer: parameters, bytes, accuracy.

    make bench BENCH=mnist_projection DATA=../shared/data [QUICK=1]

Three seeds, all 60,000 training images as there: nothing is chosen here, so no validation split is needed. The files
have 8-bit weights, learned in the quantized space. Goal: at least the published figures without a trainer, and T,d =
60,12 in at most 16 KB.
"""

from __future__ import annotations

from statistics import mean
from typing import Any

from benchmarks._datasets import mnist
from benchmarks._engine import figure, options, table, tflite_bytes, train

# T, d, hidden units, published accuracy without a trainer (table 1 there).
SETTINGS = [
    (8, 10, [], 80.8),
    (10, 12, [], 84.5),
    (60, 10, [], 92.4),
    (60, 12, [], 93.0),
    (60, 10, [128], 96.5),
    (60, 12, [256], 97.2),
    (70, 12, [256], 97.2),
]
SEEDS = (1, 2, 3)
EPOCHS = 15


def name_of(projections: int, bits: int, units: list[int]) -> str:
    return f"{projections},{bits}" + "".join(f"+{width}" for width in units)


def spec(seed: int, *, steps: int) -> dict[str, Any]:
    return {
        "experiment_name": "mnist-projection",
        "task": {"num_classes": 10},
        "features": [{"shape": [28, 28, 1]}],
        "hyperparameters": {
            "steps": steps,
            "batch_size": 200,
            "learning_rate": 0.001,
            "learning_rate_schedule": "cosine",
            "seed": seed,
            "quantize": "int8",
        },
        "students": [
            {
                "id": f"s{index}",
                "model_type": "projection",
                "params": {"projections": projections, "bits": bits, "units": units},
            }
            for index, (projections, bits, units, _) in enumerate(SETTINGS)
        ],
    }


def main() -> None:
    data, quick = options(__doc__)
    folder = mnist(data, validation=0)
    steps = 100 if quick else EPOCHS * 60_000 // 200
    runs = [
        train(spec(seed, steps=steps), folder, name=f"mnist_projection-{seed}")["by_id"]
        for seed in (SEEDS[:1] if quick else SEEDS)
    ]
    rows: list[dict[str, object]] = []
    for index, (projections, bits, units, published) in enumerate(SETTINGS):
        models = [run[f"s{index}"] for run in runs]
        found = [100 * model["metrics"]["test"]["accuracy"] for model in models]
        size = max(tflite_bytes(model) for model in models)
        case = name_of(projections, bits, units)
        rows.append(
            {
                "T,d(+FC)": case,
                "parameters": models[0]["parameters"],
                "bytes": size,
                "published %": published,
                "test %": round(mean(found), 2),
                "lowest %": round(min(found), 2),
                "highest %": round(max(found), 2),
                "p50 ms": models[0]["latency_ms"]["p50"],
            }
        )
    table(rows)
    for row in rows:
        case = str(row["T,d(+FC)"])
        figure("mnist_projection", case, "accuracy", float(str(row["test %"])), "%")
        figure("mnist_projection", case, "bytes", int(str(row["bytes"])), "B")
        figure("mnist_projection", case, "parameters", int(str(row["parameters"])), "")


if __name__ == "__main__":
    main()
