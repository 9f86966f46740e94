"""What three students cost beside their trainer: time of the same steps with and without them.

    make bench BENCH=joint_cost DATA=../shared/data [QUICK=1]

The trainer is 784-1000-1000-1000-10, the students are projections 60,12 · 60,10+128 · 60,12+256, batch 200, MNIST. One
process; blocks of steps of both alternate, so that what else the machine does falls on both. Processor time is told
beside wall time, because it counts what the steps cost and not what they waited for. Goal: ratio at most 1.10.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median
from typing import Any

from benchmarks._datasets import mnist
from benchmarks._engine import figure, options, table
from ml.specs import TrainingSpec

STUDENTS = [
    {"id": "small", "model_type": "projection", "params": {"projections": 60, "bits": 12}},
    {"id": "medium", "model_type": "projection", "params": {"projections": 60, "bits": 10, "units": [128]}},
    {"id": "large", "model_type": "projection", "params": {"projections": 60, "bits": 12, "units": [256]}},
]
BLOCKS, STEPS = 30, 40


def main() -> None:
    data, quick = options(__doc__)
    folder = mnist(data)
    from ml.tensorflow_start import start_tensorflow

    start_tensorflow()
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    cases = {"trainer": _case(folder, []), "trainer+3": _case(folder, STUDENTS)}
    for trainer, batches in cases.values():  # traces the graphs
        trainer.run_steps(batches, 3)
    steps, blocks = (5, 3) if quick else (STEPS, BLOCKS)
    times: dict[str, list[float]] = {name: [] for name in cases}
    processor: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(blocks):
        for name, (trainer, batches) in cases.items():
            started, worked = time.perf_counter(), time.process_time()
            trainer.run_steps(batches, steps)
            times[name].append((time.perf_counter() - started) / steps * 1000)
            processor[name].append((time.process_time() - worked) / steps * 1000)
    ratios = [both / alone for alone, both in zip(times["trainer"], times["trainer+3"], strict=True)]
    table(
        [
            {
                "case": name,
                "ms a step (median)": round(median(found), 2),
                "least": round(min(found), 2),
                "processor ms (median)": round(median(processor[name]), 2),
            }
            for name, found in times.items()
        ]
    )
    least = min(times["trainer+3"]) / min(times["trainer"])
    print(f"ratio of neighbouring blocks: median {median(ratios):.3f}, of the least times {least:.3f}")
    figure("joint_cost", "trainer+3", "ratio", round(median(ratios), 4), "x")
    worked_ratio = median(processor["trainer+3"]) / median(processor["trainer"])
    figure("joint_cost", "trainer+3", "processor_ratio", round(worked_ratio, 4), "x")


def _case(folder: Any, students: list[dict[str, Any]]) -> tuple[Any, Iterator[Any]]:
    from ml.data.dataset import DatasetInfo
    from ml.data.measuring import measure
    from ml.data.pipeline import Pipeline
    from ml.training.joint import JointTrainer
    from ml.training.networks import build_networks
    from ml.training.objectives import objective_for

    spec = TrainingSpec.parse(
        {
            "experiment_name": "joint-cost",
            "task": {"num_classes": 10},
            "features": [{"shape": [28, 28, 1]}],
            "hyperparameters": {"batch_size": 200},
            "trainer": {"id": "trainer", "model_type": "feed_forward", "params": {"units": [1000, 1000, 1000]}},
            "students": students or STUDENTS[:1],  # a spec has one at least; it is left out below
        }
    )
    pipeline = Pipeline(folder, DatasetInfo.read(folder))
    networks = build_networks(spec, measure(pipeline).statistics, spec_folder=folder)
    networks = networks if students else networks[:1]
    trainer = JointTrainer(networks, spec.hyperparameters, objective_for(spec.task))
    return trainer, iter(pipeline.training_batches(batch_size=200, seed=7, derived=trainer.derived))


if __name__ == "__main__":
    main()
