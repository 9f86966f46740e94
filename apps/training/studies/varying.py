"""A set of values put into the base spec, and whether every corner of a search space gives a spec that is accepted."""

from __future__ import annotations

import copy
import itertools
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from apps.datasets.models import DatasetVersion
from apps.errors import Detail, Refused
from apps.training.named_files import files_of
from apps.training.spec_fields import value_at
from apps.training.spec_text import read_spec
from apps.training.studies.space import WHOLE, Parameter, parts_of, shown
from ml.architectures import MODEL_TYPES

MODEL = re.compile(r"(trainer|students\[\d+\])(?:\.(.*))?")
MAX_CORNERS = 128
PROBLEMS_SHOWN = 5


def varied(base: Mapping[str, Any], params: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The data of a spec: `base` with the values of `params`, and the paths in `params` that have no meaning in it.

    Whole networks and model types come first. Another type keeps what it has in common with the one before; a
    parameter that the chosen type does not know is left out, and so is every one of a trainer that is not there.
    """
    data = copy.deepcopy(dict(base))
    structural = [path for path in params if WHOLE.fullmatch(path)] + [path for path in params if _is_type(path)]
    switched = {_model_of(path) for path in structural}
    unused: list[str] = []
    for path in structural:
        if WHOLE.fullmatch(path):
            _replace(data, path, params[path])
        elif value_at(data, _model_of(path)) is not None:
            _set(data, path, params[path])
            _keep_what_fits(value_at(data, _model_of(path)), params[path])
        else:
            unused.append(path)
    for path, value in params.items():
        if path in structural:
            continue
        model = _model_of(path)
        if model in switched and not _has_place(value_at(data, model), path):
            unused.append(path)
        else:
            _set(data, path, value)
    return data, unused


def check_corners(space: Sequence[Parameter], base: Mapping[str, Any], version: DatasetVersion) -> None:
    """Raise Refused `invalid_space`, tied to `space`, where a bound or choice gives a spec that is refused.

    Each alone is tried first, within each choice of a network; then, where all of these are accepted, combinations of
    them: all, or many of them drawn at random.
    """
    problems: list[str] = []
    used: set[str] = set()
    structures = [one for one in space if WHOLE.fullmatch(one.path) or _is_type(one.path)]
    contexts: list[dict[str, Any]] = [{}] + [{one.path: choice} for one in structures for choice in one.bounds]
    for parameter in space:
        refused = _refusals_of(parameter, contexts, base, version, used)
        problems += refused[:1]  # one sentence a parameter is enough to act on
    if not problems:
        problems = [
            f"{parameter.path} is no field of any network that is tried."
            for parameter in space
            if parameter.path not in used
        ]
    if not problems:
        for params in _corners(space):
            data, _ = varied(base, params)
            if why := _why_refused(data, version):
                together = ", ".join(f"{path} = {shown(value)}" for path, value in params.items())
                problems.append(f"{together} together give a spec that is refused: {why}")
                break
    if problems:
        details: list[Detail] = [{"field": "space", "message": problem} for problem in problems[:PROBLEMS_SHOWN]]
        raise Refused("invalid_space", " ".join(problems[:PROBLEMS_SHOWN]), details=details)


def _refusals_of(
    parameter: Parameter,
    contexts: Sequence[Mapping[str, Any]],
    base: Mapping[str, Any],
    version: DatasetVersion,
    used: set[str],
) -> list[str]:
    problems = []
    for value in parameter.bounds:
        for context in contexts:
            if parameter.path in context:
                continue
            data, unused = varied(base, {**context, parameter.path: value})
            if parameter.path in unused:
                continue
            used.add(parameter.path)
            if why := _why_refused(data, version):
                where = "".join(f" with {path} = {shown(choice)}" for path, choice in context.items())
                problems.append(f"{parameter.path} = {shown(value)}{where} gives a spec that is refused: {why}")
                break
    return problems


def _why_refused(data: dict[str, Any], version: DatasetVersion) -> str:
    try:
        files_of(read_spec(data, version), version)
    except Refused as refused:
        return "; ".join(f"{detail['field']} {detail['message']}" for detail in refused.details) + "."
    return ""


def _corners(space: Sequence[Parameter]) -> Iterator[dict[str, Any]]:
    bounds = [parameter.bounds for parameter in space]
    count = 1
    for values in bounds:
        count *= len(values)
    draw = random.Random(0)  # noqa: S311  (the same ones each time, so that an answer can be repeated)
    chosen: Iterable[tuple[Any, ...]] = (
        itertools.product(*bounds)
        if count <= MAX_CORNERS
        else (tuple(draw.choice(values) for values in bounds) for _ in range(MAX_CORNERS))
    )
    for corner in chosen:
        yield {parameter.path: value for parameter, value in zip(space, corner, strict=True)}


def _is_type(path: str) -> bool:
    return path.endswith(".model_type") and MODEL.fullmatch(path) is not None and path.count(".") == 1


def _model_of(path: str) -> str:
    found = MODEL.fullmatch(path)
    return found[1] if found else ""


def _has_place(model: Any, path: str) -> bool:
    """Whether a network that was chosen has the parameter that `path` names."""
    if not isinstance(model, Mapping):
        return False
    parts = list(parts_of(path))
    inside = parts[parts.index("params") + 1 :] if "params" in parts else []
    params = _params_of(model.get("model_type"))
    return not inside or inside[0] in params


def _params_of(model_type: Any) -> frozenset[str]:
    known = MODEL_TYPES.get(str(model_type))
    return frozenset(known.params.model_fields) if known else frozenset()


def _replace(data: dict[str, Any], path: str, choice: Any) -> None:
    """Put the keys of a choice into a network; its id stays, and what belongs to another type of network goes."""
    *_, last = parts_of(path)
    if last == "trainer":
        if choice is None:
            data.pop("trainer", None)
            return
        data["trainer"] = _renewed(data.get("trainer") or {"id": "trainer"}, choice)
    elif isinstance(last, int) and last < len(data.get("students") or []):
        data["students"][last] = _renewed(data["students"][last], choice)


def _renewed(model: Mapping[str, Any], choice: Mapping[str, Any]) -> dict[str, Any]:
    changes_type = choice.get("model_type", model.get("model_type")) != model.get("model_type")
    kept = {name: value for name, value in model.items() if not (changes_type and name == "params")}
    return {**kept, **copy.deepcopy(dict(choice))}


def _keep_what_fits(model: Any, model_type: Any) -> None:
    params = model.get("params")
    if isinstance(params, Mapping):
        known = _params_of(model_type)
        model["params"] = {name: value for name, value in params.items() if name in known}


def _set(data: Any, path: str, value: Any) -> None:
    """Put `value` where `path` says; a mapping on the way that the spec leaves out is made."""
    *way, last = parts_of(path)
    for part in way:
        if isinstance(part, int):
            if not isinstance(data, list) or part >= len(data):
                return  # the spec has no such student: reported by name when its corners are checked
            data = data[part]
        else:
            if not isinstance(data.get(part), list | dict):
                data[part] = {}
            data = data[part]
    data[last] = copy.deepcopy(value)
