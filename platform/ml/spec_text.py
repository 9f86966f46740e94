"""YAML or JSON text to plain data, refusing what would be read differently from how it looks."""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Any

import yaml

from ml.spec_errors import SpecError

MAX_CHARACTERS = 1_000_000


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice, of which plain YAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is not None and key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"'{key}' is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(text: str) -> object:
    """The data in YAML `text`. Raises SpecError with the line."""
    _check_size(text)
    try:
        return _mapping(yaml.load(text, _Loader))  # noqa: S506 — a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        message = f"The training spec can't be read as YAML: {error.problem}{where}"
        raise SpecError(message, [{"field": "", "message": message}]) from None
    except RecursionError:
        raise _too_deep() from None
    except (yaml.YAMLError, ValueError) as error:
        message = f"The training spec can't be read as YAML: {error}"
        raise SpecError(message, [{"field": "", "message": message}]) from None


def read_json(text: str) -> object:
    """The data in JSON `text`. Raises SpecError with the line."""
    _check_size(text)
    try:
        return _mapping(json.loads(text, object_pairs_hook=_unique))
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        message = f"The training spec can't be read as JSON: {error}"
        raise SpecError(message, [{"field": "", "message": message}]) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise ValueError(f"'{repeated[0]}' is given twice")
    return dict(pairs)


def _too_deep() -> SpecError:
    message = (
        "The training spec can't be read: it nests too deeply. Received: hundreds of levels. Accepted: the fields of a "
        "spec, none of which needs more than six levels"
    )
    return SpecError(message, [{"field": "", "message": message}])


def _empty() -> SpecError:
    message = (
        "The training spec is empty. Needed: a mapping of fields, among them experiment_name, task, features and "
        "students"
    )
    return SpecError(message, [{"field": "", "message": message}])


def _check_size(text: str) -> None:
    if not text.strip():
        raise _empty()
    if len(text) > MAX_CHARACTERS:
        message = f"The training spec is too long. Received: {len(text)} characters. Accepted: {MAX_CHARACTERS}"
        raise SpecError(message, [{"field": "", "message": message}])


def _mapping(data: object) -> object:
    if data is None:  # nothing but comments, or null
        raise _empty()
    if not isinstance(data, dict):
        message = f"The training spec must be a mapping of fields. Received: {type(data).__name__}"
        raise SpecError(message, [{"field": "", "message": message}])
    return data
