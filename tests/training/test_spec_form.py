"""The form made of the schema, and back: what a browser would post for a form is the spec that the form was made of."""

from __future__ import annotations

import pytest

from apps.errors import Detail
from apps.training.presets import defaults_for
from apps.training.spec_fields import read_form
from apps.training.spec_form import SpecForm, slot_of, spec_form
from ml.specs import TrainingSpec
from tests.training.test_presets import version_of


def posted(form: SpecForm | None) -> dict[str, str]:
    """The controls of a form, named and valued as the template does."""
    assert form is not None
    cards = [*([form.trainer] if form.trainer else []), *form.students]
    bound = [form.experiment, *form.fixed, *form.learning, *form.learning_further, *form.weights, *form.budget]
    for card in cards:
        bound += [*card.fields, *card.params, *card.extras]
    return {one.field.path: one.value for one in bound}


@pytest.mark.parametrize("shape", [[8, 8, 1], [28, 28, 3], [224, 224, 3]])
def test_form_posts_the_spec_that_it_shows(shape):
    data = defaults_for(version_of(shape, 1258))
    again = read_form(posted(spec_form(data)))
    assert TrainingSpec.parse(again) == TrainingSpec.parse(data)
    assert list(again)[:4] == ["version", "experiment_name", "task", "features"]


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
            "batch_size": 17,
            "steps": 12,
            "activation": "tanh",
            "seed": 0,
            "loss_weights": {"trainer": 0.5, "student": 2.0, "cross": 0.0},
            "cross_loss": "kl",
            "temperature": 2.5,
            "stop_when_cross_below": 0.01,
        },
        "budget": {"max_bytes": 20000, "max_latency_ms": 1.5},
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
            {"id": "s", "model_type": "feed_forward", "params": {"units": []}, "tflite_output_path": "s.tflite"}
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
