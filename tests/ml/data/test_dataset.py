from __future__ import annotations

import pytest

from ml.data.dataset import DatasetInfo, read_examples, split_path
from ml.data.tfrecord import Example, write_record
from ml.refusal import RefusedError
from ml.spec_files import check_dataset
from ml.specs import TrainingSpec


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


def test_a_label_outside_of_the_class_list_is_refused(tmp_path, digits_dataset):
    with (tmp_path / "test.tfrecord").open("wb") as file:
        write_record(file, Example(b"", 10, "x").encode())
    with pytest.raises(RefusedError, match=r"Received: 10\. Accepted: 0 to 9"):
        list(read_examples(tmp_path, "test", DatasetInfo.read(digits_dataset)))


def test_a_spec_for_another_dataset_is_refused_by_field(digits_dataset):
    spec = TrainingSpec.parse(
        {
            "experiment_name": "other",
            "task": {"num_classes": 7},
            "features": [{"name": "photo", "shape": [8, 9, 1]}],
            "students": [{"id": "a", "model_type": "feed_forward"}],
        }
    )
    with pytest.raises(RefusedError) as caught:
        check_dataset(spec, DatasetInfo.read(digits_dataset))
    assert caught.value.code == "spec_dataset_mismatch"
    assert caught.value.details == [
        {"field": "task.num_classes", "message": "the dataset has another value. Received: 7. Accepted: 10"},
        {"field": "features[0].name", "message": "the dataset has another value. Received: photo. Accepted: image"},
        {
            "field": "features[0].shape",
            "message": "the dataset has another value. Received: [8, 9, 1]. Accepted: [8, 8, 1]",
        },
    ]
