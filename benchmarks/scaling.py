"""Time and memory of one epoch over 10,000, 100,000 and 1,000,000 examples in TFRecord files.

    make bench BENCH=scaling DATA=../shared/data [QUICK=1]

Vectors of 256 numbers, 1 KB an example. What fits into 256 MB is kept in memory, the rest is streamed, so memory stays
below a bound and time grows with the examples. The data is made here; DATA is not read.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks._datasets import KEPT
from benchmarks._engine import ROOT, RUNS, figure, options, table
from ml.data.dataset import DatasetInfo
from ml.data.examples import Example
from ml.data.tfrecord import write_record
from ml.features import FeatureSpec
from ml.files import write_json
from ml.tasks import TaskSpec

VALUES, CLASSES, BATCH, HELD_OUT = 256, 10, 200, 200
SIZES = (10_000, 100_000, 1_000_000)


def main() -> None:
    if sys.argv[1:2] == ["--train"]:
        train(Path(sys.argv[2]), int(sys.argv[3]))
        return
    _, quick = options(__doc__)
    rows: list[dict[str, object]] = []
    for size in (1_000, 10_000) if quick else SIZES:
        command = [sys.executable, "-m", "benchmarks.scaling", "--train", str(_dataset(size)), str(size)]
        started = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        seconds, megabytes = map(float, done.stdout.split()[-2:])
        rows.append(
            {
                "examples": size,
                "seconds in training": round(seconds, 1),
                "µs an example": round(seconds / size * 1e6, 1),
                "seconds in all": round(time.perf_counter() - started, 1),
                "peak MB": round(megabytes),
            }
        )
    table(rows)
    for row in rows:
        case = str(row["examples"])
        figure("scaling", case, "seconds", float(str(row["seconds in training"])), "s")
        figure("scaling", case, "peak_memory", float(str(row["peak MB"])), "MB")


def train(folder: Path, size: int) -> None:
    """One epoch by the engine, in this process; prints seconds and peak megabytes."""
    import json
    import shutil

    from ml.commands import main as command

    out = RUNS / f"scaling-{size}"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    spec = {
        "experiment_name": "scaling",
        "task": {"num_classes": CLASSES},
        "features": [{"name": "values", "type": "vector", "shape": [VALUES]}],
        "hyperparameters": {"batch_size": BATCH, "steps": size // BATCH},
        "students": [{"id": "dense", "model_type": "feed_forward", "params": {"units": [32]}}],
    }
    (out / "spec.json").write_text(json.dumps(spec))
    where = ["--out", str(out / "out"), "--work", str(out / "work")]
    status = command(["train", "--spec", str(out / "spec.json"), "--dataset", str(folder), *where])
    result = json.loads((out / "out" / "result.json").read_text())
    print(result["seconds"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    sys.exit(status)


def _dataset(size: int) -> Path:
    """Clouds around ten random centres."""
    folder = KEPT / f"clouds-{size}"
    if (folder / "dataset.json").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(CLASSES, VALUES))
    counts = {"train": size, "validation": HELD_OUT, "test": HELD_OUT}
    for split, count in counts.items():
        with (folder / f"{split}.tfrecord").open("wb") as file:
            for index in range(count):
                label = int(generator.integers(CLASSES))
                values = (centres[label] + 3 * generator.normal(size=VALUES)).astype(np.float32)
                example = Example({"values": values.tolist()}, [label], f"{split}/{index}")
                write_record(file, example.encode(label="label"))
    info = DatasetInfo(
        task=TaskSpec(num_classes=CLASSES),
        features=[FeatureSpec(name="values", type="vector", shape=(VALUES,))],
        classes=[str(number) for number in range(CLASSES)],
        num_examples=sum(counts.values()),
        splits=counts,
        class_counts={},
        seed=0,
    )
    write_json(folder / "dataset.json", info.model_dump(mode="json"))
    return folder


if __name__ == "__main__":
    main()
