from __future__ import annotations

import io
import struct
import wave

import numpy as np
import pytest

from ml.features.wav import BrokenWavError, read_wav, write_wav


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    padding = b"\0" if len(content) % 2 else b""
    return struct.pack("<4sI", name, len(content) if size is None else size) + content + padding


def wav(
    content: bytes, *, bits: int, kind: int = 1, channels: int = 1, rate: int = 8000, extra: bytes = b"", **size: int
):
    frame = channels * bits // 8
    header = struct.pack("<HHIIHH", kind, channels, rate, rate * frame, frame, bits) + extra
    body = b"WAVE" + chunk(b"fmt ", header) + chunk(b"LIST", b"odd") + chunk(b"data", content, **size)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_what_the_standard_library_writes_is_read():
    samples = np.array([0, 1, -1, 32767, -32768], "<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    sound = read_wav(out.getvalue())
    assert sound.rate == 16000
    assert (sound.samples * 2**15).tolist() == samples.tolist()


def test_what_is_written_here_is_read_by_the_standard_library():
    samples = np.array([5, -6, 7], "<i2")
    with wave.open(io.BytesIO(write_wav(samples.tobytes(), 22050))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22050)
        assert file.readframes(9) == samples.tobytes()


def as_24_bits(values: list[int]) -> bytes:
    return b"".join(struct.pack("<i", value)[:3] for value in values)


HALVES = [0.0, 0.5, -0.5, -1.0]


@pytest.mark.parametrize(
    ("content", "bits", "kind"),
    [
        (bytes([128, 192, 64, 0]), 8, 1),
        (struct.pack("<4h", 0, 2**14, -(2**14), -(2**15)), 16, 1),
        (as_24_bits([0, 2**22, -(2**22), -(2**23)]), 24, 1),
        (struct.pack("<4i", 0, 2**30, -(2**30), -(2**31)), 32, 1),
        (struct.pack("<4f", *HALVES), 32, 3),
        (struct.pack("<4d", *HALVES), 64, 3),
    ],
)
def test_every_width_gives_the_same_samples(content, bits, kind):
    assert read_wav(wav(content, bits=bits, kind=kind)).samples.tolist() == HALVES
    guid = struct.pack("<HHIH14s", 22, bits, 0, kind, b"")
    assert read_wav(wav(content, bits=bits, kind=0xFFFE, extra=guid)).samples.tolist() == HALVES


def test_channels_are_averaged():
    stereo = struct.pack("<4h", 100, 300, -50, -150)
    assert (read_wav(wav(stereo, bits=16, channels=2)).samples * 2**15).tolist() == [200, -100]


def test_a_stream_of_unknown_length_is_read_to_its_end():
    assert len(read_wav(wav(bytes(20), bits=16, size=0xFFFFFFFF)).samples) == 10


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a WAV"),
        (b"RIFF\0\0\0\0AVI ", "not a WAV"),
        (b"RIFF\0\0\0\0WAVE", "format chunk is missing"),
        (wav(b"", bits=16), "0 bytes of sound"),
        (wav(bytes(3), bits=16), "3 bytes of sound in frames of 2"),
        (wav(bytes(20), bits=16, size=40), "cut off: 20 of 40"),
        (wav(bytes(20), bits=4), "0 bytes a frame"),
        (wav(bytes(20), bits=16, channels=0), "0 channels"),
        (wav(bytes(20), bits=16, rate=0), "0 samples a second"),
        (wav(bytes(20), bits=16, kind=7), "format 7"),
    ],
)
def test_what_can_not_be_read_is_told(data, reason):
    with pytest.raises(BrokenWavError, match=reason):
        read_wav(data)
