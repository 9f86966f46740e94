from __future__ import annotations

from pathlib import Path

import pytest

from ml.data.dataset import DatasetInfo, read_examples, split_path
from ml.data.examples import Example
from ml.data.tfrecord import write_record
from ml.features import FeatureSpec
from ml.refusal import RefusedError
from ml.spec_files import check_dataset
from ml.specs import TrainingSpec
from ml.tasks import TaskSpec


def test_a_folder_that_is_no_dataset_is_refused(tmp_path):
    for content in (None, "{}", "no json"):
        if content is not None:
            (tmp_path / "dataset.json").write_text(content)
        with pytest.raises(RefusedError, match="not a dataset that can be read") as caught:
            DatasetInfo.read(tmp_path)
        assert caught.value.code == "not_a_dataset"


def test_a_missing_split_is_refused(tmp_path):
    with pytest.raises(RefusedError, match=r"no test split: test\.tfrecord"):
        split_path(tmp_path, "test")


def write_examples(path: Path, *labels: list | None, label: str = "label") -> None:
    with path.open("wb") as file:
        for one in labels:
            write_record(file, Example(features={"image": b""}, label=one, path="x").encode(label=label))


def info(task: TaskSpec, classes: list[str]) -> DatasetInfo:
    return DatasetInfo(
        task=task,
        features=[FeatureSpec(shape=(8, 8, 1))],
        classes=classes,
        num_examples=1,
        splits={"test": 1},
        class_counts={},
        seed=7,
    )


@pytest.mark.parametrize("kind", ["classification", "multi_label", "sequence"])
def test_a_label_outside_of_the_class_list_is_refused(tmp_path, kind):
    dataset = info(TaskSpec(type=kind, num_classes=3), ["a", "b", "c"])
    write_examples(tmp_path / "test.tfrecord", [2], None)
    assert [example.label for example in read_examples(tmp_path, "test", dataset)] == [[2], None]
    write_examples(tmp_path / "test.tfrecord", [3])
    with pytest.raises(RefusedError, match=r"Received: 3\. Accepted: 0 to 2"):
        list(read_examples(tmp_path, "test", dataset))


def test_numbers_and_other_names_of_the_label_are_accepted(tmp_path):
    write_examples(tmp_path / "test.tfrecord", [9.5], label="weight")
    dataset = info(TaskSpec(type="regression", label="weight", num_values=1), [])
    assert [example.label for example in read_examples(tmp_path, "test", dataset)] == [[9.5]]


def test_a_spec_for_another_dataset_is_refused_by_field():
    spec = TrainingSpec.parse(
        {
            "experiment_name": "other",
            "task": {"num_classes": 7},
            "features": [{"name": "photo", "shape": [8, 9, 1]}],
            "students": [{"id": "a", "model_type": "feed_forward"}],
        }
    )
    with pytest.raises(RefusedError) as caught:
        check_dataset(spec, info(TaskSpec(num_classes=2), ["a", "b"]))
    assert caught.value.code == "spec_dataset_mismatch"
    details = {detail["field"]: detail["message"] for detail in caught.value.details}
    assert details["task.num_classes"] == "the dataset has another value. Received: 7. Accepted: 2"
    assert details["features"] == "the dataset has another value. Received: ['photo']. Accepted: ['image']"
