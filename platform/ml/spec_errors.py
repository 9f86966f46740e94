"""Sentences a person can act on, from what pydantic reports."""

from __future__ import annotations

import reprlib
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from ml.architectures import MODEL_TYPES
from ml.refusal import Detail, RefusedError

_received = reprlib.Repr()
_received.maxstring = _received.maxother = 80


class SpecError(RefusedError):
    """A spec was refused. `details` has one {field, message} for each problem; an empty field means the whole text."""

    def __init__(self, message: str, details: Sequence[Detail] = ()) -> None:
        super().__init__("invalid_spec", message, details)

    @classmethod
    def of(cls, details: Sequence[Detail]) -> Self:
        """One error of all details, which its message repeats."""
        count = "1 problem" if len(details) == 1 else f"{len(details)} problems"
        listed = "; ".join(f"{detail['field'] or 'spec'}: {detail['message']}" for detail in details)
        return cls(f"The training spec has {count}. {listed}", details)


def spec_problem(message: str) -> PydanticCustomError:
    """A problem whose message is complete but for what was received."""
    # Braces would be read as a template's fields.
    return PydanticCustomError("spec_problem", "{text}", {"text": message})


def field_path(location: Sequence[str | int]) -> str:
    """("students", 0, "params", "units") → "students[0].params.units"."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def details_of(error: ValidationError, root: type[BaseModel], data: object) -> list[Detail]:
    """One detail for each problem of `error`, which came from validating `data` as `root`."""
    return [
        {"field": field_path(found["loc"]), "message": _sentence(found, root, data)}
        for found in error.errors(include_url=False)
    ]


def _sentence(found: ErrorDetails, root: type[BaseModel], data: object) -> str:
    kind, message = found["type"], found["msg"]
    if kind == "missing":
        return "is required and was not given"
    received = f"Received: {_received.repr(found['input'])}"
    if kind == "extra_forbidden":
        accepted = accepted_fields(root, found["loc"][:-1], data)
        listed = f". Accepted fields: {', '.join(accepted)}" if accepted else ""
        return f"is not a field here{listed}"
    if kind == "literal_error":
        return f"{received}. Accepted: {found['ctx']['expected']}"
    if kind in ("value_error", "spec_problem"):
        text = message.removeprefix("Value error, ")
        return text if "Received:" in text else f"{text}. {received}"
    return f"{message.replace('Input should', 'must')}. {received}"


def accepted_fields(root: type[BaseModel], location: Sequence[str | int], data: object) -> list[str]:
    """The fields of the model at `location` below `root`, which `data` was meant for; empty if there is none."""
    model: type[BaseModel] | None = root
    for part in location:
        if isinstance(part, int):
            data = data[part] if isinstance(data, list) else None
            continue
        if model is None or part not in model.model_fields:
            return []
        model = _model_in(model.model_fields[part].annotation)
        if part == "params" and isinstance(data, Mapping):
            model_type = MODEL_TYPES.get(str(data.get("model_type")))
            model = model_type.params if model_type else None
        data = data.get(part) if isinstance(data, Mapping) else None
    return list(model.model_fields) if model else []


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (list, typing.Union, types.UnionType, typing.Annotated):
        for argument in typing.get_args(annotation):
            found = _model_in(argument)
            if found is not None:
                return found
    return None
