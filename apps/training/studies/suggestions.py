"""Fields of a spec that a study may vary, each with a range around what it is: to choose from on the form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from apps.datasets.models import DatasetVersion
from apps.errors import Refused
from apps.training.spec_fields import SpecField, fields_of, model_schema, spec_schema, value_at
from apps.training.spec_text import read_spec
from apps.training.studies.varying import varied
from ml.architectures import MODEL_TYPES

FIRST = ("hyperparameters.learning_rate",)
# What a search of accuracy is not about, or can't be varied with a range around its value.
LEFT_OUT = frozenset({"stop_when_cross_below", "class_weights", "clip_norm", "patience", "metric", "min_delta"})
SOME = {
    "optimizer": ["adam", "adamw", "rmsprop"],
    "activation": ["relu", "tanh", "swish"],
    "learning_rate_schedule": ["constant", "cosine"],
    "seed": [1, 2, 3],
}
FRACTION = {"dropout", "weight_decay", "label_smoothing"}


@dataclass(frozen=True)
class Suggestion:
    """`line`: the path and its range as YAML; `group`: whose field it is."""

    path: str
    group: str
    line: str


def suggestions_for(data: Mapping[str, Any], version: DatasetVersion) -> list[Suggestion]:
    """For each field of a valid spec a range or choices whose ends are valid too, as far as one can guess them."""
    complete = read_spec(dict(data), version).model_dump(mode="json")
    found = []
    for path, group, values in _guessed(complete, data, version):
        ends = [values["low"], values["high"]] if isinstance(values, dict) else values
        if all(_is_valid(data, path, end, version) for end in ends):
            found.append(Suggestion(path, group, _line(path, values)))
    return found


def line_of(row: Mapping[str, Any]) -> str:
    """A stored parameter as it is written in YAML."""
    values = {name: value for name, value in row.items() if name not in ("path", "kind", "choices")}
    if row["kind"] == "float" and all(isinstance(values[name], int) for name in ("low", "high")):
        values["kind"] = "float"
    return _line(row["path"], row["choices"] if row["kind"] == "categorical" else values)


def _guessed(
    complete: Mapping[str, Any], data: Mapping[str, Any], version: DatasetVersion
) -> Iterator[tuple[str, str, Any]]:
    fields = sorted(fields_of(spec_schema("hyperparameters"), "hyperparameters"), key=lambda one: one.path not in FIRST)
    yield from _values(fields, complete, "Hyperparameters")
    students = [(f"students[{index}]", model) for index, model in enumerate(complete["students"])]
    trainer = [("trainer", complete["trainer"])] if complete["trainer"] else []
    for where, model in [*students, *trainer]:
        group = "Trainer" if where == "trainer" else f"Student {model['id']}"
        types = [one for one in MODEL_TYPES if _is_valid(data, f"{where}.model_type", one, version)]
        if len(types) > 1:
            yield f"{where}.model_type", group, types
        params = model_schema(model["model_type"])["properties"]["params"]
        yield from _values(fields_of(params, f"{where}.params"), complete, group)


def _values(fields: Any, complete: Mapping[str, Any], group: str) -> Iterator[tuple[str, str, Any]]:
    for one in fields:
        values = None if one.name in LEFT_OUT else _range_of(one, value_at(complete, one.path))
        if values:
            yield one.path, group, values


def _range_of(field: SpecField, now: Any) -> Any:
    if field.name in SOME:
        return SOME[field.name]
    match field.kind:
        case "choice":
            choices = [None if choice == "" else choice for choice in field.choices]
            return choices if len(choices) > 1 else None
        case "switch":
            return [False, True]
        case "integer" if isinstance(now, int) and now > 1:
            low, high = max(1, now // 2), now * 2
            step = max(1, low // 2)
            return {"low": low, "high": high} | ({"step": step} if step > 1 else {})
        case "number" if field.name in FRACTION:
            return {"low": 0.0, "high": 0.5}
        case "number" if isinstance(now, int | float) and now > 0:
            return {"low": float(f"{now / 10:g}"), "high": float(f"{now * 10:g}"), "log": True}
        case "list" if field.items == "integer" and now:
            halved, doubled = ([max(1, number // 2) for number in now], [number * 2 for number in now])
            return [halved, list(now), doubled] if halved != now else [list(now), doubled]
    return None


def _is_valid(data: Mapping[str, Any], path: str, value: Any, version: DatasetVersion) -> bool:
    try:
        read_spec(varied(data, {path: value})[0], version)
    except Refused:
        return False
    return True


def _line(path: str, values: Any) -> str:
    text = yaml.safe_dump(values, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True)
    return f"{path}: {text.strip()}"
