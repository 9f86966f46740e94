"""What the engine proposes for MNIST in 8, 16 and 64 KB, what becomes of it, and how well latency is predicted.

    make bench BENCH=architecture_search DATA=../shared/data [QUICK=1]

For each budget `propose` looks for students with 12,000 images, and `train` trains them as they stand in its spec.yaml,
only for longer. Latency is predicted by a profile of this machine, and measured here. The test split chooses nothing.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks._datasets import mnist
from benchmarks._engine import RUNS, engine, figure, options, table, tflite_bytes

BENCH = "architecture_search"
KILOBYTES = (8, 16, 64)
PROPOSING_STEPS, TRAINING_STEPS = 150, 450
BATCH = 100
IMAGES = 12_000  # for training


@dataclass(frozen=True)
class Run:
    """One budget: seconds of the search, its candidates, and the trained students by id."""

    kilobytes: int
    seconds: float
    candidates: list[dict[str, Any]]
    trained: dict[str, dict[str, Any]]


def spec(kilobytes: int, *, steps: int) -> dict[str, Any]:
    return {
        "experiment_name": "mnist-budget",
        "task": {"num_classes": 10},
        "features": [{"shape": [28, 28, 1]}],
        "hyperparameters": {"steps": steps, "batch_size": BATCH, "learning_rate": 0.003},
        "budget": {"max_bytes": 1024 * kilobytes, "device_profile": "here.json"},
    }


def run(kilobytes: int, dataset: Path, profile: Path, *, proposing_steps: int, training_steps: int) -> Run:
    """Proposes students for a budget and trains them."""
    folder = RUNS / BENCH / f"{kilobytes}KB"
    proposal, out = folder / "proposal", folder / "out"
    folder.mkdir(parents=True)
    shutil.copyfile(profile, folder / "here.json")
    (folder / "spec.json").write_text(json.dumps(spec(kilobytes, steps=proposing_steps)))
    where = ("--dataset", dataset, "--work", folder / "work")
    begin = time.perf_counter()
    engine("propose", "--spec", folder / "spec.json", "--out", proposal, *where)
    seconds = time.perf_counter() - begin
    proposed = yaml.safe_load((proposal / "spec.yaml").read_text())
    proposed["hyperparameters"]["steps"] = training_steps
    (proposal / "longer.yaml").write_text(yaml.safe_dump(proposed))
    engine("train", "--spec", proposal / "longer.yaml", "--out", out, *where)
    candidates = json.loads((proposal / "result.json").read_text())["candidates"]
    models = json.loads((out / "result.json").read_text())["models"]
    return Run(kilobytes, seconds, candidates, {model["id"]: model for model in models})


def show(runs: list[Run]) -> None:
    """A row for each candidate, and what became of those that were chosen."""
    rows: list[dict[str, object]] = []
    for one in runs:
        for candidate in one.candidates:
            model = one.trained.get(candidate["id"]) if candidate["is_chosen"] else None
            rows.append(
                {
                    "budget": f"{one.kilobytes} KB",
                    "candidate": candidate["id"],
                    "estimated bytes": candidate["estimated_bytes"],
                    "bytes": candidate["bytes"],
                    "score %": round(100 * candidate["accuracy"], 2),
                    "test %": round(100 * model["metrics"]["test"]["accuracy"], 2) if model else "",
                    "predicted µs": round(1000 * candidate["latency_ms"], 1),
                    "measured µs": round(1000 * model["latency_ms"]["p50"], 1) if model else "",
                }
            )
    table(rows)


def figures(runs: list[Run]) -> None:
    """The JSON lines."""
    ratios, misses = [], []
    for one in runs:
        case = f"{one.kilobytes}KB"
        figure(BENCH, case, "search_seconds", round(one.seconds, 1), "s")
        for place, (name, model) in enumerate(one.trained.items(), start=1):
            student = f"{case}/{place}/{name}"
            figure(BENCH, student, "bytes", tflite_bytes(model), "B")
            figure(BENCH, student, "accuracy", round(100 * model["metrics"]["test"]["accuracy"], 3), "%")
            ratios.append(model["predicted_latency_ms"] / model["latency_ms"]["p50"])
        misses += [abs(row["estimated_bytes"] / row["bytes"] - 1) for row in one.candidates]
    figure(BENCH, "estimates", "largest_miss_of_bytes", round(100 * max(misses), 2), "%")
    for name, value in (("min", min(ratios)), ("median", float(np.median(ratios))), ("max", max(ratios))):
        figure(BENCH, "latency", f"predicted_to_measured_{name}", round(value, 2), "x")


def main() -> None:
    data, quick = options(__doc__)
    proposing, training = (20, 30) if quick else (PROPOSING_STEPS, TRAINING_STEPS)
    dataset = mnist(data, limit=2_000 if quick else IMAGES)
    shutil.rmtree(RUNS / BENCH, ignore_errors=True)
    profile = RUNS / BENCH / "here.json"
    engine("profile", "--out", profile)
    runs = [
        run(kilobytes, dataset, profile, proposing_steps=proposing, training_steps=training) for kilobytes in KILOBYTES
    ]
    show(runs)
    figures(runs)


if __name__ == "__main__":
    main()
