from __future__ import annotations

import itertools
from typing import Any

import pytest

from apps.datasets.models import Dataset, DatasetVersion
from apps.training.presets import another_student, defaults_for
from ml.specs import TrainingSpec

KINDS: dict[str, dict[str, Any]] = {
    "image": {"type": "image", "shape": [8, 8, 1]},
    "picture": {"type": "image", "shape": [224, 224, 3]},
    "text": {"type": "text", "shape": [128]},
    "tokens": {"type": "text", "shape": [20, 16]},
    "sensor": {"type": "sensor", "shape": [100, 6]},
    "short sensor": {"type": "sensor", "shape": [1, 3]},
    "audio": {"type": "audio", "shape": [8000], "sample_rate": 8000},
    "one frame": {"type": "audio", "shape": [512], "sample_rate": 16000},
    "video": {"type": "video", "shape": [5, 32, 32, 3]},
    "vector": {"type": "vector", "shape": [4]},
}
TASKS: dict[str, dict[str, Any]] = {
    "classification": {"num_classes": 10},
    "multi_label": {"num_classes": 3},
    "regression": {"num_values": 2},
    "sequence": {"num_classes": 4},
}
HAVE_STEPS = ("tokens", "sensor", "short sensor", "audio", "one frame", "video")


def version_for(*kinds: str, task: str = "classification", examples: int = 1000, **more: Any) -> DatasetVersion:
    features = [{"name": f"input_{index}", **KINDS[kind]} for index, kind in enumerate(kinds)]
    about = {"type": task, "label": "label", **TASKS[task], **more}
    return DatasetVersion(
        dataset=Dataset(slug="data"), features=features, task=about, splits={"train": examples}, number=1
    )


def version_of(shape: list[int], examples: int, classes: int = 10, slug: str = "digits") -> DatasetVersion:
    """A version of images."""
    return DatasetVersion(
        dataset=Dataset(slug=slug),
        features=[{"name": "image", "type": "image", "shape": shape}],
        task={"type": "classification", "label": "label", "num_classes": classes},
        classes=[str(index) for index in range(classes)],
        splits={"train": examples},
    )


@pytest.mark.parametrize(
    "shape",
    [[1, 1, 1], [2, 3, 3], [5, 5, 1], [8, 8, 1], [28, 28, 1], [32, 48, 3], [64, 64, 3], [224, 224, 3], [1000, 20, 1]],
)
@pytest.mark.parametrize("examples", [2, 100, 1258, 60_000])
def test_preset_is_a_valid_spec_for_any_images(shape, examples):
    spec = TrainingSpec.parse(defaults_for(version_of(shape, examples)))
    assert spec.features[0].shape == tuple(shape)
    assert spec.task.num_classes == 10
    assert spec.trainer is not None
    assert len({student.model_type for student in spec.students}) > 1 or max(shape) > 64
    assert len(spec.students) == 3
    assert 8 <= spec.hyperparameters.batch_size <= 64
    assert 300 <= spec.hyperparameters.steps <= 3000


CASES = [
    *((kind, task) for kind, task in itertools.product(KINDS, TASKS) if task != "sequence"),
    *((kind, "sequence") for kind in HAVE_STEPS),
]


@pytest.mark.parametrize(("kind", "task"), CASES)
def test_there_is_a_preset_for_every_kind_of_input_and_task(kind, task):
    version = version_for(kind, task=task)
    data = defaults_for(version)
    spec = TrainingSpec.parse(data)
    assert (spec.task.type, spec.features[0].type) == (task, KINDS[kind]["type"])
    assert spec.trainer is not None
    assert len(spec.students) == 3
    data["students"].append(another_student(data, version))
    assert len(TrainingSpec.parse(data).students) == 4


@pytest.mark.parametrize("task", ["classification", "multi_label", "regression"])
@pytest.mark.parametrize("kinds", [("image", "text"), ("sensor", "vector", "tokens"), ("audio", "video", "picture")])
def test_there_is_a_preset_for_several_inputs(kinds, task):
    spec = TrainingSpec.parse(defaults_for(version_for(*kinds, task=task)))
    assert {model.model_type for model in spec.models()} == {"multimodal"}
    assert [feature.type for feature in spec.features] == [KINDS[kind]["type"] for kind in kinds]


@pytest.mark.parametrize(("classes", "buckets"), [(10_000, None), (10_001, 512), (1_000_000, 1024)])
def test_very_many_classes_get_no_output_of_their_own_each(classes, buckets):
    spec = TrainingSpec.parse(defaults_for(version_for("text", num_classes=classes)))
    assert {model.output_buckets for model in spec.models()} == {buckets}
    assert buckets is None or buckets**2 >= classes


def test_what_a_dataset_has_at_its_default_is_left_out_of_the_spec():
    data = defaults_for(version_for("audio", task="multi_label", num_values=None))
    assert data["task"] == {"type": "multi_label", "label": "label", "num_classes": 3}
    assert data["features"] == [{"name": "input_0", "type": "audio", "shape": [8000], "sample_rate": 8000}]


def test_digits_get_about_75_passes():
    hyper = defaults_for(version_of([8, 8, 1], 1258))["hyperparameters"]
    assert (hyper["batch_size"], hyper["steps"]) == (64, 1500)


def test_large_images_get_no_dense_layer_on_their_pixels():
    students = defaults_for(version_of([224, 224, 3], 5000))["students"]
    assert {student["model_type"] for student in students} == {"depthwise_cnn"}


@pytest.mark.parametrize("slug", ["digits", "a" * 50, "-x-", "_", "Ünicode"])
def test_experiment_is_named_after_the_dataset(slug):
    TrainingSpec.parse(defaults_for(version_of([8, 8, 1], 100, slug=slug)))


def test_another_student_gets_an_id_that_is_free():
    version = version_of([8, 8, 1], 100)
    spec = {"trainer": {"id": "student-2"}, "students": [{"id": "student-1"}, {"id": "x"}, 7]}
    assert another_student(spec, version)["id"] == "student-3"
    assert another_student({}, version)["id"] == "student-1"
