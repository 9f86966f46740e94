from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest

from ml.data.tfrecord import crc32c, masked_crc32c, read_records, write_record
from ml.refusal import RefusedError


def slow_crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x82F63B78 if crc & 1 else crc >> 1
    return crc ^ 0xFFFFFFFF


def write(path: Path, *records: bytes) -> Path:
    with path.open("wb") as file:
        for record in records:
            write_record(file, record)
    return path


def test_crc32c_of_the_standard_check_value():
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 255, 256, 257, 511, 512, 70_000])
def test_crc32c_equals_the_bitwise_definition(length):
    data = bytes((index * 37 + 11) % 256 for index in range(length))
    assert crc32c(data) == slow_crc32c(data)


def test_records_are_read_back(tmp_path):
    records = [b"", b"one", bytes(5000)]
    assert list(read_records(write(tmp_path / "a.tfrecord", *records))) == records


@pytest.mark.parametrize("change", ["length", "content", "cut", "cut in the header"])
def test_a_damaged_file_is_refused_with_the_place(tmp_path, change):
    path = write(tmp_path / "a.tfrecord", b"first", b"second")
    content = bytearray(path.read_bytes())
    second = 12 + 5 + 4
    if change == "length":
        content[second] ^= 1
    elif change == "content":
        content[second + 13] ^= 1
    elif change == "cut":
        del content[-2:]
    else:
        del content[second + 6 :]
    path.write_bytes(content)
    with pytest.raises(RefusedError, match=f"byte {second} ") as caught:
        list(read_records(path))
    assert caught.value.code == "broken_tfrecord"


def test_the_mask_is_that_of_the_format():
    out = io.BytesIO()
    write_record(out, b"abc")
    crc = slow_crc32c(b"abc")
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert masked_crc32c(b"abc") == masked
    assert out.getvalue()[-4:] == struct.pack("<I", masked)


@pytest.mark.engine
def test_tensorflow_reads_what_is_written_here_and_the_other_way_round(tensorflow, tmp_path):
    records = [b"", b"one", bytes(range(256)) * 5]
    own = write(tmp_path / "own.tfrecord", *records)
    assert [record.numpy() for record in tensorflow.data.TFRecordDataset(str(own))] == records
    with tensorflow.io.TFRecordWriter(str(tmp_path / "other.tfrecord")) as writer:
        for record in records:
            writer.write(record)
    assert list(read_records(tmp_path / "other.tfrecord")) == records
    assert (tmp_path / "other.tfrecord").read_bytes() == own.read_bytes()
