from __future__ import annotations

import pytest

from ml.data.augmentation import Augmentation
from ml.data.dataset import DatasetInfo
from ml.data.import_spec import ImportSpec, ImportTask
from ml.features import FeatureSpec
from ml.refusal import RefusedError
from ml.spec_errors import SpecError
from ml.tasks import TaskSpec


def test_what_can_be_found_in_the_data_may_be_left_out():
    spec = ImportSpec.parse({"features": [{"name": "text", "type": "text"}]})
    assert (spec.task.type, spec.task.label, spec.classes, spec.split) == ("classification", "label", None, None)
    assert spec.features[0].shape is None


def test_a_training_spec_is_an_import_spec(tmp_path):
    path = tmp_path / "spec.yaml"
    path.write_text(
        "experiment_name: tiny\n"
        "task: {num_classes: 10}\n"
        "features: [{name: image, type: image, shape: [8, 8, 1]}]\n"
        "students: [{id: a, model_type: feed_forward}]\n"
        "hyperparameters: {steps: 5}\n"
    )
    spec = ImportSpec.read(path)
    assert (spec.task.num_classes, spec.features[0].shape) == (10, (8, 8, 1))


def test_every_field_of_a_task_can_be_declared():
    assert set(ImportTask.model_fields) == set(TaskSpec.model_fields) | {"columns"}


def test_numbers_name_classes_as_well():
    spec = ImportSpec.parse({"features": [{}], "classes": [0, 1, "two"]})
    assert spec.classes == ["0", "1", "two"]


def test_a_dataset_says_what_it_holds():
    info = DatasetInfo(
        task=TaskSpec(type="classification", label="kind", num_classes=2),
        features=[FeatureSpec(name="sound", type="audio", shape=(8000,), sample_rate=8000)],
        classes=["b", "a"],
        num_examples=1,
        splits={},
        class_counts={},
        seed=1,
        augmentation=Augmentation(noise=0.1),
    )
    spec = ImportSpec.of_dataset(info)
    assert (spec.task.label, spec.classes, spec.augmentation.noise) == ("kind", ["b", "a"], 0.1)
    assert spec.features[0].shape == (8000,)


@pytest.mark.parametrize(
    ("data", "field", "part"),
    [
        ({}, "features", "is required"),
        ({"features": []}, "features", "at least 1"),
        ({"features": [{}], "colour": 1}, "colour", "is not a field here. Accepted fields: task, features"),
        ({"features": [{"shape": [1]}]}, "features[0].shape", "Accepted: [height, width, channels]"),
        ({"features": [{}, {}]}, "", "the name 'image' is given twice"),
        ({"features": [{"name": "label", "type": "text"}]}, "", "the name 'label' is given twice"),
        ({"features": [{"name": "path", "type": "text"}]}, "", "the name 'path' is taken"),
        ({"features": [{}], "task": {"num_values": 2}}, "task.num_values", "no meaning for classification"),
        ({"features": [{}], "task": {"columns": ["a", "b"]}}, "task.columns", "too many for classification"),
        ({"features": [{}], "task": {"type": "regression"}, "classes": ["a", "b"]}, "classes", "no meaning"),
        ({"features": [{}], "classes": ["a", "a"]}, "classes", "different names"),
        ({"features": [{}], "classes": [" a", "b"]}, "classes", "without blanks"),
        ({"features": [{}], "classes": [True, False]}, "classes[0]", "valid string"),
        ({"features": [{}], "classes": ["a", "b"], "task": {"num_classes": 3}}, "classes", "Accepted: 3"),
        ({"features": [{}], "task": {"type": "sequence"}}, "", "needs steps. Received: image"),
        ({"features": [{"type": "text", "shape": [9]}], "task": {"type": "sequence"}}, "", "Received: text [9]"),
    ],
)
def test_what_can_not_be_is_refused_by_field(data, field, part):
    with pytest.raises(SpecError) as caught:
        ImportSpec.parse(data)
    details = {detail["field"]: detail["message"] for detail in caught.value.details}
    assert part in details[field]


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("spec.yaml", "a: [", "invalid_spec"),
        ("spec.json", "{", "invalid_spec"),
        ("spec.yaml", "- 1", "invalid_spec"),
        ("none.yaml", None, "unreadable_spec"),
    ],
)
def test_a_file_that_is_no_spec_is_refused(tmp_path, name, text, code):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(RefusedError) as caught:
        ImportSpec.read(tmp_path / name)
    assert caught.value.code == code


def test_json_is_read_as_well(tmp_path):
    (tmp_path / "spec.json").write_text('{"features": [{"name": "x", "type": "vector", "columns": ["a", "b"]}]}')
    assert ImportSpec.read(tmp_path / "spec.json").features[0].places == ["a", "b"]
