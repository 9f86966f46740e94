"""YAML or JSON text to plain data, refusing what would be read differently from how it looks."""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Any

import yaml

from ml.spec_errors import SpecError

MAX_CHARACTERS = 1_000_000
NOUN = "training spec"


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


def read_yaml(text: str, *, noun: str = NOUN) -> object:
    """The data in YAML `text`. Raises SpecError with the line; its message calls the text `noun`."""
    _check_size(text, noun)
    try:
        return _mapping(yaml.load(text, _Loader), noun)  # noqa: S506 — a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise _refused(f"The {noun} can't be read as YAML: {error.problem}{where}") from None
    except RecursionError:
        raise _too_deep(noun) from None
    except (yaml.YAMLError, ValueError) as error:
        raise _refused(f"The {noun} can't be read as YAML: {error}") from None


def read_json(text: str, *, noun: str = NOUN) -> object:
    """The data in JSON `text`. Raises SpecError with the line; its message calls the text `noun`."""
    _check_size(text, noun)
    try:
        return _mapping(json.loads(text, object_pairs_hook=_unique), noun)
    except RecursionError:
        raise _too_deep(noun) from None
    except ValueError as error:
        raise _refused(f"The {noun} can't be read as JSON: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise ValueError(f"'{repeated[0]}' is given twice")
    return dict(pairs)


def _refused(message: str) -> SpecError:
    return SpecError(message, [{"field": "", "message": message}])


def _too_deep(noun: str) -> SpecError:
    return _refused(
        f"The {noun} can't be read: it nests too deeply. Received: hundreds of levels. Accepted: the fields of a "
        "spec, none of which needs more than six levels"
    )


def _empty(noun: str) -> SpecError:
    needed = "experiment_name, task, features and students" if noun == NOUN else "task and features"
    return _refused(f"The {noun} is empty. Needed: a mapping of fields, among them {needed}")


def _check_size(text: str, noun: str) -> None:
    if not text.strip():
        raise _empty(noun)
    if len(text) > MAX_CHARACTERS:
        raise _refused(f"The {noun} is too long. Received: {len(text)} characters. Accepted: {MAX_CHARACTERS}")


def _mapping(data: object, noun: str) -> object:
    if data is None:  # nothing but comments, or null
        raise _empty(noun)
    if not isinstance(data, dict):
        raise _refused(f"The {noun} must be a mapping of fields. Received: {type(data).__name__}")
    return data
