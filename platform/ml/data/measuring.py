"""What has to be known of the training split before anything is built: statistics of its numbers and labels."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ml.data.dataset import check_labels, read_examples
from ml.data.pipeline import Pipeline
from ml.features import FeatureSpec
from ml.features.statistics import Statistics
from ml.layers.log_mel import LogMel
from ml.refusal import RefusedError
from ml.tasks.labels import NO_CLASS

# A mean over so many examples is as good as over all; what is larger is read no further.
MEASURED_EXAMPLES = 200_000


@dataclass(frozen=True)
class Measured:
    """`statistics`: of each feature with numbers, and of the label of a regression, by name.

    `class_counts`: labels (or steps) of each class; empty for a regression.
    """

    statistics: dict[str, Statistics]
    class_counts: npt.NDArray[np.int64]


class _Sums:
    """Sum and sum of squares over all axes but the last, in float64."""

    def __init__(self) -> None:
        self.count, self.total, self.squares = 0, np.zeros(1), np.zeros(1)

    def add(self, values: npt.NDArray[np.generic]) -> None:
        rows = values.reshape(-1, values.shape[-1]).astype(np.float64)
        rows = rows[~np.isnan(rows).any(axis=1)]  # examples without a label
        self.count += len(rows)
        self.total, self.squares = self.total + rows.sum(axis=0), self.squares + (rows * rows).sum(axis=0)

    def statistics(self) -> Statistics:
        mean = self.total / max(self.count, 1)
        std = np.sqrt(np.maximum(self.squares / max(self.count, 1) - mean * mean, 0.0))
        return Statistics(mean=tuple(mean.tolist()), std=tuple(std.tolist()))


def measure(pipeline: Pipeline) -> Measured:
    """Reads the training split.

    Raises RefusedError `broken_example`, `not_finite`, `label_out_of_range` or `empty_split`.
    """
    info = pipeline.info
    numeric = [feature for feature in info.features if feature.type != "text"]
    sums = {feature.name: _Sums() for feature in numeric}
    labels = _Sums()
    counts = np.zeros(0 if info.task.type == "regression" else len(info.classes), np.int64)
    front_ends = {feature.name: _numbers(feature) for feature in numeric}
    seen = 0
    try:
        for features, targets in pipeline.batches("train"):
            for feature in numeric:
                values = front_ends[feature.name](features[feature.name]).numpy()
                if not np.isfinite(values).all():
                    raise _not_finite(feature.name)
                sums[feature.name].add(values)
            label = targets["label"].numpy()
            if info.task.type == "regression":
                if np.isinf(label).any():
                    raise _not_finite(info.task.label)
                labels.add(label)
            else:
                counts += _counted(label, pipeline)
            seen += len(label)
            if seen >= MEASURED_EXAMPLES:
                break
    except (tf.errors.InvalidArgumentError, tf.errors.DataLossError) as error:
        if info.task.type == "multi_label":
            # A class that does not exist has no place in a row of zeros and ones; this reader says so.
            deque(read_examples(pipeline.folder, "train", info), maxlen=0)
        raise _broken_example(str(error.message)) from None
    except UnicodeDecodeError as error:
        # TensorFlow repeats the record's bytes in its message, and fails to make that a text.
        raise _broken_example(error.object.decode("ascii", "replace")) from None
    if seen == 0:
        raise RefusedError("empty_split", "The train split has no examples.")
    found = {name: one.statistics() for name, one in sums.items()}
    if info.task.type == "regression":
        found[info.task.label] = labels.statistics()
    return Measured(found, counts)


def _numbers(feature: FeatureSpec) -> Callable[[tf.Tensor], tf.Tensor]:
    return LogMel(feature) if feature.type == "audio" else tf.identity


def _counted(label: npt.NDArray[np.generic], pipeline: Pipeline) -> npt.NDArray[np.int64]:
    info = pipeline.info
    if info.task.type == "multi_label":
        present: npt.NDArray[np.int64] = np.sum(label.astype(np.float32) > 0.5, axis=0, dtype=np.int64)
        return present
    known = label[label != NO_CLASS].astype(np.int64)
    if known.size:
        check_labels([int(known.min()), int(known.max())], info)
    return np.bincount(known, minlength=len(info.classes)).astype(np.int64)


def balanced_weights(counts: npt.NDArray[np.int64]) -> list[float]:
    """A weight for each class, N / (classes · count), so that all count as much; 0 for one without examples."""
    present = counts > 0
    weights = np.where(present, counts.sum() / (max(present.sum(), 1) * np.maximum(counts, 1)), 0.0)
    return [float(weight) for weight in weights]


def _not_finite(name: str) -> RefusedError:
    return RefusedError(
        "not_finite",
        f"'{name}' of an example of the train split holds a value that is infinite or not a number. "
        "Accepted: numbers; import the data again with --bad-values skip to leave such out.",
    )


def _broken_example(reason: str) -> RefusedError:
    printable = "".join(character if character.isprintable() else "?" for character in reason[:300])
    return RefusedError("broken_example", f"An example of the train split can't be read: {printable}")
