"""Does the .tflite file say the same as the model that it was made from?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Protocol, TypedDict

import numpy as np
import numpy.typing as npt

from ml.evaluation.runtime import Runtime
from ml.tasks import TaskType

TOLERANCE = 1e-3
# Rounding to 8 bits moves a probability by more, near the border between two classes by much. Few may change sides, of
# those that were clearly on one.
QUANTIZED_TOLERANCE = 0.35
QUANTIZED_AGREEMENT = 0.97
CLEAR = 0.1
BATCH = 128

Inputs = Mapping[str, npt.NDArray[np.generic]]


class Serving(Protocol):
    """What was exported: batches of raw inputs by name in, tensors by name out (`ml.conversion.export.Serving`)."""

    def answers(self, **inputs: Any) -> dict[str, Any]: ...


class Parity(TypedDict):
    """Largest difference of an output, and the share of examples (or steps) with the same first class.

    Of several classes at once: of examples and classes with the same decision at a probability of 0.5; of a
    regression: of values that differ by no more than the tolerance.
    """

    max_abs: float
    top1_agreement: float
    tolerance: float
    num_examples: int


class ParityError(Exception):
    """The converted file's outputs differ from the model's by more than the tolerance."""


def check_parity(
    serving: Serving,
    runtime: Runtime,
    examples: Iterable[tuple[Inputs, str]],
    *,
    task: TaskType = "classification",
    quantized: bool = False,
    scale: npt.NDArray[np.float64] | float = 1.0,
) -> Parity:
    """Compares both on each example (raw inputs, and the path that names it). Raises ParityError with the worst one.

    Differences are divided by `scale`: of a regression, the deviation of each value.
    """
    tolerance = QUANTIZED_TOLERANCE if quantized else TOLERANCE
    worst, worst_path, agreed, kept, compared, count = 0.0, "", 0, 0, 0, 0
    for batch in batched(examples, BATCH):
        expected = _answers(serving, [inputs for inputs, _ in batch])
        found = np.stack([runtime.predict(inputs) for inputs, _ in batch])
        differences = np.max(np.abs(expected - found).reshape(len(batch), -1, found.shape[-1]) / scale, axis=(1, 2))
        for difference, (_, path) in zip(differences.tolist(), batch, strict=True):
            # A NaN is the worst there is, and compares as false with everything.
            if not difference <= worst:
                worst, worst_path = difference, path
        same, clear = _decisions(expected, found, task, np.abs(expected - found) / scale <= tolerance)
        agreed, kept = agreed + int(np.sum(same)), kept + int(np.sum(same | ~clear))
        compared, count = compared + same.size, count + len(batch)
    agreement = agreed / max(compared, 1)
    if not worst <= tolerance or (quantized and kept < QUANTIZED_AGREEMENT * compared):
        raise ParityError(
            f"the .tflite file differs from the trained model by {worst:.2g} on {worst_path}, and has the same first "
            f"class in {agreement:.1%} of {count} examples; at most {tolerance} is accepted"
            + (f", and at least {QUANTIZED_AGREEMENT:.0%} of those where it is clear" if quantized else "")
        )
    return {"max_abs": worst, "top1_agreement": agreement, "tolerance": tolerance, "num_examples": count}


def _decisions(
    expected: npt.NDArray[np.float32],
    found: npt.NDArray[np.float32],
    task: TaskType,
    is_near: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Whether both say the same, and whether what the model says is clear."""
    if task == "regression":
        return is_near, np.ones_like(is_near)
    if task == "multi_label":
        return (expected > 0.5) == (found > 0.5), np.abs(expected - 0.5) > CLEAR / 2
    first, other = (np.argmax(one, axis=-1)[..., np.newaxis] for one in (expected, found))
    lead = np.take_along_axis(expected, first, axis=-1) - np.take_along_axis(expected, other, axis=-1)
    return (first == other)[..., 0], lead[..., 0] > CLEAR


def _answers(serving: Serving, inputs: list[Inputs]) -> npt.NDArray[np.float32]:
    stacked = {name: np.stack([one[name] for one in inputs]) for name in inputs[0]}
    answers: dict[str, Any] = serving.answers(**stacked)
    result: npt.NDArray[np.float32] = next(iter(answers.values())).numpy()
    return result


def batched(examples: Iterable[tuple[Inputs, str]], size: int) -> Iterator[list[tuple[Inputs, str]]]:
    """Lists of at most `size`."""
    iterator = iter(examples)
    while batch := list(islice(iterator, size)):
        yield batch
