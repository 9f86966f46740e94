"""A hundred thousand classes, on a machine with little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.data.examples import Example
from ml.features import FeatureSpec
from ml.tasks import TaskSpec
from tests.ml.conftest import engine_environment
from tests.ml.training.written_dataset import write_dataset

pytestmark = pytest.mark.engine

CLASSES = 100_000
MEMORY = 2 * 10**9
FEATURE = FeatureSpec(name="values", type="vector", shape=(16,))
TASK = TaskSpec(num_classes=CLASSES)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = np.random.default_rng(0)

    def examples(count: int) -> list[Example]:
        labels = generator.integers(0, CLASSES, count).tolist()
        return [Example({"values": generator.normal(size=16).tolist()}, [label], "") for label in labels]

    folder = tmp_path_factory.mktemp("classes")
    splits = {"train": examples(400), "validation": examples(5)}
    write_dataset(folder, TASK, [FEATURE], splits, [f"class {index}" for index in range(CLASSES)])  # type: ignore[arg-type]
    return folder


def measured_run(folder: Path, dataset: Path, output_buckets: int | None) -> tuple[int, dict[str, Any]]:
    """The largest memory of the process that trains, in bytes, and the student's entry of result.json."""
    student = {
        "id": "student",
        "model_type": "feed_forward",
        "params": {"units": [64]},
        "output_buckets": output_buckets,
    }
    spec = {
        "experiment_name": "many",
        "task": {"num_classes": CLASSES},
        "features": [FEATURE.model_dump()],
        "hyperparameters": {"steps": 3, "batch_size": 200},
        "students": [student],
    }
    path = folder / "spec.json"
    path.write_text(json.dumps(spec))
    places = ("--spec", path, "--dataset", dataset, "--out", folder / "out", "--work", folder / "work")
    # What the process itself says: what the parent is told counts the parent's own memory at the start of the child.
    code = (
        "import re, sys; from ml.commands import main; status = main(sys.argv[1:]); "
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1]); sys.exit(status)"
    )
    command = [sys.executable, "-c", code, "train", *map(str, places)]
    done = subprocess.run(command, env=engine_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (model,) = json.loads((folder / "out" / "result.json").read_text())["models"]
    return int(done.stdout.split()[-1]) * 1024, model


@pytest.mark.parametrize(("output_buckets", "parameters"), [(512, 512), (None, CLASSES)])
def test_a_run_stays_below_two_gigabytes(tmp_path, dataset, output_buckets, parameters):
    memory, model = measured_run(tmp_path, dataset, output_buckets)
    assert 10**8 < memory < MEMORY
    assert model["parameters"] == 16 * 64 + 64 + 64 * parameters + parameters
    assert model["output"]["shape"] == [1, CLASSES]
    size = next(file["bytes"] for file in model["files"] if file["kind"] == "tflite")
    labels = (tmp_path / "out" / "student" / "labels.txt").stat().st_size
    # The weights, and what each class is called.
    assert size < 4 * model["parameters"] + 1.5 * labels + 20_000
