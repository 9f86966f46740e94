"""One training run from its spec to its files and result.json."""

from __future__ import annotations

import hashlib
import json
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from ml.conversion.export import Serving, export_network
from ml.conversion.metadata import InputMetadata, ModelMetadata, output_name
from ml.conversion.parity import check_parity
from ml.data.dataset import DatasetInfo, Split, split_path
from ml.data.measuring import Measured, balanced_weights, measure
from ml.data.pipeline import Pipeline
from ml.evaluation.agreement_of_run import agreements
from ml.evaluation.cost import cost_of
from ml.evaluation.evaluate import evaluate_runtime, raw_examples
from ml.evaluation.runtime import Runtime
from ml.files import sha256_of, write_json
from ml.profiling.device_profile import profile_of
from ml.profiling.latency import predicted_ms
from ml.refusal import RefusedError
from ml.reporting import Reporter
from ml.specs import TrainingSpec
from ml.training.joint import JointTrainer
from ml.training.loop import TrainingLoop
from ml.training.networks import Network, build_networks
from ml.training.objectives import Objective, objective_for
from ml.training.projector import write_projector
from ml.training.selection import best_student
from ml.training.unconverted import UnconvertedRuntime

PARITY_EXAMPLES = 500
# Of the whole command; exporting, comparing and measuring take the rest.
TRAINING_SHARE = 0.8
_HELD_OUT: tuple[Split, ...] = ("validation", "test")


def train(spec: TrainingSpec, *, spec_folder: Path, dataset: Path, out: Path, work: Path, reporter: Reporter) -> None:
    """Trains, exports and measures; writes result.json into `out` last. Raises RefusedError and Terminated."""
    # Never 0, with which tf.data can't shuffle by a seed that changes from epoch to epoch.
    tf_keras.utils.set_random_seed(spec.hyperparameters.seed + 1)
    tf.config.experimental.enable_op_determinism()
    work.mkdir(parents=True, exist_ok=True)
    _claim_work(work, spec, dataset)
    pipeline = Pipeline(dataset, DatasetInfo.read(dataset))
    reporter.log("info", f"training {', '.join(model.id for model in spec.models())} with TensorFlow {tf.__version__}")
    measured = measure(pipeline)
    networks = build_networks(spec, measured.statistics, spec_folder=spec_folder)
    objective = objective_of(spec, measured)
    joint = JointTrainer(networks, spec.hyperparameters, objective)
    loop = TrainingLoop(spec, joint, pipeline, work=work, out=out, reporter=reporter)
    reporter.phase(0.0, TRAINING_SHARE)
    trained = loop.run()

    reporter.phase(TRAINING_SHARE, 1.0)
    write_projector(networks, pipeline, out / "tensorboard")
    exporter = _Exporter(spec, pipeline, objective, measured, out=out, work=work, reporter=reporter)
    profile = profile_of(spec.budget, spec_folder)
    models = []
    for index, network in enumerate(networks):
        reporter.progress(index, len(networks), "models", f"exporting {network.spec.id}")
        models.append(exporter.export_and_measure(network))
    exporter.add_agreement(models)
    if profile is not None:
        for model in models:
            path = out / model["id"] / "model.tflite"
            model["predicted_latency_ms"] = predicted_ms(path, profile) if path.is_file() else None
    best = best_student(models, spec.budget, spec.task)
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


def objective_of(spec: TrainingSpec, measured: Measured) -> Objective:
    """The objective of the spec's task, with the class weights that it asks for."""
    hyper = spec.hyperparameters
    weights = balanced_weights(measured.class_counts) if hyper.class_weighting == "balanced" else hyper.class_weights
    statistics = measured.statistics.get(spec.task.label)
    return objective_for(spec.task, class_weights=weights, label_statistics=statistics)


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


class _Exporter:
    """Exports one network after the other, and measures what was written."""

    def __init__(
        self,
        spec: TrainingSpec,
        pipeline: Pipeline,
        objective: Objective,
        measured: Measured,
        *,
        out: Path,
        work: Path,
        reporter: Reporter,
    ) -> None:
        self._spec, self._pipeline, self._objective = spec, pipeline, objective
        self._out, self._work, self._reporter = out, work, reporter
        self._runtimes: dict[str, Runtime] = {}
        label = measured.statistics.get(spec.task.label)
        self._scale = np.array(label.scale) if label is not None else 1.0

    def export_and_measure(self, network: Network) -> dict[str, Any]:
        """One entry of result.json's `models`. All metrics come from running the .tflite file in LiteRT."""
        info, spec = self._pipeline.info, self._spec
        metadata = ModelMetadata.of(spec.task, spec.features, info.classes, model_id=network.spec.id)
        serving = Serving(network.model, self._objective, spec.task, spec.features)
        quantized = spec.hyperparameters.quantize is not None and network.role == "student"
        exported = export_network(
            network, serving, metadata=metadata, out=self._out, work=self._work, quantize=quantized
        )
        runtime: Runtime = UnconvertedRuntime(serving, spec) if exported.tflite is None else Runtime(exported.tflite)
        self._runtimes[network.spec.id] = runtime
        if exported.tflite is None:
            text = f"{network.spec.id} has no form in builtin operators: it is measured as it is, and gets no .tflite"
            self._reporter.log("warning", text)
        splits: list[Split] = [split for split in _HELD_OUT if info.splits.get(split)]
        held_out: Split = splits[-1] if splits else "train"
        examples = islice(raw_examples(self._pipeline.folder, held_out, info), PARITY_EXAMPLES)
        pairs = ((inputs, path) for inputs, _label, path in examples)
        parity = check_parity(serving, runtime, pairs, task=spec.task.type, quantized=quantized, scale=self._scale)
        metrics = {split: evaluate_runtime(runtime, self._pipeline.folder, split, info) for split in splits}
        write_json(self._out / network.spec.id / "metrics.json", metrics)
        return {
            "id": network.spec.id,
            "role": network.role,
            "model_type": network.spec.model_type,
            "parameters": network.parameters,
            "files": exported.files,
            "cost": cost_of(exported.tflite, self._reporter) if exported.tflite else None,
            "metrics": metrics,
            "latency_ms": runtime.latency(),
            "parity": parity,
            "inputs": [InputMetadata.of(feature).model_dump(mode="json") for feature in spec.features],
            "output": {"name": output_name(spec.task), "shape": [1, *runtime.output_shape], "dtype": "float32"},
        }

    def add_agreement(self, models: list[dict[str, Any]]) -> None:
        """How often each student says what the trainer says on held-out data, as `agreement` of its entry."""
        info = self._pipeline.info
        trainer = next((self._runtimes[model["id"]] for model in models if model["role"] == "trainer"), None)
        split = next((split for split in reversed(_HELD_OUT) if info.splits.get(split)), None)
        if trainer is None or split is None:
            return
        students = {model["id"]: self._runtimes[model["id"]] for model in models if model["role"] == "student"}
        found = agreements(trainer, students, self._pipeline.folder, split, info)
        for model in models:
            if model["id"] in found:
                model["agreement"] = {"split": split, **found[model["id"]]}
