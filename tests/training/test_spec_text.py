from __future__ import annotations

import pytest
import yaml

from apps.datasets.models import Dataset, DatasetVersion
from apps.errors import Refused
from apps.training.presets import defaults_for
from apps.training.spec_text import read_spec, to_yaml

ABSENT = "01a2090c-d0bd-7403-845c-7bc31839f895"  # the same in every process that collects the tests


@pytest.fixture
def version() -> DatasetVersion:
    return DatasetVersion(
        dataset=Dataset(name="Digits", slug="digits"),
        number=3,
        features=[{"name": "image", "type": "image", "shape": [8, 8, 1]}],
        task={"type": "classification", "label": "label", "num_classes": 10},
        classes=list("0123456789"),
        splits={"train": 1258},
    )


@pytest.fixture
def spec(version) -> dict:
    return defaults_for(version)


def details(version: DatasetVersion, given: str | dict) -> dict[str, str]:
    with pytest.raises(Refused) as caught:
        read_spec(given, version)
    return {detail["field"]: detail["message"] for detail in caught.value.details}


def test_yaml_reads_back_as_the_same_data_in_the_same_order(spec):
    text = to_yaml(spec)
    assert yaml.safe_load(text) == spec
    assert [line.partition(":")[0] for line in text.splitlines() if line[0].isalpha()] == list(spec)
    assert "loss_weights: {trainer: 1.0, student: 1.0, cross: 1.0}" in text
    assert all(len(line) < 80 for line in text.splitlines())


def test_text_and_data_give_the_same_spec(version, spec):
    assert read_spec(to_yaml(spec), version) == read_spec(spec, version)


@pytest.mark.parametrize("empty", ["", " \n", "# not yet\n", "null"])
def test_an_empty_text_says_what_is_needed(version, empty):
    message = details(version, empty)[""]
    assert message.startswith("The training spec is empty. Needed:")
    assert "NoneType" not in message


@pytest.mark.parametrize("deep", ["[" * 5000, "{a: " * 5000, '{"a": ' * 5000])
def test_a_text_that_nests_too_deeply_says_what_is_accepted(version, deep):
    message = details(version, deep)[""]
    assert message.startswith("The training spec can't be read: it nests too deeply.")
    assert "six levels" in message


def test_unknown_field_is_named_with_those_that_are_accepted(version, spec):
    spec["hyperparameters"]["lerning_rate"] = 0.1
    found = details(version, to_yaml(spec))
    assert "learning_rate" in found["hyperparameters.lerning_rate"]


def test_trainer_alone_is_refused(version, spec):
    spec["students"] = []
    assert "at least one student" in details(version, to_yaml(spec))["students"]


@pytest.mark.parametrize("rate", [-0.1, 0, "fast", None])
def test_bad_rate_is_refused_with_what_was_received(version, spec, rate):
    spec["hyperparameters"]["learning_rate"] = rate
    assert "Received" in details(version, to_yaml(spec))["hyperparameters.learning_rate"]


@pytest.mark.parametrize("text", ["a: [", "- 1", "", "\t: x", "a: 1\na: 2", "!!python/object:os.system {}", "x: \x00"])
def test_text_that_is_no_yaml_mapping_is_refused_as_a_whole(version, text):
    assert list(details(version, text)) == [""]


def test_spec_of_another_dataset_is_refused_field_by_field(version, spec):
    spec["task"]["num_classes"] = 9
    spec["features"][0]["shape"] = [28, 28, 1]
    found = details(version, spec)
    assert "the dataset has another value. Received: 9. Accepted: 10" in found["task.num_classes"]
    assert "Accepted: [8, 8, 1]" in found["features[0].shape"]


def test_what_the_dataset_has_no_examples_for_is_refused(version, spec):
    spec["hyperparameters"]["unlabelled_batch_size"] = 8
    found = details(version, spec)
    assert "no examples without a label. Received: 8. Accepted: 0" in found["hyperparameters.unlabelled_batch_size"]
    version.splits = {"train": 100, "unlabelled": 50}
    assert read_spec(spec, version).hyperparameters.unlabelled_batch_size == 8
    version.splits = {"test": 100, "unlabelled": 50}
    assert list(details(version, spec)) == ["dataset"]


def test_other_inputs_than_those_of_the_dataset_are_refused(version, spec):
    spec["features"][0].update(name="photo", type="image")
    assert "Received: ['photo']. Accepted: ['image']" in details(version, spec)["features"]
    spec["features"][0].update(name="image", type="video", shape=[2, 8, 8, 1])
    assert set(details(version, spec)) == {"features[0].type", "features[0].shape"}
