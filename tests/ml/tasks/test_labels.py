from __future__ import annotations

import numpy as np
import pytest

from ml.tasks import TaskSpec
from ml.tasks.labels import label_values


@pytest.mark.parametrize(
    ("task", "label", "expected"),
    [
        (TaskSpec(type="classification", num_classes=3), [2], np.int64(2)),
        (TaskSpec(type="classification", num_classes=3), None, np.int64(-1)),
        (TaskSpec(type="multi_label", num_classes=4), [0, 3], np.array([1, 0, 0, 1], np.float32)),
        (TaskSpec(type="multi_label", num_classes=2), [], np.array([0, 0], np.float32)),
        (TaskSpec(type="multi_label", num_classes=2), None, np.array([-1, -1], np.float32)),
        (TaskSpec(type="regression", num_values=2), [1.5, -2.0], np.array([1.5, -2], np.float32)),
        (TaskSpec(type="regression", num_values=2), None, np.array([np.nan, np.nan], np.float32)),
        (TaskSpec(type="sequence", num_classes=3), [2, 0], np.array([2, 0, -1], np.int64)),
        (TaskSpec(type="sequence", num_classes=3), [2, 0, 1, 1], np.array([2, 0, 1], np.int64)),
        (TaskSpec(type="sequence", num_classes=3), None, np.array([-1, -1, -1], np.int64)),
    ],
)
def test_each_task_has_its_form(task, label, expected):
    values = label_values(label, task, steps=3)
    assert values.dtype == expected.dtype
    np.testing.assert_array_equal(values, expected)


def test_a_sequence_without_its_steps_is_an_error():
    with pytest.raises(ValueError, match="number of steps"):
        label_values([1], TaskSpec(type="sequence", num_classes=3))
