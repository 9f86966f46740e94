"""Labels as numbers of a fixed shape, as losses and metrics take them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ml.tasks.spec import TaskSpec

# Where there is no label: of an unlabelled example, or after the end of a sequence.
NO_CLASS = -1


def label_values(
    label: Sequence[int] | Sequence[float] | None, task: TaskSpec, steps: int | None = None
) -> npt.NDArray[np.generic]:
    """The label of one example (see `ml.data.examples.Example`) in the task's form.

    | task | form | unlabelled |
    |---|---|---|
    | classification | int64 [] | -1 |
    | multi_label | float32 [classes], 1 for those that hold | -1 |
    | regression | float32 [values] | NaN |
    | sequence | int64 [steps], -1 after the end | -1 |

    `steps` is needed for a sequence only; labels beyond it are left out.
    """
    match task.type:
        case "classification":
            return np.asarray(NO_CLASS if label is None else label[0], np.int64)
        case "multi_label":
            if label is None:
                return np.full(task.num_outputs, NO_CLASS, np.float32)
            values = np.zeros(task.num_outputs, np.float32)
            values[np.asarray(label, np.int64)] = 1.0
            return values
        case "regression":
            return np.full(task.num_outputs, np.nan, np.float32) if label is None else np.asarray(label, np.float32)
        case "sequence":
            if steps is None:
                raise ValueError("A sequence needs its number of steps. Received: steps=None")
            sequence = np.full(steps, NO_CLASS, np.int64)
            found = np.asarray([] if label is None else label, np.int64)[:steps]
            sequence[: len(found)] = found
            return sequence
