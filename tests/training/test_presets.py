from __future__ import annotations

import pytest

from apps.datasets.models import Dataset, DatasetVersion
from apps.training.presets import defaults_for, new_student
from ml.specs import TrainingSpec


def version_of(shape: list[int], examples: int, classes: int = 10, slug: str = "digits") -> DatasetVersion:
    return DatasetVersion(
        dataset=Dataset(slug=slug),
        feature={"name": "image", "type": "image", "shape": shape},
        classes=[str(index) for index in range(classes)],
        splits={"train": examples},
    )


@pytest.mark.parametrize(
    "shape",
    [[1, 1, 1], [2, 3, 3], [5, 5, 1], [8, 8, 1], [28, 28, 1], [32, 48, 3], [64, 64, 3], [224, 224, 3], [1000, 20, 1]],
)
@pytest.mark.parametrize("examples", [2, 100, 1258, 60_000])
def test_preset_is_a_valid_spec_for_any_dataset(shape, examples):
    spec = TrainingSpec.parse(defaults_for(version_of(shape, examples)))
    assert spec.features[0].shape == tuple(shape)
    assert spec.task.num_classes == 10
    assert spec.trainer is not None
    assert len({student.model_type for student in spec.students}) > 1 or max(shape) > 64
    assert len(spec.students) == 3
    assert 8 <= spec.hyperparameters.batch_size <= 64
    assert 300 <= spec.hyperparameters.steps <= 3000


def test_digits_get_about_75_passes():
    hyper = defaults_for(version_of([8, 8, 1], 1258))["hyperparameters"]
    assert (hyper["batch_size"], hyper["steps"]) == (64, 1500)


def test_large_images_get_no_dense_layer_on_their_pixels():
    students = defaults_for(version_of([224, 224, 3], 5000))["students"]
    assert {student["model_type"] for student in students} == {"depthwise_cnn"}


@pytest.mark.parametrize("slug", ["digits", "a" * 50, "-x-", "_", "Ünicode"])
def test_experiment_is_named_after_the_dataset(slug):
    TrainingSpec.parse(defaults_for(version_of([8, 8, 1], 100, slug=slug)))


def test_new_student_gets_an_id_that_is_free():
    spec = {"trainer": {"id": "student-2"}, "students": [{"id": "student-1"}, {"id": "x"}, 7]}
    assert new_student(spec)["id"] == "student-3"
    assert new_student({})["id"] == "student-1"
