"""Real digits from scikit-learn, packed as a person would pack them, and one small run shared by many tests."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ml.data.importing import ImportSettings, import_dataset
from ml.reporting import Reporter
from ml.specs import TrainingSpec

ENGINE = Path(__file__).resolve().parents[2] / "platform"

TINY_SPEC = """
experiment_name: tiny
task: {num_classes: 10}
features: [{name: image, shape: [8, 8, 1]}]
hyperparameters: {learning_rate: 0.01, batch_size: 64, steps: 120}
trainer: {id: trainer, model_type: cnn, params: {filters: [16, 16], units: [32]}}
students:
  - {id: bits, model_type: projection, params: {projections: 30, bits: 8}, tflite_output_path: copies/bits.tflite}
  - {id: dense, model_type: feed_forward, params: {units: [32]}}
  - {id: depthwise, model_type: depthwise_cnn, params: {stem: 8, filters: [16], head: flatten}}
"""


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="session")
def digit_images() -> list[tuple[str, np.ndarray]]:
    """(label, uint8 8x8 pixels) of scikit-learn's 1,797 handwritten digits."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return [
        (str(label), np.round(image * 255 / 16).astype(np.uint8))
        for image, label in zip(digits.images, digits.target, strict=True)
    ]


@pytest.fixture(scope="session")
def digits_zip(tmp_path_factory: pytest.TempPathFactory, digit_images) -> Path:
    path = tmp_path_factory.mktemp("digits") / "digits.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for index, (label, pixels) in enumerate(digit_images):
            archive.writestr(f"digits/{label}/{index:04d}.png", png(pixels))
    return path


@pytest.fixture(scope="session")
def digits_dataset(tmp_path_factory: pytest.TempPathFactory, digits_zip) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    import_dataset(digits_zip, folder / "out", folder / "work", ImportSettings(), quiet_reporter())
    return folder / "out"


@pytest.fixture
def make_zip(tmp_path: Path) -> Callable[..., Path]:
    """`make_zip({"cat/1.png": bytes, …})` → a zip with these entries."""

    def make(entries: dict[str, bytes], name: str = "archive.zip") -> Path:
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry, content in entries.items():
                archive.writestr(entry, content)
        return path

    return make


def quiet_reporter() -> Reporter:
    return Reporter(events=True, stream=io.StringIO())


@pytest.fixture
def reporter() -> Reporter:
    return quiet_reporter()


@dataclass
class Finished:
    """What a command of the engine left behind."""

    status: int
    events: list[dict[str, Any]]
    stderr: str
    out: Path
    work: Path
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def error(self) -> dict[str, Any]:
        return next(event for event in self.events if event["event"] == "error")


def engine_command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "ml", *map(str, arguments)]


def engine_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ENGINE)}


def run_engine(*arguments: object, out: Path, work: Path | None = None) -> Finished:
    """Runs `python -m ml <arguments> --events --out OUT [--work WORK]` as the platform does."""
    command = engine_command(*arguments, "--events", "--out", out, *(["--work", work] if work else []))
    done = subprocess.run(command, capture_output=True, text=True, env=engine_environment(), timeout=300, check=False)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    finished = Finished(done.returncode, events, done.stderr, out, work or out)
    if (out / "result.json").exists():
        finished.result = json.loads((out / "result.json").read_text())
    return finished


@pytest.fixture
def engine(tmp_path: Path) -> Callable[..., Finished]:
    return lambda *arguments, work=True: run_engine(
        *arguments, out=tmp_path / "out", work=tmp_path / "work" if work else None
    )


@pytest.fixture(scope="session")
def tiny_spec() -> TrainingSpec:
    return TrainingSpec.from_yaml(TINY_SPEC)


@pytest.fixture(scope="session")
def tiny_spec_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spec") / "tiny.yaml"
    path.write_text(TINY_SPEC)
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_spec_file, digits_dataset) -> Finished:
    """One whole training run, as a process: a trainer and three students on the digits."""
    folder = tmp_path_factory.mktemp("trained")
    finished = run_engine(
        "train", "--spec", tiny_spec_file, "--dataset", digits_dataset, out=folder / "out", work=folder / "work"
    )
    assert finished.status == 0, finished.stderr
    return finished


@pytest.fixture(scope="session")
def tensorflow() -> Any:
    """TensorFlow in this process, quiet and deterministic. Only tests marked `engine` ask for it."""
    from ml.tensorflow_start import start_tensorflow

    with warnings.catch_warnings():
        # TensorFlow's own imports use what newer Python versions deprecate.
        warnings.simplefilter("ignore")
        start_tensorflow()
        import tensorflow as tf
        import tf_keras  # noqa: F401 — imported here, where its warnings are ignored
    tf.config.experimental.enable_op_determinism()
    return tf
