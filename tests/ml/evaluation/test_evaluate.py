from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from ml.data.dataset import DatasetInfo
from ml.data.importing import ImportSettings, import_dataset
from ml.evaluation.evaluate import evaluate_file
from ml.evaluation.runtime import Runtime
from ml.refusal import RefusedError
from tests.ml.conftest import ENGINE, png

pytestmark = pytest.mark.engine


def test_evaluating_a_file_by_itself_gives_what_the_run_reported(engine, trained, digits_dataset):
    model = trained.result["models"][1]
    finished = engine(
        "evaluate",
        "--file",
        trained.out / "bits" / "model.tflite",
        "--dataset",
        digits_dataset,
        "--split",
        "test",
        work=False,
    )
    assert finished.status == 0
    assert finished.result["metrics"]["test"] == model["metrics"]["test"]
    assert finished.result["sha256"] == model["files"][0]["sha256"]
    assert set(finished.result["latency_ms"]) == {"p50", "p95"}


def test_a_dataset_of_another_shape_is_refused(trained, digit_images, make_zip, tmp_path, reporter):
    entries = {
        f"{label}/{i}.png": png(pixels.repeat(2, axis=0)) for i, (label, pixels) in enumerate(digit_images[:200])
    }
    import_dataset(make_zip(entries), tmp_path / "wide", tmp_path / "work", ImportSettings(), reporter)
    with pytest.raises(RefusedError, match=r"Received: image: uint8 \(8, 8, 1\).*Accepted: image: uint8 \(16, 8, 1\)"):
        evaluate_file(trained.out / "bits" / "model.tflite", tmp_path / "wide", "test", reporter)


def test_an_empty_split_is_refused(trained, digits_dataset, tmp_path, reporter):
    shutil.copytree(digits_dataset, tmp_path / "dataset")
    (tmp_path / "dataset" / "test.tfrecord").write_bytes(b"")
    with pytest.raises(RefusedError, match="The test split has no examples"):
        evaluate_file(trained.out / "bits" / "model.tflite", tmp_path / "dataset", "test", reporter)


def test_a_file_that_does_not_load_is_refused(tmp_path):
    (tmp_path / "bad.tflite").write_bytes(b"nothing")
    with pytest.raises(RefusedError, match=r"bad\.tflite does not run in LiteRT"):
        Runtime(tmp_path / "bad.tflite")


def test_evaluating_needs_no_tensorflow(trained, digits_dataset, tmp_path):
    code = (
        "import sys; from ml.commands import main; "
        f"status = main(['evaluate', '--file', {str(trained.out / 'dense' / 'model.tflite')!r}, "
        f"'--dataset', {str(digits_dataset)!r}, '--out', {str(tmp_path / 'out')!r}]); "
        "sys.exit(status or int('tensorflow' in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ENGINE)}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_dataset_info_is_the_one_of_the_import(digits_dataset):
    assert DatasetInfo.read(digits_dataset).features[0].shape == (8, 8, 1)
