"""WAV files: RIFF with integer or float PCM.

Format: "Multimedia Programming Interface and Data Specifications 1.0" (IBM, Microsoft 1991), chapter 3; format 0xFFFE
(extensible) holds the actual format in the first two bytes of its GUID.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_INTEGER, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE


class BrokenWavError(Exception):
    """The bytes are not a WAV file that can be read; the message says why."""


@dataclass(frozen=True)
class Sound:
    """One channel of samples, float32 from -1 to 1; several channels of the file are averaged."""

    rate: int
    samples: npt.NDArray[np.float32]


def read_wav(data: bytes) -> Sound:
    """Reads 8-, 16-, 24- and 32-bit integers and 32- and 64-bit floats. Raises BrokenWavError."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise BrokenWavError("it is not a WAV file")
    header, content = _chunks(data)
    if len(header) < 16:
        raise BrokenWavError("its format chunk is missing or cut off")
    kind, channels, rate, _, frame, bits = struct.unpack("<HHIIHH", header[:16])
    if kind == _EXTENSIBLE and len(header) >= 26:
        kind = struct.unpack("<H", header[24:26])[0]
    if not channels or not frame or frame != channels * bits // 8 or not 100 <= rate <= 1_000_000:
        raise BrokenWavError(f"it has {channels} channels, {rate} samples a second and {frame} bytes a frame")
    if not content or len(content) % frame:
        raise BrokenWavError(f"it has {len(content)} bytes of sound in frames of {frame} bytes")
    samples = _decoded(content, kind, bits)
    if channels > 1:
        samples = samples.reshape(-1, channels).mean(axis=1, dtype=np.float64).astype(np.float32)
    return Sound(rate=rate, samples=samples)


def write_wav(pcm: bytes, rate: int) -> bytes:
    """A WAV file of one channel of 16-bit PCM."""
    header = struct.pack("<4sIHHIIHH", b"fmt ", 16, _INTEGER, 1, rate, 2 * rate, 2, 16)
    body = b"WAVE" + header + struct.pack("<4sI", b"data", len(pcm)) + pcm
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def _chunks(data: bytes) -> tuple[bytes, bytes]:
    """The contents of the chunks `fmt ` and `data`."""
    found: dict[bytes, bytes] = {}
    position = 12
    while position + 8 <= len(data):
        name, size = struct.unpack("<4sI", data[position : position + 8])
        chunk = data[position + 8 : position + 8 + size]
        # Programs that stream don't know the length in advance and write 0xFFFFFFFF or 0x7FFFFFFF there.
        if name == b"data" and len(chunk) < size < 0x7FFF0000:
            raise BrokenWavError(f"it is cut off: {len(chunk)} of {size} bytes of sound")
        found.setdefault(name, chunk)
        position += 8 + size + size % 2
    return found.get(b"fmt ", b""), found.get(b"data", b"")


def _decoded(content: bytes, kind: int, bits: int) -> npt.NDArray[np.float32]:
    match kind, bits:
        case (1, 8):
            return (np.frombuffer(content, np.uint8).astype(np.float32) - np.float32(128)) / np.float32(128)
        case (1, 16):
            return np.frombuffer(content, "<i2").astype(np.float32) / np.float32(2**15)
        case (1, 24):
            # As the upper three bytes of 32 bits, which brings the sign along.
            wide = np.zeros((len(content) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
            return (wide.view("<i4")[:, 0] / 2.0**31).astype(np.float32)
        case (1, 32):
            return (np.frombuffer(content, "<i4") / 2.0**31).astype(np.float32)
        case (3, 32):
            return np.frombuffer(content, "<f4").astype(np.float32)
        case (3, 64):
            return np.frombuffer(content, "<f8").astype(np.float32)
    raise BrokenWavError(f"its format {kind} with {bits} bits can't be read")
