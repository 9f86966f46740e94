"""One training run from its spec to its files and result.json."""

from __future__ import annotations

import hashlib
import json
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras

from ml.conversion.export import OUTPUT, export_network
from ml.conversion.metadata import InputMetadata, ModelMetadata, OutputMetadata
from ml.conversion.parity import check_parity
from ml.data.dataset import DatasetInfo, Split, split_path
from ml.data.pipeline import Pipeline
from ml.evaluation.evaluate import decoded_examples, evaluate_runtime
from ml.evaluation.runtime import Runtime
from ml.files import sha256_of, write_json
from ml.refusal import RefusedError
from ml.reporting import Reporter
from ml.specs import TrainingSpec
from ml.training.joint import JointTrainer
from ml.training.loop import TrainingLoop
from ml.training.networks import Network, build_networks
from ml.training.selection import best_student

PARITY_EXAMPLES = 500
# Of the whole command; exporting, comparing and measuring take the rest.
TRAINING_SHARE = 0.8
_HELD_OUT: tuple[Split, ...] = ("validation", "test")


def train(spec: TrainingSpec, *, spec_folder: Path, dataset: Path, out: Path, work: Path, reporter: Reporter) -> None:
    """Trains, exports and measures; writes result.json into `out` last. Raises RefusedError and Terminated."""
    tf_keras.utils.set_random_seed(spec.hyperparameters.seed)
    tf.config.experimental.enable_op_determinism()
    work.mkdir(parents=True, exist_ok=True)
    _claim_work(work, spec, dataset)
    pipeline = Pipeline(dataset, DatasetInfo.read(dataset))
    reporter.log("info", f"training {', '.join(model.id for model in spec.models())} with TensorFlow {tf.__version__}")
    networks = build_networks(spec, pipeline.statistics(), spec_folder=spec_folder)
    joint = JointTrainer(networks, spec.hyperparameters)
    loop = TrainingLoop(spec, joint, pipeline, work=work, out=out, reporter=reporter)
    reporter.phase(0.0, TRAINING_SHARE)
    trained = loop.run()

    reporter.phase(TRAINING_SHARE, 1.0)
    models = []
    for index, network in enumerate(networks):
        reporter.progress(index, len(networks), "models", f"exporting {network.spec.id}")
        models.append(_export_and_measure(network, pipeline, out=out, work=work))
    best = best_student(models, spec.budget)
    if best is None:
        needed = (
            f"within the budget {spec.budget.model_dump()}" if pipeline.info.splits.get("validation") else "measured"
        )
        reporter.log("warning", f"no student is {needed}: none was chosen")
    shutil.copyfile(loop.history_path, out / "history.jsonl")
    write_json(
        out / "result.json",
        {
            "models": models,
            "best_student": best,
            "steps": trained.steps,
            "stopped_early": trained.stopped_early,
            "seconds": round(trained.seconds, 3),
            "history_path": "history.jsonl",
        },
    )
    reporter.progress(len(networks), len(networks), "models", "done")


def _claim_work(work: Path, spec: TrainingSpec, dataset: Path) -> None:
    """Raises RefusedError `work_of_another_run` if `work` holds the state of another spec or dataset."""
    identity = {
        "spec": hashlib.sha256(spec.model_dump_json().encode()).hexdigest(),
        "dataset": sha256_of(dataset / "dataset.json"),
        "examples": sha256_of(split_path(dataset, "train")),
    }
    path = work / "run.json"
    if path.is_file() and json.loads(path.read_text()) != identity:
        raise RefusedError(
            "work_of_another_run",
            f"The work folder {work} holds the state of a run with another spec or dataset. "
            "Accepted: an empty folder, or the same spec and dataset to resume.",
        )
    write_json(path, identity)


def _export_and_measure(network: Network, pipeline: Pipeline, *, out: Path, work: Path) -> dict[str, Any]:
    """One entry of result.json's `models`. All metrics come from running the .tflite file in LiteRT."""
    info = pipeline.info
    metadata = ModelMetadata(
        labels=info.classes,
        inputs=[InputMetadata(name=info.feature.name, shape=info.feature.shape)],
        outputs=[OutputMetadata(name=OUTPUT)],
        model_id=network.spec.id,
    )
    exported = export_network(
        network, metadata=metadata, out=out, work=work, tflite_copy=network.spec.tflite_output_path
    )
    runtime = Runtime(exported.tflite)
    splits: list[Split] = [split for split in _HELD_OUT if info.splits.get(split)]
    held_out: Split = splits[-1] if splits else "train"
    examples = islice(decoded_examples(pipeline.folder, held_out, info), PARITY_EXAMPLES)
    parity = check_parity(network.model, runtime, ((pixels, path) for pixels, _label, path in examples))
    metrics = {split: evaluate_runtime(runtime, pipeline.folder, split, info) for split in splits}
    write_json(exported.tflite.with_name("metrics.json"), metrics)
    return {
        "id": network.spec.id,
        "role": network.role,
        "model_type": network.spec.model_type,
        "parameters": int(network.model.count_params()),
        "files": exported.files,
        "metrics": metrics,
        "latency_ms": runtime.latency(),
        "parity": parity,
        "input": {"name": info.feature.name, "shape": [1, *info.feature.shape], "dtype": "uint8"},
        "output": {"name": OUTPUT, "shape": [1, len(info.classes)], "dtype": "float32"},
    }
