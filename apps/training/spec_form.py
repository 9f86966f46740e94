"""A TrainingSpec as a form: groups of fields with their values, and each problem beside the field that it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

from apps.errors import Detail
from apps.training.model_type_groups import OptionGroup, model_type_groups
from apps.training.spec_fields import SIZES, SpecField, fields_of, model_schema, resolve, spec_schema, value_at
from ml.specs import MODEL_TYPES

MAX_STUDENTS = 16
MAX_FEATURES = 8
# What a person changes first; the other hyperparameters are folded away in groups.
FIRST = ("steps", "batch_size", "learning_rate", "quantize")
GROUPS = {
    "Optimizer and seed": (
        *("optimizer", "learning_rate_schedule", "warmup_steps", "weight_decay", "clip_norm", "activation", "seed"),
    ),
    "Loss": (
        *("loss_weights", "cross_loss", "temperature", "class_weighting", "class_weights", "unlabelled_batch_size"),
    ),
    "When to stop": ("early_stopping", "stop_when_cross_below"),
}


class PlacedProblem(TypedDict):
    """A problem, and the slot of the form (the path of a field or a group; empty: the whole) where it is shown."""

    field: str
    slot: str
    message: str


@dataclass(frozen=True)
class BoundField:
    """A field with its value as text and its problems."""

    field: SpecField
    value: str
    problems: list[str]
    groups: tuple[OptionGroup, ...] = ()

    @property
    def id(self) -> str:
        return "spec-" + re.sub(r"[^a-z0-9]+", "-", self.field.path)

    @property
    def options(self) -> list[tuple[str, bool]]:
        """The choices as text, each with whether it is chosen; a value that is none of them is kept, and shown."""
        texts = [str(choice) for choice in self.field.choices]
        if self.value not in texts:
            texts.insert(0, self.value)
        return [(text, text == self.value) for text in texts]

    @property
    def placeholder(self) -> str:
        return "" if self.field.default is None else self.field.show(self.field.default)


@dataclass(frozen=True)
class FieldGroup:
    """Fields that are folded away together."""

    title: str
    fields: list[BoundField]

    @property
    def has_problems(self) -> bool:
        return any(bound.problems for bound in self.fields)


@dataclass(frozen=True)
class ModelCard:
    """The trainer or one student. `index` is None for the trainer."""

    path: str
    index: int | None
    heading: str
    description: str
    fields: list[BoundField]
    params: list[BoundField]
    extras: list[BoundField]
    problems: list[str]


@dataclass(frozen=True)
class SpecForm:
    """`fixed`: what the dataset decides; `front_ends`: how sounds are read; `problems`: those of the whole spec."""

    experiment: BoundField
    fixed: list[BoundField]
    front_ends: list[BoundField]
    trainer: ModelCard | None
    students: list[ModelCard]
    students_problems: list[str]
    learning: list[BoundField]
    learning_groups: list[FieldGroup]
    budget: list[BoundField]
    problems: list[PlacedProblem] = field(default_factory=list)

    @property
    def can_add_student(self) -> bool:
        return len(self.students) < MAX_STUDENTS


def spec_form(data: Mapping[str, Any], problems: Sequence[Detail] = ()) -> SpecForm:
    """The form of spec data, which may be of any shape, with `problems` placed."""
    return _Builder(data, problems).build()


class _Builder:
    def __init__(self, data: Mapping[str, Any], problems: Sequence[Detail]) -> None:
        self._data = data
        listed = data.get("students")
        self._students = listed[:MAX_STUDENTS] if isinstance(listed, list) else []
        features = data.get("features")
        self._features = features[:MAX_FEATURES] if isinstance(features, list) and features else [{}]
        self._paths = {path for path, _ in self._models()}
        self._fields = {found.path: found for found in self._all_fields()}
        slots = {"students", *self._paths, *self._fields}
        self._placed: list[PlacedProblem] = [
            {"field": problem["field"], "slot": slot_of(problem["field"], slots), "message": problem["message"]}
            for problem in problems
        ]

    def build(self) -> SpecForm:
        front_ends = [path for path in self._fields if ".spectrogram." in path]
        decided = [path for path in self._fields if path.startswith(("task.", "features["))]
        return SpecForm(
            experiment=self._bound("experiment_name"),
            fixed=[self._bound(path) for path in decided if path not in front_ends],
            front_ends=[self._bound(path) for path in front_ends],
            trainer=next((self._card(path, None) for path, _ in self._models() if path == "trainer"), None),
            students=[self._card(f"students[{index}]", index) for index in range(len(self._students))],
            students_problems=self._at("students"),
            learning=self._hyperparameters(FIRST),
            learning_groups=list(self._learning_groups()),
            budget=[self._bound(name) for name in self._fields if name.startswith("budget.")],
            problems=self._placed,
        )

    def _learning_groups(self) -> Iterator[FieldGroup]:
        known = {*FIRST, *(name for names in GROUPS.values() for name in names)}
        others = {path.split(".")[1] for path in self._fields if path.startswith("hyperparameters.")} - known
        for title, names in {**GROUPS, "Further": sorted(others)}.items():
            if fields := self._hyperparameters(names):
                yield FieldGroup(title, fields)

    def _hyperparameters(self, names: Sequence[str]) -> list[BoundField]:
        """The fields of these hyperparameters, and of those that are groups of fields themselves."""
        return [
            self._bound(path)
            for name in names
            for path in self._fields
            if f"{path}.".startswith(f"hyperparameters.{name}.")
        ]

    def _models(self) -> list[tuple[str, Any]]:
        models = [("trainer", self._data["trainer"])] if isinstance(self._data.get("trainer"), Mapping) else []
        return models + [(f"students[{index}]", student) for index, student in enumerate(self._students)]

    def _all_fields(self) -> list[SpecField]:
        root = {"properties": {"experiment_name": spec_schema("experiment_name")}, "required": ["experiment_name"]}
        found = [*fields_of(root), *fields_of(spec_schema("task"), "task")]
        for index in range(len(self._features)):
            found += fields_of(resolve(spec_schema("features")["items"]), f"features[{index}]")
        for name in ("hyperparameters", "budget"):
            found += fields_of(spec_schema(name), name)
        for path, model in self._models():
            found += fields_of(model_schema(value_at(model, "model_type")), path)
        return [one for one in found if self._has_meaning(one.path)]

    def _has_meaning(self, path: str) -> bool:
        """Whether a field can be anything but empty for this task, feature or model."""
        what, _, name = path.rpartition(".")
        if what == "task" and name in ("num_classes", "num_values"):
            return bool((value_at(self._data, "task.type") == "regression") == (name == "num_values"))
        if name == "sample_rate" or what.endswith(".spectrogram"):
            return bool(value_at(self._data, f"{what.removesuffix('.spectrogram')}.type") == "audio")
        if name == "freeze_model_from_checkpoint":
            return what == "trainer"
        return name not in ("share_with", "share_layers") or what != "trainer"

    def _card(self, path: str, index: int | None) -> ModelCard:
        names = [name for name in self._fields if name.startswith(f"{path}.")]
        params = [name for name in names if name.startswith(f"{path}.params.")]
        first = [f"{path}.id", f"{path}.model_type"]
        model_type = MODEL_TYPES.get(str(value_at(self._data, first[1])))
        return ModelCard(
            path=path,
            index=index,
            heading="Trainer" if index is None else f"Student {index + 1}",
            description=model_type.description if model_type else "",
            fields=[self._bound(first[0]), replace(self._bound(first[1]), groups=self._model_types(path))],
            params=[self._bound(name) for name in params],
            extras=[self._bound(name) for name in names if name not in params and name not in first],
            problems=self._at(path),
        )

    def _model_types(self, path: str) -> tuple[OptionGroup, ...]:
        features = [str(value_at(feature, "type")) for feature in self._features]
        chosen = value_at(self._data, f"{path}.model_type")
        return model_type_groups(
            features, task=value_at(self._data, "task.type"), is_trainer=path == "trainer", chosen=str(chosen or "")
        )

    def _bound(self, path: str) -> BoundField:
        found = self._fields[path]
        value = value_at(self._data, path)
        missing = value is None and found.default is not None
        return BoundField(found, found.show(found.default if missing else value), self._at(path))

    def _at(self, slot: str) -> list[str]:
        return [text_at(problem) for problem in self._placed if problem["slot"] == slot]


def text_at(problem: PlacedProblem) -> str:
    """What the slot of a problem says: its message, after the rest of the path where the field is further down."""
    below = problem["field"].removeprefix(problem["slot"]).lstrip(".")
    return f"{below} {problem['message']}" if below else problem["message"]


def slot_of(path: str, slots: set[str]) -> str:
    """The field or group nearest to `path` from above: "trainer.params.filters[1]" → "trainer.params.filters"."""
    while path and path not in slots:
        last = re.search(r"(\.[^.\[\]]+|\[\d+\])$", path)
        path = path[: last.start()] if last else ""
    return path


def default_params(model_type: str) -> dict[str, Any]:
    """The parameters that decide the size of a model of this type, with their defaults; none for an unknown type."""
    known = MODEL_TYPES.get(model_type)
    fields = known.params.model_fields if known else {}
    defaults = {
        name: field.get_default() for name, field in fields.items() if name in SIZES and not field.is_required()
    }
    return {name: value for name, value in defaults.items() if value != []}
