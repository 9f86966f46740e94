"""Measures a .tflite file on the splits of a dataset: raw inputs, one example at a time, as on a device."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.data.dataset import DatasetInfo, Split, read_examples
from ml.evaluation.answers import Answers
from ml.evaluation.metrics import accumulator_for
from ml.evaluation.runtime import Runtime
from ml.features.raw import raw_values
from ml.files import sha256_of
from ml.refusal import RefusedError
from ml.reporting import Reporter
from ml.tasks.labels import label_values

PROGRESS_EVERY = 1000
BATCH = 256
BATCH_VALUES = 2**20

RawInputs = dict[str, npt.NDArray[np.generic]]


def raw_examples(
    folder: Path, split: Split, info: DatasetInfo
) -> Iterator[tuple[RawInputs, npt.NDArray[np.generic], str]]:
    """Raw inputs by name, label and path of each example of a split."""
    for example in read_examples(folder, split, info):
        inputs = {feature.name: raw_values(example.features[feature.name], feature) for feature in info.features}
        yield inputs, label_values(example.label, info.task, info.features[0].steps), example.path


def evaluate_runtime(
    runtime: Runtime, folder: Path, split: Split, info: DatasetInfo, reporter: Reporter | None = None
) -> dict[str, Any]:
    """The metrics of a loaded file on one split. Raises RefusedError if the split is empty or the shapes differ."""
    _check_shapes(runtime, info)
    metrics = accumulator_for(info.task, info.classes)
    answers, count, examples = Answers(runtime), 0, raw_examples(folder, split, info)
    size = max(1, min(BATCH, BATCH_VALUES // prod(runtime.output_shape)))
    while batch := list(islice(examples, size)):
        if reporter and count % PROGRESS_EVERY < size:
            reporter.progress(count, info.splits.get(split, 0), "examples", f"evaluating {split}")
        metrics.update(answers([inputs for inputs, _, _ in batch]), np.stack([label for _, label, _ in batch]))
        count += len(batch)
    if not count:
        raise RefusedError("empty_split", f"The {split} split has no examples.")
    return metrics.result()


def evaluate_file(path: Path, folder: Path, split: Split, reporter: Reporter) -> dict[str, Any]:
    """result.json of `evaluate`."""
    info = DatasetInfo.read(folder)
    runtime = Runtime(path)
    metrics = evaluate_runtime(runtime, folder, split, info, reporter)
    return {
        "metrics": {split: metrics},
        "latency_ms": runtime.latency(),
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
    }


def _check_shapes(runtime: Runtime, info: DatasetInfo) -> None:
    accepted = {feature.name: (feature.shape, np.dtype(feature.dtype)) for feature in info.features}
    outputs: tuple[int, ...] = (info.task.num_outputs,)
    if info.task.type == "sequence":
        outputs = (info.features[0].steps or 0, *outputs)
    if runtime.inputs != accepted or runtime.output_shape != outputs:
        raise RefusedError(
            "model_dataset_mismatch",
            f"The model does not fit the dataset. Received: {_text(runtime.inputs)}, output {runtime.output_shape}. "
            f"Accepted: {_text(accepted)}, output {outputs}.",
        )


def _text(inputs: dict[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> str:
    return ", ".join(f"{name}: {dtype} {shape}" for name, (shape, dtype) in sorted(inputs.items()))
