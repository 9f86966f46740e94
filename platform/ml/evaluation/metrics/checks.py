"""Does a batch fit the task?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml.evaluation.metrics.base import Labels, Outputs
from ml.refusal import RefusedError


def check_outputs(outputs: Outputs, *, axes: Sequence[str], size: int) -> None:
    """Raises RefusedError unless `outputs` has the shape [*axes, size] and finite values."""
    if outputs.ndim != len(axes) + 1 or outputs.shape[-1] != size:
        raise RefusedError(
            "outputs_mismatch",
            f"The model's outputs do not fit the task. Received: {list(outputs.shape)}. "
            f"Accepted: [{', '.join(axes)}, {size}].",
        )
    # NaN is the smallest and the largest of all. Unlike isfinite(outputs), this makes no copy of a batch of 1M classes.
    if outputs.size and not np.isfinite([outputs.min(), outputs.max()]).all():
        raise RefusedError(
            "outputs_not_finite",
            "The model's outputs can't be measured. "
            f"Received: {int((~np.isfinite(outputs)).sum())} NaN or infinite of {outputs.size} values. "
            "Accepted: finite numbers.",
        )


def check_shape(labels: Labels, shape: Sequence[int]) -> None:
    """Raises RefusedError `labels_mismatch` unless `labels` has the shape."""
    if labels.shape != tuple(shape):
        raise RefusedError(
            "labels_mismatch",
            f"The labels do not fit the outputs. Received: {list(labels.shape)}. Accepted: {list(shape)}.",
        )


def check_indices(labels: Labels, *, first: int, last: int) -> None:
    """Raises RefusedError `label_out_of_range` unless all labels are whole numbers from `first` to `last`."""
    if not np.issubdtype(labels.dtype, np.integer):
        raise RefusedError(
            "labels_mismatch", f"The labels are no indices of classes. Received: {labels.dtype}. Accepted: int64."
        )
    wrong = labels[(labels < first) | (labels > last)]
    if wrong.size:
        raise RefusedError(
            "label_out_of_range",
            f"A label is outside of the class list. Received: {int(wrong[0])}. Accepted: {first} to {last}.",
        )
