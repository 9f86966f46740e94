"""The fields of a TrainingSpec, read off its JSON Schema: what a form shows, and how its text becomes spec data again.

A field's name is its path in the spec, as error details name it: "hyperparameters.loss_weights.cross",
"students[0].params.units".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import yaml

from ml.specs import TrainingSpec

Schema = dict[str, Any]
# A yaml field holds what has no control of its own, such as a mapping, as text.
Kind = Literal["integer", "number", "text", "choice", "switch", "list", "yaml"]
Item = Literal["integer", "number", "text"]

# What is left out of the data when it has its default, so that the YAML says what a person chose and no more: these,
# and of a model's parameters all but those that decide its size.
OPTIONAL = re.compile(
    r"\.(load_checkpoint|freeze_model_from_checkpoint|tflite_output_path|share_layers)$"
    r"|^hyperparameters\.(warmup_steps|weight_decay|unlabelled_batch_size|class_weighting)$"
    r"|^hyperparameters\.early_stopping\.|\.spectrogram\."
)
SIZES = ("units", "filters", "stem", "projections", "bits", "width", "version", "alpha", "depth")
# Fields that name a file beside the spec, and how such a file's name may end.
FILES = {
    "load_checkpoint": (".zip",),
    "path": (".keras", ".h5", ".zip"),
    "weights": (".h5", ".keras"),
    "device_profile": (".json",),
}


@dataclass(frozen=True)
class SpecField:
    """One value of a spec: how a form shows it, and how it is read back."""

    path: str
    title: str
    description: str
    kind: Kind
    default: Any
    is_required: bool
    choices: tuple[Any, ...] = ()
    items: Item = "integer"  # of a list

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def names_file(self) -> bool:
        return self.kind == "text" and self.name in FILES

    def show(self, value: Any) -> str:
        """`value` as the text of a control; a value that the schema would refuse is shown as it is."""
        if value is None:
            return ""
        if self.kind == "yaml" and isinstance(value, list | dict):
            return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6).strip() if value else ""
        if isinstance(value, list | tuple):
            return ", ".join(str(item) for item in value)
        if isinstance(value, bool):
            return "on" if value else ""
        return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)

    def read(self, text: str | None) -> Any:
        """The value that a control's text stands for; text that stands for none is kept, and refused later by name."""
        text = (text or "").strip()
        if self.kind == "switch":
            return bool(text)
        if self.kind == "list" and (text or self.default is not None):
            items = [item for item in re.split(r"[\s,;]+", text.strip("[]() ")) if item]
            return items if self.items == "text" else [_number(item, NUMBERS[self.items]) for item in items]
        if not text:
            return None
        if self.kind == "yaml":
            return _read_yaml(text)
        if self.kind == "choice":
            return next((choice for choice in self.choices if str(choice) == text), text)
        return _number(text, NUMBERS[self.kind]) if self.kind in NUMBERS else text

    def leaves_out(self, value: Any) -> bool:
        """Whether spec data needs no mention of `value`."""
        if value is None or value != self.default:
            return value is None
        in_params = ".params." in self.path and (self.name not in SIZES or value == [])
        return in_params or OPTIONAL.search(self.path) is not None


NUMBERS: dict[str, type[int] | type[float]] = {"integer": int, "number": float}


class _Loader(yaml.SafeLoader):
    """Without aliases, by which a short text can stand for data of any size."""

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not accepted")
        return super().compose_node(parent, index)


def _read_yaml(text: str) -> Any:
    """The data in YAML text; the text itself where it can't be read, or stands for none that JSON has."""
    try:
        found = yaml.load(text, _Loader)  # noqa: S506 — a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    return found if isinstance(found, dict | list | str | int | float) else text


def _number(text: str, kind: type[int] | type[float]) -> int | float | str:
    try:
        return kind(text)
    except ValueError:
        return text


@cache
def _root() -> Schema:
    return TrainingSpec.model_json_schema()


def resolve(schema: Schema) -> Schema:
    """`schema` with its reference followed and its "or null" taken off (then with `nullable`)."""
    alternatives = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    if len(alternatives) == 1:
        about = {name: value for name, value in schema.items() if name != "anyOf"}
        return resolve({**alternatives[0], **about, "nullable": True})
    if "$ref" in schema:
        target = _root()["$defs"][schema["$ref"].rpartition("/")[2]]
        return {**target, **{name: value for name, value in schema.items() if name != "$ref"}}
    return schema


