"""TFRecord files of tf.train.Example, read and written without TensorFlow, whose import costs seconds.

Format: for each record its length (uint64), the masked CRC of the length, the bytes, the masked CRC of the bytes, all
little-endian (tensorflow/core/lib/io/record_writer.h). The CRC is CRC-32C (Castagnoli).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ml.refusal import RefusedError

RECORD_OVERHEAD = 16  # bytes of a file for each record, beside the record itself
_POLYNOMIAL = 0x82F63B78
_BLOCK = 256
_MASK_DELTA = 0xA282EAD8


def _byte_table() -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


def _block_tables() -> tuple[np.ndarray[tuple[int, int], np.dtype[np.uint32]], list[list[int]]]:
    """What each byte adds to the CRC from each position of a block, and how a state moves on over a whole block."""
    table = _byte_table()
    positions = np.empty((_BLOCK, 256), np.uint32)
    positions[-1] = table
    for position in range(_BLOCK - 2, -1, -1):
        later = positions[position + 1]
        positions[position] = (later >> 8) ^ table[later & 0xFF]
    # A state is XORed into the first four bytes of the next block, so these four rows advance it.
    return positions, [[int(value) for value in positions[index]] for index in range(4)]


_POSITIONS, _ADVANCE = _block_tables()
_ROWS = np.arange(_BLOCK)


def crc32c(data: bytes) -> int:
    """CRC-32C of `data`. Whole blocks at a time, since the CRC is linear: about 80 MB/s on one core."""
    # Four zero-state bytes in front change nothing; the initial value goes into the first four real bytes.
    padding = -len(data) % _BLOCK
    if len(data) < 4:
        state = 0xFFFFFFFF
        for byte in data:
            state = (state >> 8) ^ int(_POSITIONS[-1][(state ^ byte) & 0xFF])
        return state ^ 0xFFFFFFFF
    padded = np.zeros(padding + len(data), np.uint8)
    padded[padding:] = np.frombuffer(data, np.uint8)
    padded[padding : padding + 4] ^= 0xFF
    blocks = padded.reshape(-1, _BLOCK)
    state = 0
    for start in range(0, len(blocks), 256):
        chunk = blocks[start : start + 256]
        for own in np.bitwise_xor.reduce(_POSITIONS[_ROWS, chunk], axis=1).tolist():
            state = (
                own
                ^ _ADVANCE[0][state & 0xFF]
                ^ _ADVANCE[1][state >> 8 & 0xFF]
                ^ _ADVANCE[2][state >> 16 & 0xFF]
                ^ _ADVANCE[3][state >> 24]
            )
    return state ^ 0xFFFFFFFF


def masked_crc32c(data: bytes) -> int:
    """The CRC as TFRecord stores it: rotated by 15 bits and moved by a constant."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def write_record(file: BinaryIO, record: bytes) -> None:
    """Appends one record."""
    length = struct.pack("<Q", len(record))
    file.write(length + struct.pack("<I", masked_crc32c(length)))
    file.write(record + struct.pack("<I", masked_crc32c(record)))


def read_records(path: Path) -> Iterator[bytes]:
    """The records of a file, each checked. Raises RefusedError `broken_tfrecord` with the offset."""
    with path.open("rb") as file:
        while header := file.read(12):
            offset = file.tell() - len(header)
            if len(header) == 12 and masked_crc32c(header[:8]) == struct.unpack("<I", header[8:])[0]:
                (length,) = struct.unpack("<Q", header[:8])
                record, footer = file.read(length), file.read(4)
                if len(record) == length and footer == struct.pack("<I", masked_crc32c(record)):
                    yield record
                    continue
            raise RefusedError(
                "broken_tfrecord", f"{path.name} is damaged: the record at byte {offset} is cut off or was changed."
            )


@dataclass(frozen=True)
class Example:
    """One labelled image: the encoded PNG, the index of its class, and the path that it was imported from."""

    image: bytes
    label: int
    path: str

    def encode(self, *, feature: str = "image") -> bytes:
        """The serialized tf.train.Example, fields in alphabetical order."""
        fields = {
            feature: _field(1, _field(1, self.image)),
            "label": _field(3, _field(1, _varint(self.label))),
            "path": _field(1, _field(1, self.path.encode())),
        }
        entries = (_field(1, _field(1, name.encode()) + _field(2, fields[name])) for name in sorted(fields))
        return _field(1, b"".join(entries))

    @classmethod
    def decode(cls, record: bytes, *, feature: str = "image") -> Example:
        """Reads `encode`'s form and that of TensorFlow. Raises RefusedError `broken_example` if a field is missing."""
        try:
            values: dict[str, bytes | int] = {}
            for _, features in _fields(record):
                for _, entry in _fields(_bytes(features)):
                    parts = dict(_fields(_bytes(entry)))
                    values[_bytes(parts[1]).decode()] = _first_value(_bytes(parts[2]))
            image, label, path = values[feature], values["label"], values.get("path", b"")
            if isinstance(image, int) or not isinstance(label, int) or isinstance(path, int):
                raise TypeError
            return cls(image=image, label=label, path=path.decode())
        except (KeyError, IndexError, TypeError, ValueError, struct.error):
            raise RefusedError(
                "broken_example",
                f"A record is not an example with '{feature}' (bytes) and 'label' (integer). "
                f"Received: {len(record)} bytes.",
            ) from None


def _varint(value: int) -> bytes:
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
        if key & 7 == 0:
            value, position = _read_varint(message, position)
            yield key >> 3, value
        elif key & 7 == 2:
            length, position = _read_varint(message, position)
            if position + length > len(message):
                raise ValueError("field reaches past the message")
            yield key >> 3, message[position : position + length]
            position += length
        else:
            raise ValueError(f"wire type {key & 7}")


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


def _first_value(feature: bytes) -> bytes | int:
    """The first element of a tf.train.Feature: bytes_list (1), or int64_list (3), packed or not."""
    kind, values = next(_fields(feature))
    _, first = next(_fields(_bytes(values)))
    if kind == 3 and isinstance(first, bytes):
        return _read_varint(first, 0)[0]
    if kind not in (1, 3):
        raise TypeError(f"feature kind {kind}")
    return first
