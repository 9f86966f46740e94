"""Does a trainer help its students? Paired runs with λ₂ = 0 against λ₂ > 0, the same seeds, on MNIST and SNIPS.

    make bench BENCH=trainer_effect DATA=../shared/data [QUICK=1]

With λ₂ = 0 a student learns what it would learn alone, so those runs have no trainer. Reported: the mean difference of
test accuracy over five seeds with its 95 % confidence interval (Student's t, paired).
"""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks._datasets import mnist, snips
from benchmarks._engine import figure, options, table, train

SEEDS = (1, 2, 3, 4, 5)
T_95 = {2: 12.71, 3: 4.303, 4: 3.182, 5: 2.776}  # two-sided, by the number of pairs
CROSS = (0.1, 1.0)

MNIST: dict[str, Any] = {
    "task": {"num_classes": 10},
    "features": [{"shape": [28, 28, 1]}],
    "trainer": {"id": "trainer", "model_type": "cnn", "params": {"filters": [16, 32], "units": [64]}},
    "students": [
        {"id": "small", "model_type": "projection", "params": {"projections": 60, "bits": 12}},
        {"id": "medium", "model_type": "projection", "params": {"projections": 60, "bits": 10, "units": [128]}},
    ],
}
SNIPS: dict[str, Any] = {
    "task": {"num_classes": 7},
    "features": [{"name": "text", "type": "text", "shape": [128]}],
    "trainer": {"id": "trainer", "model_type": "feed_forward", "params": {"units": [64]}},
    "students": [
        {"id": "small", "model_type": "projection", "params": {"projections": 20, "bits": 14}},
        {"id": "medium", "model_type": "projection", "params": {"projections": 80, "bits": 14}},
    ],
}


def main() -> None:
    data, quick = options(__doc__)
    seeds = SEEDS[:2] if quick else SEEDS
    rows: list[dict[str, object]] = []
    cases = [("mnist", MNIST, mnist(data), 1375, 200), ("snips", SNIPS, snips(data), 1000, 64)]
    for name, spec, folder, steps, batch_size in cases:
        hyper = {"steps": 30 if quick else steps, "batch_size": batch_size, "learning_rate_schedule": "cosine"}
        hyper["learning_rate"] = 0.002
        alone = [_accuracies(name, {**spec, "trainer": None}, hyper, seed, 0.0, folder) for seed in seeds]
        for cross in CROSS[1:] if quick else CROSS:
            taught = [_accuracies(name, spec, hyper, seed, cross, folder) for seed in seeds]
            for student in ("small", "medium"):
                pairs = [(a[student], b[student]) for a, b in zip(alone, taught, strict=True)]
                rows.append(_row(f"{name} {student} λ₂={cross:g}", pairs))
    table(rows)
    for row in rows:
        case = str(row["case"])
        for metric in ("difference", "low", "high"):
            figure("trainer_effect", case, metric, float(str(row[f"{metric} %"])), "%")


def _accuracies(
    name: str, spec: dict[str, Any], hyper: dict[str, Any], seed: int, cross: float, folder: Path
) -> dict[str, float]:
    weights = {"trainer": 1.0, "student": 1.0, "cross": cross}
    whole = {"experiment_name": name, **spec, "hyperparameters": {**hyper, "seed": seed, "loss_weights": weights}}
    models = train(whole, folder, name=f"trainer_effect-{name}")["by_id"]
    return {key: 100 * model["metrics"]["test"]["accuracy"] for key, model in models.items()}


def _row(case: str, pairs: list[tuple[float, float]]) -> dict[str, object]:
    differences = [taught - alone for alone, taught in pairs]
    half = T_95[len(pairs)] * stdev(differences) / sqrt(len(pairs))
    middle = mean(differences)
    return {
        "case": case,
        "alone %": round(mean(alone for alone, _ in pairs), 2),
        "taught %": round(mean(taught for _, taught in pairs), 2),
        "difference %": round(middle, 3),
        "low %": round(middle - half, 3),
        "high %": round(middle + half, 3),
    }


if __name__ == "__main__":
    main()
