"""How often the students of a run say what their trainer says, in one pass over a split."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.data.dataset import DatasetInfo, Split
from ml.evaluation.answers import Answers
from ml.evaluation.evaluate import PROGRESS_EVERY, raw_examples
from ml.evaluation.metrics import Agreement
from ml.evaluation.runtime import Runtime
from ml.reporting import Reporter
from ml.tasks.labels import NO_CLASS

# Outputs of so many examples are held at once, fewer where one has many values: 16 MB a model.
BATCH = 256
BATCH_VALUES = 2**22


def agreements(
    trainer: Runtime,
    students: Mapping[str, Runtime],
    folder: Path,
    split: Split,
    info: DatasetInfo,
    *,
    limit: int | None = None,
    reporter: Reporter | None = None,
) -> dict[str, dict[str, Any]]:
    """{student's id: result of `Agreement`} over the split, or its first `limit` examples.

    Of a sequence, padding does not count; where a whole sequence has no label, each of its steps does. Raises
    RefusedError if outputs differ in shape or are not finite.
    """
    measured = {name: Agreement(info.task) for name in students}
    if not students:
        return {}
    size = max(1, min(BATCH, BATCH_VALUES // max(1, prod(trainer.output_shape))))
    total = min(info.splits.get(split, 0), limit or info.splits.get(split, 0))
    of_trainer, of_students = Answers(trainer), {name: Answers(student) for name, student in students.items()}
    examples = islice(raw_examples(folder, split, info), limit)
    count = 0
    while batch := list(islice(examples, size)):
        if reporter and count // PROGRESS_EVERY != (count + len(batch)) // PROGRESS_EVERY:
            reporter.progress(count, total, "examples", "comparing with the trainer")
        inputs = [inputs for inputs, _label, _path in batch]
        taught = of_trainer(inputs)
        mask = _counted(np.stack([label for _inputs, label, _path in batch])) if info.task.type == "sequence" else None
        for name, student in of_students.items():
            measured[name].update(taught, student(inputs), mask)
        count += len(batch)
    return {name: agreement.result() for name, agreement in measured.items()}


def _counted(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which steps of labels [batch, steps] count."""
    has_class = labels != NO_CLASS
    has_none = ~has_class.any(axis=1, keepdims=True)
    counted: npt.NDArray[np.bool_] = has_class | has_none
    return counted
