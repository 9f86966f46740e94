"""The form made of the schema, and back: what a browser would post for a form is the spec that the form was made of."""

from __future__ import annotations

import pytest

from apps.errors import Detail
from apps.training.model_type_groups import OTHER
from apps.training.presets import defaults_for
from apps.training.spec_fields import read_form
from apps.training.spec_form import SpecForm, slot_of, spec_form
from ml.hyperparameters import Hyperparameters
from ml.specs import MODEL_TYPES, TrainingSpec
from tests.training.test_presets import CASES, version_for, version_of


def posted(form: SpecForm | None) -> dict[str, str]:
    """The controls of a form, named and valued as the template does."""
    assert form is not None
    cards = [*([form.trainer] if form.trainer else []), *form.students]
    bound = [form.experiment, *form.fixed, *form.front_ends, *form.learning, *form.budget]
    for group in form.learning_groups:
        bound += group.fields
    for card in cards:
        bound += [*card.fields, *card.params, *card.extras]
    return {one.field.path: one.value for one in bound}


@pytest.mark.parametrize("shape", [[8, 8, 1], [28, 28, 3], [224, 224, 3]])
def test_form_posts_the_spec_that_it_shows(shape):
    data = defaults_for(version_of(shape, 1258))
    again = read_form(posted(spec_form(data)))
    assert TrainingSpec.parse(again) == TrainingSpec.parse(data)
    assert list(again)[:4] == ["version", "experiment_name", "task", "features"]


@pytest.mark.parametrize(("kind", "task"), CASES)
def test_form_posts_the_spec_of_every_kind_of_data(kind, task):
    data = defaults_for(version_for(kind, task=task))
    again = read_form(posted(spec_form(data)))
    assert again == data


def test_every_input_of_several_and_their_branches_are_in_the_form():
    data = defaults_for(version_for("audio", "image", "tokens"))
    form = spec_form(data)
    assert read_form(posted(form)) == data
    assert {one.field.path for one in form.front_ends} == {
        f"features[0].spectrogram.{name}" for name in ("window_ms", "hop_ms", "bands")
    }
    branches = next(one for one in form.students[0].params if one.field.name == "branches")
    assert branches.value.startswith("{input_0: {model_type: depthwise_cnn, params: {stem: 8,")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{image: {model_type: cnn}}", {"image": {"model_type": "cnn"}}),
        ("", None),
        ("{image: [", "{image: ["),
        ("2026-01-01", "2026-01-01"),
        ("{a: &x [1], b: *x}", "{a: &x [1], b: *x}"),
    ],
)
def test_text_of_a_mapping_is_read_as_yaml_without_aliases(text, value):
    controls = posted(spec_form(defaults_for(version_for("audio", "image"))))
    data = read_form({**controls, "trainer.params.branches": text})
    assert data["trainer"]["params"].get("branches") == value


def test_fields_without_a_meaning_for_the_data_are_not_shown():
    classes = posted(spec_form(defaults_for(version_for("image"))))
    assert ("task.num_classes" in classes, "task.num_values" in classes) == (True, False)
    values = posted(spec_form(defaults_for(version_for("audio", task="regression"))))
    assert ("task.num_classes" in values, "task.num_values" in values) == (False, True)
    assert "features[0].sample_rate" in values
    assert not [path for path in classes if "sample_rate" in path or "spectrogram" in path]
    assert not [path for path in classes if path.startswith("trainer.share")]
    assert {"students[0].share_with", "budget.device_profile"} <= set(classes)


def test_hyperparameters_are_folded_away_in_groups_and_none_is_lost():
    form = spec_form(defaults_for(version_for("image")))
    assert [one.field.name for one in form.learning] == ["steps", "batch_size", "learning_rate", "quantize"]
    groups = {group.title: [one.field.path for one in group.fields] for group in form.learning_groups}
    assert list(groups) == ["Optimizer and seed", "Loss", "When to stop"]
    assert groups["When to stop"] == [
        *(f"hyperparameters.early_stopping.{name}" for name in ("patience", "metric", "min_delta")),
        "hyperparameters.stop_when_cross_below",
    ]
    shown = {path.split(".")[1] for path in posted(form) if path.startswith("hyperparameters.")}
    assert shown == set(Hyperparameters.model_fields)


def test_model_types_are_grouped_and_what_does_not_fit_stands_apart():
    def groups(*kinds: str, task: str = "classification", student: int | None = 0) -> dict[str, list[str]]:
        form = spec_form(defaults_for(version_for(*kinds, task=task)))
        card = form.trainer if student is None else form.students[student]
        return {group.label: [name for name, _ in group.options] for group in card.fields[1].groups}

    images = groups("image")
    assert images["Convolutional"] == ["projection_cnn", "cnn", "depthwise_cnn"]
    assert "saved_model" in images["Not for this data"]
    assert "saved_model" in groups("image", student=None)["From what is trained already"]
    assert {"cnn", "lstm", "mobilenet"} <= set(groups("vector")["Not for this data"])
    assert "projection_sparse" in groups("tokens", task="sequence")["Dense and projection"]
    assert list(groups("image", "text")) == ["Several inputs", "Not for this data"]
    assert sorted(name for names in images.values() for name in names) == sorted(MODEL_TYPES)
    assert OTHER not in images, "each type has a family"