def model_schema(model_type: Any) -> Schema:
    """The schema of a model of the spec, with the parameters of its type; without any for a type that is unknown."""
    schema: Schema = _root()["$defs"]["ModelSpec"]
    params = next(
        (
            case["then"]["properties"]["params"]
            for case in schema["allOf"]
            if case["if"]["properties"]["model_type"]["const"] == model_type
        ),
        {"type": "object", "properties": {}},
    )
    return {**schema, "properties": {**schema["properties"], "params": params}}


def spec_schema(name: str) -> Schema:
    """The schema of a part of the spec: "task", "features", "hyperparameters" …"""
    return resolve(_root()["properties"][name])


def fields_of(schema: Schema, prefix: str = "") -> Iterator[SpecField]:
    """The fields of an object and of the objects in it, in their order. Lists of objects are left to the caller."""
    required = schema.get("required", ())
    for name, property_schema in schema["properties"].items():
        found = resolve(property_schema)
        path = f"{prefix}.{name}" if prefix else name
        if found.get("type") == "object" and found.get("properties"):
            yield from fields_of(found, path)
        elif not _is_list_of_objects(found):
            yield SpecField(
                path=path,
                title=found.get("title", name),
                description=found.get("description", ""),
                kind=_kind(found),
                default=found.get("default"),
                is_required=name in required,
                choices=_choices(found),
                items=_item(found),
            )


def _choices(schema: Schema) -> tuple[Any, ...]:
    """What may be chosen; "" for nothing, where that is accepted."""
    chosen = tuple(schema.get("enum", [schema["const"]] if "const" in schema else ()))
    return ("", *chosen) if chosen and schema.get("nullable") else chosen


def _is_list_of_objects(schema: Schema) -> bool:
    return schema.get("type") == "array" and ("$ref" in schema["items"] or schema["items"].get("type") == "object")


def _item(schema: Schema) -> Item:
    found: dict[str, Item] = {"number": "number", "string": "text"}
    return found.get(schema.get("items", {}).get("type"), "integer")


def _kind(schema: Schema) -> Kind:
    if "enum" in schema or "const" in schema:
        return "choice"
    match schema.get("type"):
        case "integer":
            return "integer"
        case "number":
            return "number"
        case "boolean":
            return "switch"
        case "string":
            return "text"
        case "array" if schema.get("items", {}).get("type") in ("integer", "number", "string"):
            return "list"
    return "yaml"


def read_form(posted: Mapping[str, str]) -> dict[str, Any]:
    """Spec data out of a form's controls, in the order of the schema. Nothing is validated here."""
    data: dict[str, Any] = {"version": TrainingSpec.VERSION}
    for name in _root()["properties"]:
        if name == "students":
            data[name] = [_read_model(f"students[{index}]", posted) for index in _indices("students", posted)]
        elif name == "features":
            schema = resolve(spec_schema(name)["items"])
            data[name] = [_read_object(schema, f"features[{index}]", posted) for index in _indices(name, posted)]
        elif name == "trainer":
            if any(key.startswith("trainer.") for key in posted):
                data[name] = _read_model(name, posted)
        elif (schema := spec_schema(name)).get("type") == "object":
            if part := _read_object(schema, name, posted):
                data[name] = part
        elif name in posted:
            data[name] = posted[name].strip()
    return data


def _read_model(prefix: str, posted: Mapping[str, str]) -> dict[str, Any]:
    return _read_object(model_schema(posted.get(f"{prefix}.model_type")), prefix, posted)


def _read_object(schema: Schema, prefix: str, posted: Mapping[str, str]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for field in fields_of(schema, prefix):
        if field.path not in posted:
            continue
        value = field.read(posted.get(field.path))
        if field.leaves_out(value):
            continue
        *parents, name = field.path.removeprefix(f"{prefix}.").split(".")
        place = data
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = value
    return data


def _indices(name: str, posted: Mapping[str, str]) -> list[int]:
    pattern = re.compile(rf"{name}\[(\d{{1,3}})\]\.")
    return sorted({int(found[1]) for key in posted if (found := pattern.match(key))})


def value_at(data: Any, path: str) -> Any:
    """What `data` has at `path`, None where it has nothing, whatever shape it has."""
    for part in re.findall(r"[^.\[\]]+", path):
        if isinstance(data, Mapping):
            data = data.get(part)
        elif isinstance(data, list) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        else:
            return None
    return data
