"""Form and YAML of a new run, which follow each other: each change of either comes here, and only here is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.datasets.models import DatasetVersion
from apps.errors import Detail, Refused
from apps.training.named_files import files_of
from apps.training.preset_models import new_trainer
from apps.training.presets import another_student, dataset_part, defaults_for, learned_from
from apps.training.spec_fields import read_form, value_at
from apps.training.spec_form import MAX_STUDENTS, SpecForm, default_params, spec_form
from apps.training.spec_text import read_spec, to_yaml
from ml.spec_text import read_yaml
from ml.specs import SpecError


@dataclass(frozen=True)
class Edited:
    """The spec after a change: as YAML, as a form (None where the YAML can't be read), and what is wrong with it.

    `has_new_fields`: the form's controls are others than before, so that it has to be drawn again.
    """

    yaml: str
    form: SpecForm | None
    problems: list[Detail]
    has_new_fields: bool


def from_yaml(text: str, version: DatasetVersion) -> Edited:
    """After the YAML was edited: the form follows."""
    try:
        data = read_yaml(text)
    except SpecError as error:
        return Edited(text, None, [{"field": "", "message": error.message}], has_new_fields=False)
    assert isinstance(data, dict)
    problems = problems_of(text, version)
    return Edited(text, spec_form(data, problems), problems, has_new_fields=True)


def from_form(posted: Mapping[str, str], action: str, version: DatasetVersion) -> Edited:
    """After a control was edited, or one of the form's actions was taken: the YAML follows.

    Actions: `add-student`, `remove-student <index>`, `find-students` (a budget in their place), `add-trainer`,
    `remove-trainer`, `model-type <path>`, `dataset`; any other changes nothing but what `posted` says.
    """
    data = read_form(posted)
    verb, _, what = action.partition(" ")
    students: list[dict[str, Any]] = data["students"]
    if verb == "add-student" and len(students) < MAX_STUDENTS:
        students.append(another_student(data, version))
    elif verb == "remove-student" and what.isdigit() and int(what) < len(students):
        del students[int(what)]
    elif verb == "find-students":
        data["students"] = []
        if not any(data.get("budget", {}).get(limit) for limit in LIMITS):
            data["budget"] = {**data.get("budget", {}), "max_bytes": A_SMALL_MODEL}
    elif verb == "add-trainer":
        data["trainer"] = new_trainer(*learned_from(version))
    elif verb == "remove-trainer":
        data.pop("trainer", None)
    elif verb == "model-type":
        _take_defaults(data, what)
    elif verb == "dataset":
        part = dataset_part(version)
        # Networks for other inputs or another task would not fit: what is learned from is new, and so is the start.
        data = defaults_for(version) if _kind(part) != _kind(data) else {**data, **part}
    ordered = {name: data[name] for name in ORDER if name in data}
    problems = problems_of(ordered, version)
    return Edited(to_yaml(ordered), spec_form(ordered, problems), problems, has_new_fields=bool(action))


LIMITS = ("max_bytes", "max_latency_ms")
A_SMALL_MODEL = 20_000  # bytes: a limit to start from
ORDER = ("version", "experiment_name", "task", "features", "hyperparameters", "budget", "trainer", "students")


def problems_of(given: str | dict[str, Any], version: DatasetVersion) -> list[Detail]:
    """What is wrong with a spec for this dataset; nothing, if it can be started."""
    try:
        files_of(read_spec(given, version), version)
    except Refused as refused:
        return refused.details
    return []


def _kind(data: dict[str, Any]) -> tuple[Any, list[Any]]:
    """The task and the types of the inputs of spec data."""
    features = data.get("features") or []
    return value_at(data, "task.type"), [value_at(feature, "type") for feature in features]


def _take_defaults(data: dict[str, Any], path: str) -> None:
    """Parameters of the model's new type: what it had under the same name stays."""
    index = path.removeprefix("students[").rstrip("]")
    students = data["students"]
    model = data.get("trainer") if path == "trainer" else None
    if index.isdigit() and int(index) < len(students):
        model = students[int(index)]
    if model is not None:
        model["params"] = {**default_params(str(model.get("model_type"))), **model.get("params", {})}
