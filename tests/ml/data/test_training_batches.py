"""The batches of training: examples without labels beside those with, and varied examples that come again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ml.data.augmentation import Augmentation
from ml.data.dataset import DatasetInfo
from ml.data.examples import Example
from ml.features import FeatureSpec
from ml.tasks import TaskSpec
from tests.ml.training.written_dataset import write_dataset

pytestmark = pytest.mark.engine

FEATURE = FeatureSpec(name="values", type="vector", shape=(2,))
CLASSES = TaskSpec(num_classes=3)
TASKS: dict[str, tuple[TaskSpec, Sequence[Any]]] = {
    "classification": (CLASSES, [[0], [1], [2]]),
    "multi_label": (TaskSpec(type="multi_label", num_classes=3), [[], [1], [0, 2]]),
    "regression": (TaskSpec(type="regression", num_values=2), [[0.5, 1.0], [2.0, -1.0], [0.0, 0.0]]),
}


def pipeline(folder, task: TaskSpec = CLASSES, labels: Sequence[Any] = ([0], [1], [2]), **augmentation: float):
    """30 examples with labels, whose first value is their number, and 20 without, from 1000 on."""
    from ml.data.pipeline import Pipeline

    train = [Example({"values": [float(index), 0.0]}, labels[index % 3], "") for index in range(30)]
    unlabelled = [Example({"values": [1000.0 + index, 0.0]}, None, "") for index in range(20)]
    classes = [str(index) for index in range(task.num_classes or 0)]
    info = write_dataset(folder, task, [FEATURE], {"train": train, "unlabelled": unlabelled}, classes)
    info = info.model_copy(update={"augmentation": Augmentation(**augmentation)})
    (folder / "dataset.json").write_text(info.model_dump_json())
    return Pipeline(folder, DatasetInfo.read(folder))


def taken(dataset: Any, count: int) -> list[tuple[np.ndarray, dict[str, np.ndarray]]]:
    batches = dataset.take(count).as_numpy_iterator()
    return [(features["values"], targets) for features, targets in batches]


@pytest.mark.parametrize("task", TASKS)
def test_examples_without_a_label_follow_those_with_one(tensorflow, tmp_path, task):
    spec, labels = TASKS[task]
    data = pipeline(tmp_path, spec, labels)
    batches = taken(data.training_batches(batch_size=10, seed=1, unlabelled_batch_size=5), 12)
    labelled = np.concatenate([values[:10, 0] for values, _ in batches])
    unlabelled = np.concatenate([values[10:, 0] for values, _ in batches])
    # Each has epochs of its own: four of the one, three of the other.
    assert sorted(labelled) == sorted([*range(30)] * 4)
    assert sorted(unlabelled) == sorted([*range(1000, 1020)] * 3)
    for _, targets in batches:
        label = targets["label"]
        known = ~np.isnan(label) if task == "regression" else label >= 0
        assert known[:10].all()
        assert not known[10:].any()


def test_a_label_of_no_class_is_a_label(tensorflow, tmp_path):
    spec, labels = TASKS["multi_label"]
    data = pipeline(tmp_path, spec, labels)
    ((values, targets),) = taken(data.training_batches(batch_size=30, seed=1), 1)
    expected = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 1]])[values[:, 0].astype(int) % 3]
    assert np.array_equal(targets["label"], expected)


@pytest.mark.parametrize("held", [True, False])
def test_varied_batches_can_be_taken_up_anywhere(tensorflow, tmp_path, monkeypatch, held):
    if not held:
        monkeypatch.setattr("ml.data.pipeline.CACHE_BYTES", 0)
    data = pipeline(tmp_path, noise=0.1, mixup=0.3)
    settings = {"batch_size": 8, "seed": 3, "unlabelled_batch_size": 4}
    whole = taken(data.training_batches(**settings), 12)
    later = taken(data.training_batches(**settings, start_step=7), 5)
    for (values, targets), (again, targets_again) in zip(whole[7:], later, strict=True):
        assert np.array_equal(values, again)
        assert all(np.array_equal(targets[name], targets_again[name]) for name in ("label", "other", "share"))
    # No two batches are varied alike, nor are they by another seed.
    shares = [targets["share"] for _, targets in whole]
    shares += [targets["share"] for _, targets in taken(data.training_batches(**{**settings, "seed": 4}), 1)]
    assert len({share.tobytes() for share in shares}) == 13


def test_examples_with_a_label_are_mixed_with_such_alone(tensorflow, tmp_path):
    data = pipeline(tmp_path, mixup=1.0)
    for values, targets in taken(data.training_batches(batch_size=10, seed=1, unlabelled_batch_size=10), 5):
        assert values[:10, 0].max() < 30
        assert values[10:, 0].min() >= 1000
        assert targets["other"][:10].min() >= 0
        assert targets["other"][10:].max() == -1


def test_nothing_but_training_is_varied(tensorflow, tmp_path):
    data = pipeline(tmp_path, noise=0.5, mixup=1.0)
    ((values, targets),) = taken(data.batches("train"), 1)
    assert values[:, 0].tolist() == list(range(30))
    assert list(targets) == ["label"]


def test_the_statistics_of_numbers_and_labels_are_those_of_numpy(tensorflow, tmp_path):
    from ml.data.measuring import measure

    spec, labels = TASKS["regression"]
    found = measure(pipeline(tmp_path, spec, [*labels[:2], None]))
    values, known = np.arange(30.0), np.array([[0.5, 1.0], [2.0, -1.0]] * 10)
    assert found.statistics["values"].mean == pytest.approx((values.mean(), 0.0))
    assert found.statistics["values"].std == pytest.approx((values.std(), 0.0))
    assert found.statistics["label"].mean == pytest.approx(known.mean(axis=0))
    assert found.statistics["label"].std == pytest.approx(known.std(axis=0))
    assert found.class_counts.size == 0


def test_classes_are_counted_in_every_form_of_label(tensorflow, tmp_path):
    from ml.data.measuring import measure

    spec, labels = TASKS["multi_label"]
    assert measure(pipeline(tmp_path / "several", spec, labels)).class_counts.tolist() == [10, 10, 10]
    assert measure(pipeline(tmp_path / "one", CLASSES, [[0], [2], None])).class_counts.tolist() == [10, 0, 10]


@pytest.mark.parametrize(
    ("task", "label", "code", "part"),
    [
        ("multi_label", [0, 3], "label_out_of_range", "Received: 3. Accepted: 0 to 2"),
        ("classification", [-2], "label_out_of_range", "Received: -2. Accepted: 0 to 2"),
        ("regression", [float("inf"), 0.0], "not_finite", "'label' of an example"),
    ],
)
def test_labels_that_can_not_be_are_refused(tensorflow, tmp_path, task, label, code, part):
    from ml.data.measuring import measure
    from ml.refusal import RefusedError

    spec, labels = TASKS[task]
    with pytest.raises(RefusedError, match=part) as caught:
        measure(pipeline(tmp_path, spec, [*labels[:2], label]))
    assert caught.value.code == code


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_values_that_are_no_numbers_are_refused(tensorflow, tmp_path, value):
    from ml.data.measuring import measure
    from ml.refusal import RefusedError

    data = pipeline(tmp_path)
    examples = [Example({"values": [0.0, value]}, [0], "")]
    write_dataset(tmp_path, CLASSES, [FEATURE], {"train": examples}, ["0", "1", "2"])
    with pytest.raises(RefusedError, match="'values' of an example") as caught:
        measure(data)
    assert caught.value.code == "not_finite"
