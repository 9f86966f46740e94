from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from ml.data.examples import Example
from ml.data.tfrecord import write_record
from ml.features.raw import raw_values
from ml.features.spec import FeatureSpec
from tests.ml.conftest import png
from tests.ml.data.importing import by_path, examples, imported, refusal_of, write_files

VECTOR = {"features": [{"name": "values", "type": "vector"}]}


def write(path: Path, records: Iterable[Example | bytes], *, label: str = "label") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for record in records:
            write_record(file, record if isinstance(record, bytes) else record.encode(label=label))
    return path


def vectors(count: int, start: int = 0) -> list[Example]:
    return [
        Example(features={"values": [float(start + index), 1.0]}, label=[index % 3], path="") for index in range(count)
    ]


def test_a_file_of_records_is_split_by_seed(tmp_path):
    result = imported(tmp_path, write(tmp_path / "all.tfrecord", vectors(30)), VECTOR)
    assert (result["classes"], result["splits"]) == (["0", "1", "2"], {"train": 21, "validation": 3, "test": 6})
    example = by_path(tmp_path / "out")["all.tfrecord:5"]
    assert (example.features["values"], example.label) == ([4.0, 1.0], [1])


def test_names_of_files_say_the_split(tmp_path, make_zip):
    files = {"train-00000-of-00002.tfrecord": 6, "train-00001-of-00002.tfrecord": 6, "val.tfrecord": 3}
    files |= {"test.tfrecord-00000-of-00001": 4}
    folder = tmp_path / "source"
    for number, (name, count) in enumerate(files.items()):
        write(folder / name, vectors(count, start=100 * number))
    zipped = make_zip({f"set/{name}": (folder / name).read_bytes() for name in files})
    for number, source in enumerate([folder, zipped]):
        result = imported(tmp_path / str(number), source, {**VECTOR, "classes": ["red", "green", "blue"]})
        assert result["splits"] == {"train": 12, "validation": 3, "test": 4}
        assert result["classes"] == ["red", "green", "blue"]
        found = examples(tmp_path / str(number) / "out")
        assert {one.features["values"][0] for one in found["validation"]} == {200.0, 201.0, 202.0}


def test_a_dataset_of_an_import_is_imported_without_a_spec(tmp_path, make_zip):
    rows = [f"text {index},{'yes' if index % 2 else 'no'}" for index in range(20)] + ["unknown,"]
    table = write_files(tmp_path / "source", {"t.csv": "\n".join(["text,label", *rows])})
    first = imported(tmp_path / "first", table)
    again = imported(tmp_path / "again", tmp_path / "first" / "out")
    same = ("task", "features", "classes", "num_examples", "splits", "class_counts")
    assert {name: again[name] for name in same} == {name: first[name] for name in same}
    assert by_path(tmp_path / "again" / "out") == by_path(tmp_path / "first" / "out")


def test_pictures_and_sounds_may_be_raw(tmp_path):
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 4)
    samples = np.arange(400, dtype="<i2")
    records = [
        Example(features={"picture": pixels.tobytes(), "sound": samples.tobytes()}, label=[0], path="raw"),
        Example(features={"picture": png(pixels), "sound": samples.tobytes()}, label=[1], path="png"),
    ]
    spec = {
        "features": [
            {"name": "image", "shape": [4, 4, 1], "columns": ["picture"]},
            {"name": "sound", "type": "audio", "sample_rate": 8000},
        ],
    }
    imported(tmp_path, write(tmp_path / "a.tfrecord", records), spec, validation=0, test=0)
    found = by_path(tmp_path / "out")
    sound = FeatureSpec(name="sound", type="audio", shape=(400,), sample_rate=8000)
    for path in ("raw", "png"):
        image = raw_values(found[path].features["image"], FeatureSpec(shape=(4, 4, 1)))
        assert image[:, :, 0].tolist() == pixels.tolist()
        assert raw_values(found[path].features["sound"], sound).tolist() == samples.tolist()


@pytest.mark.parametrize(
    ("task", "label", "expected"),
    [
        ({"type": "multi_label", "num_classes": 4}, [2, 0], [0, 2]),
        ({"type": "regression"}, [0.5, 2.0], [0.5, 2.0]),
        ({"type": "sequence", "num_classes": 4}, [3, 1], [3, 1]),
    ],
)
def test_labels_of_each_task(tmp_path, task, label, expected):
    records = [Example(features={"words": [b"a", b"b"]}, label=label, path=str(index)) for index in range(3)]
    spec = {"features": [{"name": "words", "type": "text", "shape": [2, 4]}], "task": {**task, "label": "y"}}
    result = imported(tmp_path, write(tmp_path / "a.tfrecord", records, label="y"), spec, validation=0, test=0)
    assert by_path(tmp_path / "out")["0"].label == expected
    assert result["task"]["label"] == "y"


def test_records_without_a_label_become_unlabelled(tmp_path):
    records = [*vectors(12), Example(features={"values": [0.5, 0.5]}, label=None, path="")]
    assert imported(tmp_path, write(tmp_path / "a.tfrecord", records), VECTOR)["splits"]["unlabelled"] == 1


@pytest.mark.parametrize(
    ("records", "spec", "code", "part"),
    [
        ([*vectors(3), b"\xff"], VECTOR, "broken_record", "a.tfrecord:4"),
        (
            vectors(3),
            {"features": [{"name": "x", "type": "vector"}]},
            "missing_value",
            "a.tfrecord:1 (label, path, values)",
        ),
        (vectors(3), {"features": [{"name": "values", "type": "text"}]}, "invalid_field", "numbers in 'values'"),
        (
            [Example(features={"values": [b"a", b"b"]}, label=[0], path="")],
            {"features": [{"name": "values", "type": "text"}]},
            "invalid_field",
            "2 values in 'values'",
        ),
        (
            [Example(features={"values": b"\xff"}, label=[0], path="")],
            {"features": [{"name": "values", "type": "text"}]},
            "invalid_utf8",
            "a.tfrecord:1, values",
        ),
        ([Example(features={"values": b"a"}, label=[0], path="")], VECTOR, "not_a_number", "a.tfrecord:1, values"),
        ([Example(features={"values": [float("nan")]}, label=[0], path="")], VECTOR, "bad_values", "nan in value 1"),
        (vectors(3), {**VECTOR, "classes": ["a", "b"]}, "unknown_class", "a.tfrecord:3, label (2)"),
        (vectors(3), None, "spec_needed", "no dataset.json beside it"),
        ([], VECTOR, "empty_table", "There are no records"),
    ],
)
def test_records_that_can_not_be_used_are_refused_by_place(tmp_path, records, spec, code, part):
    error = refusal_of(tmp_path, write(tmp_path / "source" / "a.tfrecord", records), spec)
    assert error.code == code
    assert part in error.message


def test_a_damaged_file_is_refused(tmp_path):
    path = write(tmp_path / "a.tfrecord", vectors(3))
    path.write_bytes(path.read_bytes()[:-1])
    assert refusal_of(tmp_path, path, VECTOR).code == "broken_tfrecord"


def test_a_file_of_no_split_among_splits_is_refused(tmp_path):
    for name in ("train", "test", "more"):
        write(tmp_path / "source" / f"{name}.tfrecord", vectors(3))
    error = refusal_of(tmp_path, tmp_path / "source", VECTOR)
    assert (error.code, "Received: more.tfrecord" in error.message) == ("invalid_split", True)
