"""Measures a .tflite file on the splits of a dataset: raw pixels in, one example at a time, as on a device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.data.dataset import DatasetInfo, Split, read_examples
from ml.data.images import Pixels, decode_png
from ml.evaluation.metrics import ClassificationMetrics, classification_metrics
from ml.evaluation.runtime import Runtime
from ml.files import sha256_of
from ml.refusal import RefusedError
from ml.reporting import Reporter

PROGRESS_EVERY = 1000


def decoded_examples(folder: Path, split: Split, info: DatasetInfo) -> Iterator[tuple[Pixels, int, str]]:
    """Pixels, label and path of each example of a split."""
    for example in read_examples(folder, split, info):
        yield decode_png(example.image, info.feature.shape), example.label, example.path


def evaluate_runtime(
    runtime: Runtime, folder: Path, split: Split, info: DatasetInfo, reporter: Reporter | None = None
) -> ClassificationMetrics:
    """The metrics of a loaded file on one split. Raises RefusedError if the split is empty or the shapes differ."""
    _check_shapes(runtime, info)
    probabilities: list[npt.NDArray[np.float32]] = []
    labels: list[int] = []
    for pixels, label, _path in decoded_examples(folder, split, info):
        if reporter and len(labels) % PROGRESS_EVERY == 0:
            reporter.progress(len(labels), info.splits.get(split, 0), "examples", f"evaluating {split}")
        probabilities.append(runtime.predict(pixels))
        labels.append(label)
    if not labels:
        raise RefusedError("empty_split", f"The {split} split has no examples.")
    return classification_metrics(np.stack(probabilities), np.array(labels, np.int64), info.classes)


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
    accepted_input, accepted_output = (1, *info.feature.shape), (1, len(info.classes))
    if runtime.input_shape != accepted_input or runtime.output_shape != accepted_output:
        raise RefusedError(
            "model_dataset_mismatch",
            f"The model does not fit the dataset. Received: input {runtime.input_shape}, "
            f"output {runtime.output_shape}. "
            f"Accepted: input {accepted_input}, output {accepted_output}.",
        )
