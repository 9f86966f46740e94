from __future__ import annotations

import json

import numpy as np
import pytest

from ml.evaluation.metrics import accumulator_for, primary_metric
from ml.refusal import RefusedError
from ml.tasks import TaskSpec

CLASSES = ["O", "b", "c", "d", "e", "f"]
TASKS = {
    "classification": TaskSpec(type="classification", num_classes=6),
    "multi_label": TaskSpec(type="multi_label", num_classes=6),
    "regression": TaskSpec(type="regression", num_values=6),
    "sequence": TaskSpec(type="sequence", num_classes=6),
}


def batch_of(task: TaskSpec, count: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    shape = (count, 4) if task.type == "sequence" else (count,)
    outputs = generator.random((*shape, 6)).astype(np.float32)
    match task.type:
        case "multi_label":
            return outputs, generator.integers(0, 2, outputs.shape).astype(np.float32)
        case "regression":
            return outputs, generator.normal(size=outputs.shape).astype(np.float32)
        case "sequence":
            return outputs / outputs.sum(axis=-1, keepdims=True), generator.integers(-1, 6, shape)
        case _:
            return outputs / outputs.sum(axis=-1, keepdims=True), generator.integers(0, 6, shape)


def flat(value: object, path: str = "") -> dict[str, object]:
    if isinstance(value, dict):
        return {key: found for name, item in value.items() for key, found in flat(item, f"{path}.{name}").items()}
    if isinstance(value, list):
        return {key: found for index, item in enumerate(value) for key, found in flat(item, f"{path}.{index}").items()}
    return {path: value}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_batches_of_any_size_give_the_same_metrics(task):
    outputs, labels = batch_of(task, 60)
    whole, parts = accumulator_for(task, CLASSES), accumulator_for(task, CLASSES)
    whole.update(outputs, labels)
    for start, end in [(0, 1), (1, 1), (1, 30), (30, 60)]:
        parts.update(outputs[start:end], labels[start:end])
    expected = flat(whole.result())
    assert flat(parts.result()) == {
        path: pytest.approx(value, rel=1e-9) if isinstance(value, float) else value for path, value in expected.items()
    }
    assert expected[".num_examples"] == 60


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_results_are_json_without_nan_also_before_the_first_example(task):
    metrics = accumulator_for(task, CLASSES)
    empty = metrics.result()
    assert json.loads(json.dumps(empty, allow_nan=False)) == empty
    assert empty["num_examples"] == 0
    assert empty["loss"] is None
    metrics.update(*batch_of(task, 3))
    found = metrics.result()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["num_examples"] == 3


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_the_primary_metric_is_in_the_result_and_knows_what_is_better(task):
    outputs, labels = batch_of(task, 20)
    perfect = labels if task.type in ("multi_label", "regression") else np.eye(6, dtype=np.float32)[labels]
    name, larger_is_better = primary_metric(task)
    measured = []
    for given in (outputs, perfect):
        metrics = accumulator_for(task, CLASSES)
        metrics.update(given, labels)
        measured.append(metrics.result()[name])
    assert (measured[1] > measured[0]) == larger_is_better
    assert measured[1] == (1.0 if larger_is_better else 0.0)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_not_finite_are_refused_and_counted(task, value):
    outputs, labels = batch_of(task, 3)
    outputs[1, ..., 2] = value
    count = 4 if task.type == "sequence" else 1
    with pytest.raises(RefusedError, match=rf"Received: {count} NaN or infinite of {outputs.size} values") as refused:
        accumulator_for(task, CLASSES).update(outputs, labels)
    assert refused.value.code == "outputs_not_finite"


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_outputs_and_labels_of_another_shape_are_refused(task):
    outputs, labels = batch_of(task, 3)
    axes = "batch, steps" if task.type == "sequence" else "batch"
    with pytest.raises(RefusedError, match=rf"Accepted: \[{axes}, 6\]") as refused:
        accumulator_for(task, CLASSES).update(outputs[..., :5], labels)
    assert refused.value.code == "outputs_mismatch"
    with pytest.raises(RefusedError, match=r"Received: \[2") as refused:
        accumulator_for(task, CLASSES).update(outputs, labels[:2])
    assert refused.value.code == "labels_mismatch"


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("classification", 6, "Received: 6. Accepted: 0 to 5"),
        ("classification", -1, "Received: -1. Accepted: 0 to 5"),
        ("sequence", 6, "Received: 6. Accepted: -1 to 5"),
        ("sequence", -2, "Received: -2. Accepted: -1 to 5"),
        ("multi_label", 0.5, "Received: 0.5. Accepted: 0 or 1"),
        ("regression", np.nan, "Received: NaN or infinite. Accepted: finite numbers"),
    ],
)
def test_labels_outside_of_what_the_task_has_are_refused(name, wrong, message):
    outputs, labels = batch_of(TASKS[name], 3)
    labels[1, ...] = wrong
    with pytest.raises(RefusedError, match=message):
        accumulator_for(TASKS[name], CLASSES).update(outputs, labels)


@pytest.mark.parametrize("name", ["classification", "sequence"])
def test_labels_that_are_no_indices_are_refused(name):
    outputs, labels = batch_of(TASKS[name], 3)
    with pytest.raises(RefusedError, match=r"Received: float32\. Accepted: int64"):
        accumulator_for(TASKS[name], CLASSES).update(outputs, labels.astype(np.float32))
