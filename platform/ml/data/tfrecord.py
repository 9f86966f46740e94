"""TFRecord files, read and written without TensorFlow, whose import costs seconds.

Format: for each record its length (uint64), the masked CRC of the length, the bytes, the masked CRC of the bytes, all
little-endian (tensorflow/core/lib/io/record_writer.h). The CRC is CRC-32C (Castagnoli).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ml.refusal import RefusedError

RECORD_HEADER = 12  # bytes of a file before each record
RECORD_OVERHEAD = 16  # and before and after it together
# Below this many bytes, a loop over them is faster than arrays.
_SHORT = 256
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
_TABLE: list[int] = _POSITIONS[-1].tolist()


def crc32c(data: bytes) -> int:
    """CRC-32C of `data`. Whole blocks at a time, since the CRC is linear: about 80 MB/s on one core."""
    if len(data) < _SHORT:
        state, table = 0xFFFFFFFF, _TABLE
        for byte in data:
            state = (state >> 8) ^ table[(state ^ byte) & 0xFF]
        return state ^ 0xFFFFFFFF
    # Zero-state bytes in front change nothing; the initial value goes into the first four real bytes.
    padding = -len(data) % _BLOCK
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
        while header := file.read(RECORD_HEADER):
            offset = file.tell() - len(header)
            if len(header) == RECORD_HEADER and masked_crc32c(header[:8]) == struct.unpack("<I", header[8:])[0]:
                (length,) = struct.unpack("<Q", header[:8])
                record, footer = file.read(length), file.read(4)
                if len(record) == length and footer == struct.pack("<I", masked_crc32c(record)):
                    yield record
                    continue
            raise RefusedError(
                "broken_tfrecord", f"{path.name} is damaged: the record at byte {offset} is cut off or was changed."
            )
