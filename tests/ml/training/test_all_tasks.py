"""Every task and every kind of input, from examples in files to a measured .tflite."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.data.dataset import Split
from ml.data.examples import Example, Stored
from ml.data.images import encode_png
from ml.features import FeatureSpec
from ml.features.raw import raw_values
from ml.specs import TrainingSpec
from ml.tasks import TaskSpec
from tests.ml.architectures.tiny import FEATURES, TASKS, raw_batch
from tests.ml.conftest import quiet_reporter
from tests.ml.training.written_dataset import write_dataset

pytestmark = pytest.mark.engine

CLASSES = ["no", "perhaps", "yes"]


@dataclass(frozen=True)
class Run:
    """One run: what is learned from what, and the metric that says how well."""

    task: str
    features: Sequence[str]
    students: Sequence[tuple[str, dict[str, Any]]]
    metric: str
    trainer: tuple[str, dict[str, Any]] | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)


RUNS = {
    "vector": Run(
        "regression", ["vector"], [("feed_forward", {"units": [4]})], "rmse", trainer=("feed_forward", {"units": [8]})
    ),
    "text": Run("multi_label", ["bytes"], [("projection", {"projections": 8, "bits": 8})], "micro_f1"),
    "tokens": Run(
        "sequence",
        ["tokens"],
        [("qrnn", {"units": [4]})],
        "accuracy",
        trainer=("feed_forward", {"units": [4]}),
        hyperparameters={"class_weighting": "balanced", "clip_norm": 1.0},
    ),
    "audio": Run("classification", ["audio"], [("depthwise_cnn", {"stem": 4, "filters": [4]})], "accuracy"),
    "sensor": Run("classification", ["sensor"], [("projection_sparse", {"projections": 8, "bits": 4})], "accuracy"),
    "video": Run("multi_label", ["video"], [("cnn", {"filters": [4]})], "micro_f1"),
    "multimodal": Run("regression", ["image", "bytes"], [("multimodal", {"units": [4]})], "rmse"),
    "quantized": Run(
        "classification",
        ["bytes"],
        [("feed_forward", {"units": [4]})],
        "accuracy",
        hyperparameters={"quantize": "int8"},
    ),
}


def stored(feature: FeatureSpec, raw: np.ndarray) -> Stored:
    """The raw values of an example as a dataset keeps them."""
    match feature.type:
        case "image":
            return encode_png(raw)
        case "video":
            return [encode_png(frame) for frame in raw]
        case "audio":
            return raw.astype("<i2").tobytes()
        case "text" if feature.is_tokens:
            return [bytes(token).rstrip(b"\0") for token in raw if token.any()]
        case "text":
            return bytes(raw).rstrip(b"\0")
    return raw.reshape(-1).tolist()


def label_of(task: TaskSpec, label: int, steps: int) -> list[int] | list[float]:
    match task.type:
        case "regression":
            return [10.0 + 2.0 * (label - 1), -3.0 - 0.5 * (label - 1)]
        case "multi_label":
            return list(range(label))  # none of the first
        case "sequence":
            return [label] * steps
    return [label]


def examples_of(task: TaskSpec, features: Sequence[FeatureSpec], count: int, seed: int) -> list[Example]:
    classes = np.arange(count) % 3
    raw = {one.name: raw_batch(one, classes, seed=seed) for one in features}
    made = []
    for index, label in enumerate(classes.tolist()):
        values = {one.name: stored(one, raw[one.name][index]) for one in features}
        made.append(Example(values, label_of(task, label, len(values[features[0].name])), f"{seed}/{index}"))
    return made


def run(tensorflow, folder: Path, wanted: Run) -> tuple[TrainingSpec, list[Example], dict[str, Any]]:
    """Trains; gives the spec, the test examples and result.json."""
    from ml.training.run import train

    task, features = TASKS[wanted.task], [FEATURES[name] for name in wanted.features]
    splits: dict[Split, Sequence[Example]] = {
        "train": examples_of(task, features, 24, seed=0),
        "validation": examples_of(task, features, 6, seed=1),
        "test": examples_of(task, features, 9, seed=2),
    }
    write_dataset(folder / "data", task, features, splits, CLASSES if task.num_classes else [])

    def model(name: str, declared: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        return {"id": name, "model_type": declared[0], "params": declared[1]}

    training = {"steps": 6, "batch_size": 8, "learning_rate": 0.01, **wanted.hyperparameters}
    spec = TrainingSpec.parse(
        {
            "experiment_name": "all",
            "task": task.model_dump(),
            "features": [one.model_dump() for one in features],
            "hyperparameters": training,
            "trainer": model("trainer", wanted.trainer) if wanted.trainer else None,
            "students": [model(f"student{index}", one) for index, one in enumerate(wanted.students)],
        }
    )
    out = folder / "out"
    train(spec, spec_folder=folder, dataset=folder / "data", out=out, work=folder / "work", reporter=quiet_reporter())
    return spec, list(splits["test"]), json.loads((out / "result.json").read_text())


@pytest.mark.parametrize("name", RUNS)
def test_a_run_leaves_measured_models_that_take_raw_inputs(tensorflow, tmp_path, name):
    from ai_edge_litert.interpreter import Interpreter

    wanted = RUNS[name]
    spec, examples, result = run(tensorflow, tmp_path, wanted)
    assert (result["steps"], result["stopped_early"]) == (6, False)
    assert [model["id"] for model in result["models"]] == [model.id for model in spec.models()]
    assert result["best_student"].startswith("student")
    steps = [spec.features[0].steps or 0] if wanted.task == "sequence" else []
    for model in result["models"]:
        quantized = model["role"] == "student" and "quantize" in wanted.hyperparameters
        for split, count in (("validation", 6), ("test", 9)):
            metrics = model["metrics"][split]
            assert metrics["num_examples"] == count
            assert np.isfinite(metrics[wanted.metric])
        assert model["parity"]["num_examples"] == 9
        assert model["parity"]["max_abs"] <= (0.35 if quantized else 1e-3)
        assert model["latency_ms"]["p50"] > 0
        kinds = ["tflite", "saved_model", "checkpoint", "keras"] + ["labels"] * (wanted.task != "regression")
        assert [file["kind"] for file in model["files"]] == kinds
        assert [one["name"] for one in model["inputs"]] == [one.name for one in spec.features]
        # The file, by itself, with what a device has.
        runner = Interpreter(model_path=str(tmp_path / "out" / model["files"][0]["path"])).get_signature_runner()
        raw = {one.name: raw_values(examples[0].features[one.name], one)[np.newaxis] for one in spec.features}
        (output,) = runner(**raw).items()
        assert output[0] == model["output"]["name"] == ("values" if wanted.task == "regression" else "probabilities")
        expected = [1, *steps, 2 if wanted.task == "regression" else 3]
        assert list(output[1].shape) == model["output"]["shape"] == expected
        if wanted.task in ("classification", "sequence"):
            assert output[1].sum(axis=-1) == pytest.approx(np.ones([1, *steps]), abs=0.02)
    history = [json.loads(line)["values"] for line in (tmp_path / "out" / "history.jsonl").read_text().splitlines()]
    metric = "mae" if wanted.task == "regression" else "accuracy"
    assert {"loss", "student:student0/loss", f"validation/student:student0/{metric}"} <= set(history[-1])
    assert ("student:student0/cross" in history[-1]) == (wanted.trainer is not None)


def test_what_was_learned_in_8_bits_can_be_taken_up_again(tensorflow, tmp_path):
    import tf_keras

    from ml.data.dataset import DatasetInfo
    from ml.data.measuring import measure
    from ml.data.pipeline import Pipeline
    from ml.training.networks import build_networks

    spec, _, _ = run(tensorflow, tmp_path, RUNS["quantized"])
    student = spec.students[0].model_copy(update={"load_checkpoint": "out/student0/checkpoint.zip"})
    statistics = measure(Pipeline(tmp_path / "data", DatasetInfo.read(tmp_path / "data"))).statistics
    for quantize in ("int8", None):
        hyper = spec.hyperparameters.model_copy(update={"quantize": quantize})
        again = spec.model_copy(update={"students": [student], "hyperparameters": hyper})
        (network,) = build_networks(again, statistics, spec_folder=tmp_path)
        loaded = tf_keras.models.load_model(tmp_path / "out" / "student0" / "model.keras")
        found = zip(loaded.get_weights(), network.kept.get_weights(), strict=True)
        assert all(np.array_equal(one, other) for one, other in found)
