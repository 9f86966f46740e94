"""What in a Keras model's description would run code of its author. No TensorFlow here.

Keras looks for some of it with `safe_mode`, but not in .h5 files of Keras 2, and it imports whatever module a
description names. This is hygiene: the wall is the sandbox that the platform loads uploaded models in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_CODE = ("Lambda", "__lambda__")
# Where Keras' own classes come from; `builtins` is written for its functions.
_KNOWN_PACKAGES = ("keras", "tf_keras", "builtins")


def unsafe_part(config: Mapping[str, Any]) -> str | None:
    """The first part of a model's config that carries or imports code, in words; None if there is none."""
    for node in _objects(config):
        kind, module = node["class_name"], node.get("module")
        inner = node.get("config")
        name = node.get("name") or (inner.get("name") if isinstance(inner, Mapping) else None) or kind
        if kind in _CODE:
            return f"the layer '{name}' is a Lambda, which carries Python code"
        if isinstance(module, str) and not _is_known(module, node.get("registered_name")):
            return f"'{name}' is of the class {module}.{kind}, which is not one of Keras"
    return None


def _is_known(module: str, registered_name: object) -> bool:
    package = module.partition(".")[0]
    own = module.startswith("ml.layers.") and str(registered_name).startswith("bantam>")  # as the engine exports
    return package in _KNOWN_PACKAGES or own


def _objects(node: object) -> Iterator[Mapping[str, Any]]:
    """Everything in a config that is to become an object: a class name and its own config."""
    if isinstance(node, Mapping):
        if isinstance(node.get("class_name"), str):
            yield node
        for value in node.values():
            yield from _objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from _objects(value)