def test_a_model_type_that_is_unknown_is_kept():
    data = defaults_for(version_for("image"))
    data["students"][0]["model_type"] = "magic"
    first = spec_form(data).students[0].fields[1].groups[0]
    assert (first.label, first.options) == ("", [("magic", True)])


def test_every_value_survives_the_way_through_the_form():
    data = {
        "version": 1,
        "experiment_name": "all-of-it",
        "task": {"type": "classification", "label": "label", "num_classes": 3},
        "features": [{"name": "image", "type": "image", "shape": [32, 16, 3]}],
        "hyperparameters": {
            "optimizer": "sgd",
            "learning_rate": 1e-05,
            "learning_rate_schedule": "cosine",
            "warmup_steps": 3,
            "weight_decay": 0.01,
            "clip_norm": 1.5,
            "batch_size": 17,
            "steps": 12,
            "activation": "tanh",
            "seed": 0,
            "loss_weights": {"trainer": 0.5, "student": 2.0, "cross": 0.0},
            "cross_loss": "kl",
            "temperature": 2.5,
            "unlabelled_batch_size": 8,
            "class_weights": [1.0, 0.5, 2.25],
            "early_stopping": {"patience": 3, "metric": "accuracy", "min_delta": 0.001},
            "stop_when_cross_below": 0.01,
            "quantize": "int8",
        },
        "budget": {"max_bytes": 20000, "max_latency_ms": 1.5, "device_profile": "files/phone.json"},
        "trainer": {
            "id": "t",
            "model_type": "cnn",
            "params": {
                "filters": [8],
                "kernel_size": 5,
                "pool_size": 1,
                "head": "average",
                "units": [9, 8],
                "batch_norm": False,
            },
            "load_checkpoint": "versions/x.zip",
            "freeze_model_from_checkpoint": True,
        },
        "students": [
            {"id": "s", "model_type": "feed_forward", "params": {"units": []}, "tflite_output_path": "s.tflite"},
            {
                "id": "t2",
                "model_type": "feed_forward",
                "params": {"units": [8]},
                "output_buckets": 3,
                "share_with": "s",
                "share_layers": ["dense_0", "dense_1"],
            },
        ],
    }
    TrainingSpec.parse(data)
    assert read_form(posted(spec_form(data))) == data


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"trainer": 7, "students": "x", "hyperparameters": [], "task": None, "features": {}},
        {"students": [None, 3, {"model_type": ["cnn"]}, {"model_type": "nope", "params": 4}]},
        {"trainer": {"model_type": "cnn", "params": {"filters": "x", "kernel_size": {"a": 1}, "batch_norm": "maybe"}}},
    ],
)
def test_data_of_any_shape_has_a_form(data):
    read_form(posted(spec_form(data)))


def test_text_that_is_no_number_stays_as_it_is_and_is_refused_by_name():
    controls = posted(spec_form(defaults_for(version_of([8, 8, 1], 100))))
    controls |= {"hyperparameters.steps": "many", "trainer.params.filters": "8, x", "hyperparameters.temperature": ""}
    data = read_form(controls)
    assert data["hyperparameters"]["steps"] == "many"
    assert data["trainer"]["params"]["filters"] == [8, "x"]
    assert "temperature" not in data["hyperparameters"]


def test_form_without_a_trainer_gives_none():
    data = defaults_for(version_of([8, 8, 1], 100))
    del data["trainer"]
    assert "trainer" not in read_form(posted(spec_form(data)))


def test_students_can_not_be_frozen_in_the_form():
    form = spec_form(defaults_for(version_of([8, 8, 1], 100)))
    assert not [path for path in posted(form) if path.startswith("students") and "freeze" in path]
    assert "trainer.freeze_model_from_checkpoint" in posted(form)


def test_problems_stand_beside_the_nearest_field():
    data = defaults_for(version_of([8, 8, 1], 100))
    problems: list[Detail] = [
        {"field": "hyperparameters.learning_rate", "message": "must be greater than 0"},
        {"field": "trainer.params.filters[1]", "message": "must be a number"},
        {"field": "students[2].params", "message": "leave nothing of the image"},
        {"field": "students[1].colour", "message": "is not a field here"},
        {"field": "nonsense", "message": "is not a field here"},
    ]
    form = spec_form(data, problems)
    rate = next(one for one in form.learning if one.field.name == "learning_rate")
    assert rate.problems == ["must be greater than 0"]
    filters = next(one for one in form.trainer.params if one.field.name == "filters")
    assert filters.problems == ["[1] must be a number"]
    assert form.students[2].problems == ["params leave nothing of the image"]
    assert form.students[1].problems == ["colour is not a field here"]
    assert form.problems[-1]["slot"] == ""


@pytest.mark.parametrize(
    ("path", "slot"),
    [("a.b", "a.b"), ("a.b[0]", "a.b"), ("a.c", "a"), ("a[3].c", "a"), ("z.y", ""), ("", ""), ("a]]", "")],
)
def test_slot_is_the_nearest_from_above(path, slot):
    assert slot_of(path, {"a", "a.b"}) == slot
