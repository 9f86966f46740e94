from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest

from ml.data.tfrecord import Example, crc32c, masked_crc32c, read_records, write_record
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


@pytest.mark.parametrize("label", [0, 1, 127, 128, 300, 2**40])
def test_an_example_is_read_back(label):
    example = Example(image=b"\x89PNG" + bytes(1000), label=label, path="katze/größe.png")
    assert Example.decode(example.encode()) == example


@pytest.mark.parametrize("record", [b"", b"\x0a", b"\xff" * 20, b"\x0a\x05ab", Example(b"", 0, "").encode()[:-3]])
def test_what_is_no_example_is_refused(record):
    with pytest.raises(RefusedError, match="not an example with 'image'"):
        Example.decode(record)


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
def test_tensorflow_reads_what_is_written_here(tensorflow, tmp_path):
    tf = tensorflow
    example = Example(image=bytes(range(256)) * 5, label=300, path="a/b.png")
    path = write(tmp_path / "a.tfrecord", example.encode(), Example(b"x", 0, "y").encode())
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    message = tf.train.Example.FromString(records[0])
    assert message.features.feature["image"].bytes_list.value == [example.image]
    assert message.features.feature["label"].int64_list.value == [300]
    assert message.features.feature["path"].bytes_list.value == [b"a/b.png"]
    assert len(records) == 2


@pytest.mark.engine
def test_what_tensorflow_writes_is_read_here(tensorflow, tmp_path):
    tf = tensorflow
    feature = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"pixels"])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[300])),
    }
    message = tf.train.Example(features=tf.train.Features(feature=feature))
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord")) as writer:
        writer.write(message.SerializeToString())
    (record,) = read_records(tmp_path / "a.tfrecord")
    assert Example.decode(record) == Example(image=b"pixels", label=300, path="")
