"""One example as a serialized tf.train.Example, read and written without TensorFlow, whose import costs seconds."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ml.features import FeatureSpec
from ml.features.stored import Stored
from ml.refusal import RefusedError
from ml.tasks import TaskSpec

__all__ = ["Example", "Stored", "Values", "decode_fields"]

Values = list[bytes] | list[int] | list[float]
_SHORT_VARINTS = [bytes([value]) for value in range(0x80)]


@dataclass(frozen=True)
class Example:
    """`features` as they are stored; `label`: the index of a class, of several, or of one for each step, or numbers.

    `label` is None without a label. `path` says where the example came from: "cat/1.png", "table.csv:12".
    """

    features: Mapping[str, Stored]
    label: list[int] | list[float] | None
    path: str

    def encode(self, *, label: str) -> bytes:
        """The serialized tf.train.Example, fields in alphabetical order; the label under the name `label`."""
        fields = {name: _feature(stored) for name, stored in self.features.items()}
        fields["path"] = _feature(self.path.encode())
        if self.label is not None:
            fields[label] = _label_feature(self.label)
        entries = (_field(1, _field(1, name.encode()) + _field(2, fields[name])) for name in sorted(fields))
        return _field(1, b"".join(entries))

    @classmethod
    def decode(cls, record: bytes, *, task: TaskSpec, features: Sequence[FeatureSpec]) -> Example:
        """Reads `encode`'s form and that of TensorFlow. Raises RefusedError `broken_example` if a field is missing."""
        try:
            values = decode_fields(record)
            stored: dict[str, Stored] = {}
            for feature in features:
                stored[feature.name] = _stored(values[feature.name], feature)
            label = values.get(task.label)
            return cls(features=stored, label=_label(label, task), path=_path(values.get("path")))
        except (KeyError, IndexError, TypeError, ValueError, struct.error) as error:
            listed = ", ".join(f"'{feature.name}' ({feature.type})" for feature in features)
            raise RefusedError(
                "broken_example",
                f"A record is not an example with {listed} and '{task.label}' ({task.type}): {error!r}. "
                f"Received: {len(record)} bytes.",
            ) from None


def decode_fields(record: bytes) -> dict[str, Values]:
    """The fields of a serialized tf.train.Example by name. Raises ValueError, TypeError or struct.error for damage."""
    values: dict[str, Values] = {}
    for _, features in _fields(record):
        for _, entry in _fields(_bytes(features)):
            parts = dict(_fields(_bytes(entry)))
            values[_bytes(parts[1]).decode()] = _values(_bytes(parts[2])) if parts.get(2) else []
    return values


def _stored(values: Values, feature: FeatureSpec) -> Stored:
    if feature.type in ("sensor", "vector"):
        return _numbers(values)
    found = [value for value in values if isinstance(value, bytes)]
    if len(found) != len(values):
        raise TypeError(f"'{feature.name}' holds numbers where bytes are stored")
    return found if feature.type == "video" or feature.is_tokens else found[0]


def _label(values: Values | None, task: TaskSpec) -> list[int] | list[float] | None:
    if values is None:
        return None
    if task.type == "regression":
        return _numbers(values)
    found = [value for value in values if isinstance(value, int)]
    if len(found) != len(values):
        raise TypeError(f"'{task.label}' holds something else than whole numbers")
    return found


def _numbers(values: Values) -> list[float]:
    found = [float(value) for value in values if not isinstance(value, bytes)]
    if len(found) != len(values):
        raise TypeError("bytes where numbers are stored")
    return found


def _path(values: Values | None) -> str:
    return values[0].decode() if values and isinstance(values[0], bytes) else ""


def _feature(stored: Stored) -> bytes:
    """A tf.train.Feature: bytes_list (1) or float_list (2)."""
    if isinstance(stored, bytes):
        return _field(1, _field(1, stored))
    if stored and not isinstance(stored[0], bytes):
        return _field(2, _field(1, np.asarray(stored, "<f4").tobytes()))
    return _field(1, b"".join(_field(1, item) for item in stored if isinstance(item, bytes)))


def _label_feature(label: list[int] | list[float]) -> bytes:
    """A tf.train.Feature: int64_list (3) for classes, also for none of several, or float_list (2)."""
    if label and isinstance(label[0], float):
        return _field(2, _field(1, np.asarray(label, "<f4").tobytes()))
    return _field(3, _field(1, b"".join(_varint(int(index)) for index in label)))


def _varint(value: int) -> bytes:
    if 0 <= value < 0x80:
        return _SHORT_VARINTS[value]
    value &= 2**64 - 1  # negative numbers are stored as two's complement
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return bytes([number << 3 | 2]) + _varint(len(payload)) + payload


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a protobuf message: number and payload, an integer for a varint."""
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        match key & 7:
            case 0:
                value, position = _read_varint(message, position)
                yield key >> 3, value
                continue
            case 2:
                length, position = _read_varint(message, position)
            case 5:
                length = 4
            case kind:
                raise ValueError(f"wire type {kind}")
        if position + length > len(message):
            raise ValueError("field reaches past the message")
        yield key >> 3, message[position : position + length]
        position += length


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("varint too long")


def _bytes(payload: bytes | int) -> bytes:
    if isinstance(payload, int):
        raise TypeError("bytes expected")
    return payload


def _values(feature: bytes) -> Values:
    """All elements of a tf.train.Feature, packed or not."""
    kind, content = next(_fields(feature))
    items = [item for _, item in _fields(_bytes(content))]
    if kind == 1:
        return [_bytes(item) for item in items]
    if kind == 2:
        return [float(value) for value in np.frombuffer(b"".join(_bytes(item) for item in items), "<f4")]
    integers: list[int] = []
    for item in items:
        if isinstance(item, int):
            integers.append(item)
            continue
        position = 0
        while position < len(item):
            value, position = _read_varint(item, position)
            integers.append(value)
    return [value - 2**64 if value >= 2**63 else value for value in integers]
