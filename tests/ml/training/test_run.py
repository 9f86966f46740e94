"""One whole run, as the platform starts it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time

import numpy as np
import pytest

from ml.evaluation.metrics import classification_metrics
from ml.specs import TrainingSpec
from ml.training.selection import best_student
from tests.ml.conftest import engine_command, engine_environment

pytestmark = pytest.mark.engine


def models(trained):
    return {model["id"]: model for model in trained.result["models"]}


def test_every_model_is_written_in_every_form(trained):
    found = models(trained)
    assert {name: model["role"] for name, model in found.items()} == {
        "trainer": "trainer",
        "bits": "student",
        "dense": "student",
        "depthwise": "student",
    }
    for name, model in found.items():
        assert [file["kind"] for file in model["files"]] == ["tflite", "saved_model", "checkpoint", "keras", "labels"]
        for file in model["files"]:
            content = (trained.out / file["path"]).read_bytes()
            assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert (trained.out / name / "saved_model" / "saved_model.pb").is_file()
        assert (trained.out / name / "labels.txt").read_text().split() == [str(digit) for digit in range(10)]
        assert json.loads((trained.out / name / "metrics.json").read_text()) == model["metrics"]
        image = {"name": "image", "type": "image", "shape": [8, 8, 1], "dtype": "uint8", "sample_rate": None}
        assert model["inputs"] == [image]
        assert model["output"] == {"name": "probabilities", "shape": [1, 10], "dtype": "float32"}
        assert 0 < model["latency_ms"]["p50"] <= model["latency_ms"]["p95"]
        assert model["parity"]["max_abs"] < 1e-5
    assert (trained.out / "copies" / "bits.tflite").read_bytes() == (trained.out / "bits" / "model.tflite").read_bytes()


def test_the_digits_are_learned(trained):
    accuracies = {name: model["metrics"]["test"]["accuracy"] for name, model in models(trained).items()}
    assert accuracies["trainer"] > 0.93
    assert min(accuracies.values()) > 0.85


def test_the_metrics_are_those_of_the_matrix(trained):
    for model in models(trained).values():
        test = model["metrics"]["test"]
        matrix = np.array(test["confusion_matrix"])
        assert matrix.sum() == test["num_examples"] == 359
        assert np.trace(matrix) / 359 == test["accuracy"]
        assert [entry["support"] for entry in test["per_class"]] == matrix.sum(axis=1).tolist()


def test_the_reported_accuracy_is_that_of_the_file_run_by_itself(trained, digits_dataset):
    """With nothing of the engine but the records: the interpreter's signature runner, and Pillow's pixels."""
    from ai_edge_litert.interpreter import Interpreter

    from ml.data.dataset import DatasetInfo
    from ml.evaluation.evaluate import raw_examples

    for name, model in models(trained).items():
        runner = Interpreter(model_path=str(trained.out / name / "model.tflite")).get_signature_runner(
            "serving_default"
        )
        probabilities, labels = [], []
        for inputs, label, _ in raw_examples(digits_dataset, "test", DatasetInfo.read(digits_dataset)):
            probabilities.append(runner(image=inputs["image"][None])["probabilities"][0])
            labels.append(label)
        classes = [str(digit) for digit in range(10)]
        expected = classification_metrics(np.stack(probabilities), np.array(labels), classes)
        found = model["metrics"]["test"]
        assert found["confusion_matrix"] == expected["confusion_matrix"]
        for name in ("accuracy", "top5_accuracy", "loss", "macro_f1", "macro_roc_auc"):
            assert found[name] == pytest.approx(expected[name], rel=1e-9)


def test_the_events_tell_the_way(trained):
    kinds = {event["event"] for event in trained.events}
    assert kinds == {"progress", "metrics", "log"}
    progress = [event for event in trained.events if event["event"] == "progress"]
    steps = [event["done"] for event in progress if event["unit"] == "steps"]
    assert (steps[0], steps[-1], steps) == (0, 120, sorted(steps))
    done = {"done": 4, "total": 4, "unit": "models", "message": "done", "share": 1.0}
    assert progress[-1] == {"event": "progress", **done}
    shares = [event["share"] for event in progress]
    assert shares == sorted(shares)
    metrics = [event for event in trained.events if event["event"] == "metrics"]
    assert set(metrics[-1]["values"]) >= {
        "trainer/loss",
        "trainer/accuracy",
        "student:bits/loss",
        "student:bits/accuracy",
        "student:bits/cross",
        "validation/trainer/accuracy",
    }
    assert len(metrics) <= 25 + 2 * trained.result["seconds"]
    history = [json.loads(line) for line in (trained.out / trained.result["history_path"]).read_text().splitlines()]
    assert [entry["step"] for entry in history] == [event["step"] for event in metrics]


def test_the_log_is_free_of_start_up_noise(trained):
    assert "cuda" not in trained.stderr.lower()
    assert "onednn" not in trained.stderr.lower()


def test_the_keras_file_and_the_saved_model_give_the_same_answer(tensorflow, trained):
    import tf_keras

    import ml.layers.front_end  # noqa: F401 — registers the layers of the file

    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    model = tf_keras.models.load_model(trained.out / "bits" / "model.keras")
    saved = tensorflow.saved_model.load(str(trained.out / "bits" / "saved_model"))
    from_saved = saved.signatures["serving_default"](image=tensorflow.constant(images))["probabilities"]
    np.testing.assert_allclose(tensorflow.nn.softmax(model({"image": images})).numpy(), from_saved.numpy(), atol=1e-6)


def test_sigterm_saves_a_checkpoint_and_a_second_start_resumes(tmp_path, tiny_spec_file, digits_dataset):
    spec = tmp_path / "long.yaml"
    spec.write_text(tiny_spec_file.read_text().replace("steps: 120", "steps: 100000"))
    command = engine_command(
        "train",
        "--events",
        "--spec",
        spec,
        "--dataset",
        digits_dataset,
        "--out",
        tmp_path / "out",
        "--work",
        tmp_path / "work",
    )
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=engine_environment()
    )
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "metrics":
            process.terminate()
            break
    started = time.monotonic()
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert time.monotonic() - started < 30
    events = [json.loads(line) for line in rest.splitlines()]
    assert "checkpoint saved" in next(e["message"] for e in events if e["event"] == "log" and "saved" in e["message"])
    assert list((tmp_path / "work" / "checkpoints").glob("*.index"))
    assert not (tmp_path / "out" / "result.json").exists()


def test_the_best_student_is_the_most_accurate_within_the_budget():
    def model(name, role, size, accuracy, latency=1.0):
        return {
            "id": name,
            "role": role,
            "files": [{"kind": "tflite", "bytes": size}],
            "metrics": {"validation": {"accuracy": accuracy}},
            "latency_ms": {"p50": latency},
        }

    candidates = [
        model("trainer", "trainer", 10, 1.0),
        model("big", "student", 900, 0.99, 9.0),
        model("small", "student", 100, 0.95),
        model("smaller", "student", 90, 0.95),
    ]

    def chosen(**budget):
        spec = TrainingSpec.parse(
            {
                "experiment_name": "budget",
                "task": {"num_classes": 2},
                "features": [{"shape": [8, 8, 1]}],
                "students": [{"id": "a", "model_type": "cnn"}],
                "budget": budget,
            }
        )
        return best_student(candidates, spec.budget, spec.task)

    assert chosen() == "big"
    assert chosen(max_bytes=500) == "smaller"
    assert chosen(max_latency_ms=2) == "smaller"
    assert chosen(max_bytes=50) is None


def test_a_streamed_run_can_have_the_seed_zero(tensorflow, digits_dataset, tmp_path, monkeypatch, reporter):
    from ml.training.run import train

    monkeypatch.setattr("ml.data.pipeline.CACHE_BYTES", 0)
    spec = TrainingSpec.parse(
        {
            "experiment_name": "zero",
            "task": {"num_classes": 10},
            "features": [{"shape": [8, 8, 1]}],
            "hyperparameters": {"seed": 0, "steps": 2, "batch_size": 8},
            "students": [{"id": "linear", "model_type": "feed_forward", "params": {"units": []}}],
        }
    )
    (tmp_path / "out").mkdir()
    train(
        spec,
        spec_folder=tmp_path,
        dataset=digits_dataset,
        out=tmp_path / "out",
        work=tmp_path / "work",
        reporter=reporter,
    )
    assert json.loads((tmp_path / "out" / "result.json").read_text())["steps"] == 2
