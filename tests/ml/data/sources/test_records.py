from __future__ import annotations

from contextlib import closing

import pytest

from ml.data.examples import Example
from ml.data.sources.records import CsvFile, JsonLinesFile, RecordFile, RecordFiles, TfRecordFile
from ml.data.tfrecord import write_record
from ml.features.reader import UnfitValueError
from ml.refusal import RefusedError


def written(tmp_path, content: bytes, kind=CsvFile, name: str = "table"):
    path = tmp_path / name
    path.write_bytes(content)
    return kind(path, name)


def codes(file: RecordFile) -> list:
    """The records, or the codes of those that can't be read."""
    return [record.code if isinstance(record, UnfitValueError) else record for record in file.scan()]


CSV = '﻿name, text\nfirst,größe\n\n"sec ""ond""","two\nlines"\r\nlast,"a,b"'.encode()


def test_csv_rows_are_read_in_order_and_again_by_number(tmp_path):
    file = written(tmp_path, CSV)
    assert file.columns == ["name", "text"]
    rows = [["first", "größe"], ['sec "ond"', "two\nlines"], ["last", "a,b"]]
    assert codes(file) == rows
    assert [file.fetch(number) for number in (2, 0, 1)] == [rows[2], rows[0], rows[1]]
    assert [file.where(number) for number in range(3)] == ["table:2", "table:4", "table:6"]
    assert file.position == file.size
    file.close()


def test_csv_goes_on_after_a_row_that_can_not_be_read(tmp_path):
    file = written(tmp_path, b"a,b\n1,2\n\xff,3\n4\n5,6,7\n8,9")
    assert codes(file) == [["1", "2"], "invalid_utf8", "ragged_row", "ragged_row", ["8", "9"]]
    assert file.fetch(4) == ["8", "9"]
    assert file.where(4) == "table:6"
    file.close()


@pytest.mark.parametrize(
    ("content", "code", "part"),
    [
        (b"", "empty_table", "is empty"),
        (b"\n1,2\n", "empty_table", "is empty"),
        (b"a,b,a\n", "duplicate_column", "Received: a"),
        (b"\xff\n", "broken_table", "the header is not UTF-8"),
        (b'a,b\n1,2\n"3"4,5\n', "broken_table", "in line 3"),
        (b'a,b\n1,"2\n3,4\n', "broken_table", "unexpected end of data"),
        (b"a,b\r1,2\r", "broken_table", "new-line character"),
    ],
)
def test_what_is_no_csv_is_refused(tmp_path, content, code, part):
    with pytest.raises(RefusedError, match=part) as caught, closing(written(tmp_path, content)) as file:
        list(file.scan())
    assert caught.value.code == code


def test_json_lines_are_read_in_order_and_again_by_number(tmp_path):
    content = '﻿{"a": "größe"}\n\n{"a": NaN, "b": [1]}\r\nno json\n[1]\n{"a": "\\ud800"}\n'.encode() + b'\xff\n{"a": 2}'
    file = written(tmp_path, content, JsonLinesFile)
    assert file.first() == {"a": "größe"}
    found = codes(file)
    assert found[0] == {"a": "größe"}
    assert found[1]["b"] == [1]
    assert found[2:4] == ["broken_row", "broken_row"]
    assert found[5:] == ["invalid_utf8", {"a": 2}]
    assert file.fetch(0) == {"a": "größe"}
    assert file.fetch(6) == {"a": 2}
    assert [file.where(number) for number in (0, 1, 6)] == ["table:1", "table:3", "table:8"]
    file.close()


def test_tfrecords_are_read_in_order_and_again_by_number(tmp_path):
    path = tmp_path / "a.tfrecord"
    with path.open("wb") as out:
        for name in ("x", "y"):
            write_record(out, Example(features={name: b"1"}, label=None, path=name).encode(label="label"))
        write_record(out, b"\xff\xff")
    file = TfRecordFile(path, "a.tfrecord")
    first, second = {"path": [b"x"], "x": [b"1"]}, {"path": [b"y"], "y": [b"1"]}
    assert codes(file) == [first, second, "broken_record"]
    assert (file.fetch(1), file.fetch(0)) == (second, first)
    assert file.where(1) == "a.tfrecord:2"
    file.close()


def test_several_files_are_numbered_through(tmp_path):
    files = [written(tmp_path, f"a\n{name}1\n{name}2\n".encode(), name=name) for name in ("x", "y")]
    together = RecordFiles(files)
    assert [record for _, _, record in together.scan()] == [["x1"], ["x2"], ["y1"], ["y2"]]
    file, number = together.locate(2)
    assert (file.name, number, file.fetch(number)) == ("y", 0, ["y1"])
    assert together.progress == (16, 16)
    for file in files:
        file.close()


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(RefusedError, match="No such file") as caught:
        CsvFile(tmp_path / "none.csv", "none.csv")
    assert caught.value.code == "unreadable_source"
