from __future__ import annotations

import pytest
import yaml

from apps.training.presets import defaults_for
from apps.training.spec_editing import from_form, from_yaml
from apps.training.spec_form import MAX_STUDENTS, spec_form
from ml.specs import MODEL_TYPES
from tests.training.test_presets import version_for, version_of
from tests.training.test_spec_form import posted


@pytest.fixture
def version():
    return version_of([8, 8, 1], 1258)


@pytest.fixture
def controls(version) -> dict[str, str]:
    return posted(spec_form(defaults_for(version)))


def test_yaml_follows_a_control(version, controls):
    edited = from_form({**controls, "hyperparameters.steps": "77"}, "", version)
    assert yaml.safe_load(edited.yaml)["hyperparameters"]["steps"] == 77
    assert (edited.problems, edited.has_new_fields) == ([], False)


def test_form_follows_the_yaml(version):
    data = defaults_for(version)
    data["hyperparameters"]["steps"] = 78
    del data["trainer"]
    text = yaml.safe_dump(data)
    edited = from_yaml(text, version)
    assert edited.yaml == text
    assert posted(edited.form)["hyperparameters.steps"] == "78"
    assert (edited.form.trainer, edited.problems, edited.has_new_fields) == (None, [], True)


def test_yaml_that_can_not_be_read_leaves_the_form_alone(version):
    edited = from_yaml("a: [", version)
    assert edited.form is None
    assert "line 1" in edited.problems[0]["message"]


def test_problems_come_with_the_answer(version, controls):
    edited = from_form({**controls, "hyperparameters.learning_rate": "-1"}, "", version)
    assert [problem["field"] for problem in edited.problems] == ["hyperparameters.learning_rate"]
    assert "learning_rate: -1" in edited.yaml


def test_students_are_added_and_removed(version, controls):
    added = from_form(controls, "add-student", version)
    assert [card.heading for card in added.form.students] == [f"Student {number}" for number in range(1, 5)]
    assert added.problems == []
    removed = from_form(posted(added.form), "remove-student 0", version)
    ids = [student["id"] for student in yaml.safe_load(removed.yaml)["students"]]
    assert ids == ["dense", "depthwise", "student-1"]


def test_no_more_students_than_a_spec_may_have(version, controls):
    for _ in range(MAX_STUDENTS):
        controls = posted(from_form(controls, "add-student", version).form)
    edited = from_form(controls, "add-student", version)
    assert len(edited.form.students) == MAX_STUDENTS
    assert not edited.form.can_add_student
    assert edited.problems == []


def test_trainer_is_removed_and_added(version, controls):
    without = from_form(controls, "remove-trainer", version)
    assert without.form.trainer is None
    assert without.problems == []
    again = from_form(posted(without.form), "add-trainer", version)
    assert yaml.safe_load(again.yaml)["trainer"]["model_type"] == "cnn"
    assert list(yaml.safe_load(again.yaml))[-2:] == ["trainer", "students"]


def test_another_model_type_brings_its_own_parameters(version, controls):
    changed = {**controls, "students[1].model_type": "projection"}
    edited = from_form(changed, "model-type students[1]", version)
    student = yaml.safe_load(edited.yaml)["students"][1]
    assert student["params"] == {"projections": 60, "bits": 12, "units": [32]}
    assert edited.problems == []


def test_other_data_brings_its_own_shape_and_classes(controls):
    other = version_of([28, 28, 3], 500, classes=4)
    edited = from_form(controls, "dataset", other)
    data = yaml.safe_load(edited.yaml)
    assert (data["task"]["num_classes"], data["features"][0]["shape"]) == (4, [28, 28, 3])
    assert edited.problems == []


def test_data_of_another_kind_brings_networks_for_it(controls):
    other = version_for("vector", task="regression")
    edited = from_form(controls, "dataset", other)
    data = yaml.safe_load(edited.yaml)
    assert edited.problems == []
    assert data == defaults_for(other)


@pytest.mark.parametrize("kinds", [("tokens",), ("image", "text")])
def test_a_student_and_a_trainer_for_the_data_are_added(kinds):
    version = version_for(*kinds, task="sequence" if kinds == ("tokens",) else "classification")
    edited = from_form(posted(spec_form(defaults_for(version))), "remove-trainer", version)
    for action in ("add-student", "add-trainer"):
        edited = from_form(posted(edited.form), action, version)
        assert edited.problems == []
    assert len(edited.form.students) == 4


@pytest.mark.parametrize("name", sorted(MODEL_TYPES))
def test_every_model_type_can_be_chosen(version, controls, name):
    edited = from_form({**controls, "students[1].model_type": name}, "model-type students[1]", version)
    student = yaml.safe_load(edited.yaml)["students"][1]
    assert (student["id"], student["model_type"]) == ("dense", name)
    assert set(student["params"]) <= set(MODEL_TYPES[name].params.model_fields)
    assert edited.form.students[1].description == MODEL_TYPES[name].description


@pytest.mark.parametrize(
    "action", ["remove-student 99", "remove-student x", "model-type students[9]", "model-type", "x y z"]
)
def test_action_that_fits_nothing_changes_nothing(version, controls, action):
    assert yaml.safe_load(from_form(controls, action, version).yaml) == defaults_for(version)


def test_a_limit_is_enough_where_there_are_no_students(version, controls):
    without = {name: value for name, value in controls.items() if not name.startswith("students[")}
    edited = from_form(without, "", version)
    assert [problem["field"] for problem in edited.problems] == ["students"]
    assert "or a budget with max_bytes or max_latency_ms" in edited.problems[0]["message"]
    edited = from_form({**without, "budget.max_bytes": "9000"}, "", version)
    assert edited.problems == []
    data = yaml.safe_load(edited.yaml)
    assert (data["students"], data["budget"]) == ([], {"max_bytes": 9000})


def test_students_give_way_to_a_budget(version, controls):
    edited = from_form(controls, "find-students", version)
    data = yaml.safe_load(edited.yaml)
    assert (data["students"], data["budget"], edited.problems) == ([], {"max_bytes": 20_000}, [])
    assert edited.form.students == []
    limited = from_form({**controls, "budget.max_latency_ms": "2.5"}, "find-students", version)
    assert yaml.safe_load(limited.yaml)["budget"] == {"max_latency_ms": 2.5}
