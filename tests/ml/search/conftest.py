"""One whole training without students, as a process, that the tests of proposals look at."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.data.dataset import Split
from ml.data.examples import Example
from ml.spec_files import read_spec
from ml.specs import TrainingSpec
from tests.ml.architectures.tiny import FEATURES, TASKS, raw_batch
from tests.ml.conftest import Finished, run_engine
from tests.ml.profiling.profiles import plain_profile
from tests.ml.training.written_dataset import write_dataset

MAX_BYTES, MAX_MS = 9000, 0.01
SPEC = f"""
experiment_name: vectors
task: {{num_classes: 3}}
features: [{{name: values, type: vector, shape: [6]}}]
hyperparameters: {{learning_rate: 0.01, batch_size: 16, steps: 40}}
budget: {{max_bytes: {MAX_BYTES}, max_latency_ms: {MAX_MS}, device_profile: devices/phone.json}}
trainer: {{id: feed_forward-dense, model_type: feed_forward, params: {{units: [32]}}}}
"""


@dataclass
class Trained:
    """The files of the run, its spec without students, and the proposal that it wrote."""

    finished: Finished
    spec_file: Path
    dataset: Path
    proposal: dict[str, Any]

    @property
    def asked(self) -> TrainingSpec:
        return read_spec(self.spec_file)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return list(self.proposal["candidates"])


@pytest.fixture(scope="session")
def budget_spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spec file with a budget and no students, and beside it the device profile that it names."""
    folder = tmp_path_factory.mktemp("budget")
    plain_profile().write(folder / "devices" / "phone.json")
    (folder / "vectors.yaml").write_text(SPEC)
    return folder / "vectors.yaml"


@pytest.fixture(scope="session")
def vectors_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vectors of three classes that a linear layer can tell apart."""
    splits: dict[Split, int] = {"train": 120, "validation": 45, "test": 30}
    written: dict[Split, list[Example]] = {}
    for split, count in splits.items():
        classes = np.arange(count) % 3
        values = raw_batch(FEATURES["vector"], classes, seed=count)
        written[split] = [
            Example({"values": row.tolist()}, [int(label)], f"{split}:{index}")
            for index, (row, label) in enumerate(zip(values, classes, strict=True))
        ]
    folder = tmp_path_factory.mktemp("vectors")
    write_dataset(folder, TASKS["classification"], [FEATURES["vector"]], written, "abc")
    return folder


@pytest.fixture(scope="session")
def trained_for_budget(tmp_path_factory: pytest.TempPathFactory, budget_spec, vectors_dataset) -> Trained:
    folder = tmp_path_factory.mktemp("trained_for_budget")
    arguments = ("train", "--spec", budget_spec, "--dataset", vectors_dataset)
    finished = run_engine(*arguments, out=folder / "out", work=folder / "work")
    assert finished.status == 0, finished.stderr
    proposal = json.loads((finished.out / "proposal.json").read_text())
    return Trained(finished, budget_spec, vectors_dataset, proposal)
