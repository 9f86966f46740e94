"""What a .tflite file says about itself: the `bantam` metadata entry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from device_client._exceptions import ModelLoadError

NAME = b"bantam"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class InputMetadata:
    """What the file says of one input.

    Attributes:
        type: image, text, sensor, audio, video or vector; "" where it is not said.
        shape: without the batch dimension, for example (8, 8, 1), or None.
        sample_rate: samples a second of audio, or None.
    """

    type: str = ""
    shape: tuple[int, ...] | None = None
    sample_rate: int | None = None


@dataclass(frozen=True)
class ModelMetadata:
    """The parts that this client uses.

    Attributes:
        task: for example "classification", or None.
        labels: in the order of the output, or None.
        inputs: by name, in the order of the model's features.
    """

    task: str | None = None
    labels: tuple[str, ...] | None = None
    inputs: Mapping[str, InputMetadata] = field(default_factory=dict)


def read_metadata(content: bytes) -> ModelMetadata:
    """Read the entry from a model's bytes; an empty ModelMetadata when it has none.

    Raises:
        ModelLoadError: the bytes are no .tflite, or the entry is not what version 1 of it says.
    """
    if len(content) < 8 or content[4:8] != b"TFL3":
        raise ModelLoadError(f"the file is no .tflite: it has {len(content)} bytes and no TFL3 mark at byte 4")
    try:
        raw = _entry(content)
    except Exception as error:  # a damaged flatbuffer fails in many ways: struct.error, IndexError, AttributeError …
        raise ModelLoadError(f"the .tflite can't be read: {error}") from error
    if raw is None:
        return ModelMetadata()
    try:
        return _parsed(json.loads(raw))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelLoadError(f"the metadata entry `bantam` of the .tflite can't be read: {error!r}") from error


def _entry(content: bytes) -> bytes | None:
    model = schema.Model.GetRootAs(content, 0)
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == NAME:
            data = model.Buffers(entry.Buffer()).DataAsNumpy()
            return bytes(data) if not isinstance(data, int) else None
    return None


def _parsed(entry: dict[str, Any]) -> ModelMetadata:
    if entry["version"] != FORMAT_VERSION:
        raise ValueError(f"version {entry['version']!r}; this client reads version {FORMAT_VERSION}")
    labels = entry.get("labels")
    if labels is not None and not (isinstance(labels, list) and all(isinstance(label, str) for label in labels)):
        raise ValueError(f"labels {labels!r}; a list of text is accepted")
    return ModelMetadata(
        task=entry.get("task"),
        labels=tuple(labels) if labels is not None else None,
        inputs={str(item["name"]): _input(item) for item in entry.get("inputs") or []},
    )


def _input(item: dict[str, Any]) -> InputMetadata:
    shape, rate = item.get("shape"), item.get("sample_rate")
    return InputMetadata(
        type=str(item.get("type") or ""),
        shape=None if shape is None else tuple(int(size) for size in shape),
        sample_rate=None if rate is None else int(rate),
    )
