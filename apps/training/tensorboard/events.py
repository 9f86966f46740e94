"""Scalars as TensorBoard reads them: what a job has measured, for runs whose own event files are not in the storage.

A web process has no TensorFlow, so the few fields of its protocol buffers are written by hand: tensorflow/core/util/
event.proto and framework/summary.proto, in the records of tensorflow/core/lib/io/record_writer.h.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping

LAST_STEP = 2**63 - 1
_POLYNOMIAL = 0x82F63B78  # Castagnoli, reflected


def _table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _table()


def first_event(time: float) -> bytes:
    """Each event file begins with it. `time` here and below is seconds since 1970."""
    return _record(_time(time) + _text(3, b"brain.Event:2"))


def scalars_event(step: int, time: float, values: Mapping[str, float]) -> bytes:
    """Shown under Scalars, by tag. `step` is from 0 to LAST_STEP."""
    summary = b"".join(_text(1, _text(1, tag.encode()) + b"\x15" + _float(value)) for tag, value in values.items())
    return _record(_time(time) + b"\x10" + _varint(step) + _text(5, summary))


def restart_event(step: int, time: float) -> bytes:
    """What was recorded of `step` and later counts no more: it is measured again."""
    return _record(_time(time) + b"\x10" + _varint(step) + _text(7, b"\x08\x01"))


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _record(event: bytes) -> bytes:
    length = struct.pack("<Q", len(event))
    return length + _masked(length) + event + _masked(event)


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _time(seconds: float) -> bytes:
    return b"\x09" + struct.pack("<d", seconds)


def _float(value: float) -> bytes:
    try:
        return struct.pack("<f", float(value))  # PostgreSQL gives whole numbers back as int
    except OverflowError:  # it has more than the 32 bits that there are for it
        return struct.pack("<f", math.inf if value > 0 else -math.inf)


def _text(field: int, content: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
