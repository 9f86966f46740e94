from __future__ import annotations

import json

import numpy as np
import pytest

from ml.data.dataset import DatasetInfo
from ml.features import FeatureSpec
from ml.features.raw import raw_values
from ml.features.wav import write_wav
from tests.ml.conftest import png
from tests.ml.data.importing import by_path, examples, imported, refusal_of, write_files

TEXT = {"features": [{"name": "text", "type": "text"}]}
VECTOR = {
    "features": [{"name": "values", "type": "vector", "columns": ["a", "b"]}],
    "task": {"type": "regression", "columns": ["y"]},
}


def csv(*rows: str, header: str = "text,label") -> str:
    return "\n".join([header, *rows]) + "\n"


def some(count: int = 12) -> list[str]:
    return [f"text number {index},{'odd' if index % 2 else 'even'}" for index in range(count)]


@pytest.fixture
def table(tmp_path):
    """`table(content, name)` → a single file with this content."""

    def write(content: str | bytes, name: str = "table.csv"):
        return write_files(tmp_path / "source", {name: content}) / name

    return write


def test_text_and_label_need_no_spec(tmp_path, table):
    result = imported(tmp_path, table(csv(*some(), '"commas, and ""quotes""",odd', "größe,even")))
    assert (result["task"]["type"], result["classes"]) == ("classification", ["even", "odd"])
    assert [(one["name"], one["type"], one["shape"]) for one in result["features"]] == [("text", "text", [128])]
    assert result["splits"] == {"train": 10, "validation": 2, "test": 2}
    assert {split: sum(counts.values()) for split, counts in result["class_counts"].items()} == result["splits"]
    found = by_path(tmp_path / "out")
    assert found["table.csv:14"].features["text"] == b'commas, and "quotes"'
    assert (found["table.csv:15"].features["text"], found["table.csv:15"].label) == ("größe".encode(), [0])
    assert result["samples"] == []


def test_the_index_names_row_label_and_split(tmp_path, table):
    imported(tmp_path, table(csv(*some())))
    index = [json.loads(line) for line in (tmp_path / "out" / "index.jsonl").read_text().splitlines()]
    for split, found in examples(tmp_path / "out").items():
        assert [entry["path"] for entry in index if entry["split"] == split] == [one.path for one in found]
    assert {entry["label"] for entry in index} == {"even", "odd"}


def test_jsonl_gives_the_same_dataset_as_csv(tmp_path, table):
    rows = [row.split(",") for row in some()]
    lines = "\n".join(json.dumps({"text": text, "label": label}) for text, label in rows)
    first = imported(tmp_path / "a", table(csv(*some()), "x.csv"))
    second = imported(tmp_path / "b", table(lines, "x.jsonl"))
    assert [one["shape"] for one in first["features"]] == [one["shape"] for one in second["features"]]
    texts = [
        {(one.features["text"], one.label[0]) for found in examples(tmp_path / name / "out").values() for one in found}
        for name in "ab"
    ]
    assert texts[0] == texts[1]


def test_examples_are_written_in_an_order_by_seed(tmp_path, table):
    path = table(csv(*(f"t{index:03},{'a' if index < 50 else 'b'}" for index in range(100))))
    first = imported(tmp_path / "a", path)
    labels = [example.label[0] for example in examples(tmp_path / "a" / "out")["train"]]
    assert 20 < sum(labels[:35]) + sum(1 - label for label in labels[35:]) < 50  # neither sorted nor turned
    assert imported(tmp_path / "b", path)["sha256"] == first["sha256"]
    assert imported(tmp_path / "c", path, seed=8)["sha256"] != first["sha256"]


def test_copies_stay_in_one_split(tmp_path, table):
    result = imported(tmp_path, table(csv(*some(30), *["same,odd"] * 10)))
    assert result["warnings"] == [
        "9 rows are exact copies of others, for example table.csv:33 of table.csv:32; "
        "copies within a class were kept in the same split"
    ]
    splits = [
        name for name, found in examples(tmp_path / "out").items() if any(e.features["text"] == b"same" for e in found)
    ]
    assert len(splits) == 1


def test_rows_without_a_label_become_unlabelled(tmp_path, table):
    result = imported(tmp_path, table(csv(*some(), "no label,", "none either,  ")))
    assert result["splits"]["unlabelled"] == 2
    assert "unlabelled" not in result["class_counts"]
    assert "unlabelled.tfrecord" in [file["path"] for file in result["files"]]
    assert [example.label for example in examples(tmp_path / "out")["unlabelled"]] == [None, None]
    assert DatasetInfo.read(tmp_path / "out").num_examples == 14


def test_a_column_says_the_split(tmp_path, table):
    rows = [f"a{index},{'x' if index % 2 else 'y'},train" for index in range(6)]
    content = csv(*rows, "b,x,val", "c,y,Test", "d,x,unlabelled", "e,,test", header="text,label,split")
    result = imported(tmp_path, table(content))
    assert result["splits"] == {"train": 6, "validation": 1, "test": 1, "unlabelled": 2}
    found = examples(tmp_path / "out")
    assert [example.features["text"] for example in found["test"]] == [b"c"]
    assert {example.features["text"] for example in found["unlabelled"]} == {b"d", b"e"}
    assert result["warnings"] == ["1 rows of the validation and test splits have no label and became unlabelled"]


def test_splits_that_are_not_there_are_taken_from_train(tmp_path, table):
    rows = [f"a{index},{'x' if index % 2 else 'y'},train" for index in range(20)]
    path = table(csv(*rows, "a1,x,test", header="text,label,part"))
    result = imported(tmp_path / "a", path, {**TEXT, "split": "part"})
    assert result["splits"] == {"train": 18, "validation": 2, "test": 1}
    assert "the source has no validation split: 2 of 20 training rows became it" in result["warnings"]
    assert any("exact copies of training rows" in warning for warning in result["warnings"])
    assert imported(tmp_path / "b", path, {**TEXT, "split": "part"}, validation=0)["splits"]["validation"] == 0


def test_tables_named_after_splits_are_one_dataset(tmp_path, make_zip):
    files = {"train.csv": csv(*some(12)), "dev.csv": csv("other,odd"), "test.csv": csv("a,even", "b,odd")}
    files |= {"unlabelled.csv": "text\nnothing known\n"}
    for number, source in enumerate([write_files(tmp_path / "folder", files), make_zip(files)]):
        result = imported(tmp_path / str(number), source)
        assert result["splits"] == {"train": 12, "validation": 1, "test": 2, "unlabelled": 1}


def test_columns_become_vectors_and_numbers(tmp_path, table):
    path = table(csv(*(f"{index},{index / 2},{index * 10}" for index in range(20)), header="a,b,y"))
    result = imported(tmp_path, path, VECTOR)
    assert (result["task"]["num_values"], result["classes"], result["features"][0]["shape"]) == (1, [], [2])
    assert result["splits"] == {"train": 14, "validation": 2, "test": 4}
    example = by_path(tmp_path / "out")["table.csv:9"]
    assert (example.features["values"], example.label) == ([7.0, 3.5], [70.0])
    index = [json.loads(line) for line in (tmp_path / "out" / "index.jsonl").read_text().splitlines()]
    assert {entry["path"]: entry["label"] for entry in index}["table.csv:9"] == [70.0]


def test_several_numbers_and_several_labels(tmp_path, table):
    lines = [
        json.dumps({"v": [index, 1], "w": [index, -index], "tags": ["a", "b"][: index % 3]}) for index in range(12)
    ]
    path = table("\n".join(lines), "rows.jsonl")
    features = [{"name": "v", "type": "vector"}]
    result = imported(tmp_path / "w", path, {"features": features, "task": {"type": "regression", "label": "w"}})
    assert result["task"]["num_values"] == 2
    assert by_path(tmp_path / "w" / "out")["rows.jsonl:3"].label == [2.0, -2.0]
    result = imported(tmp_path / "t", path, {"features": features, "task": {"type": "multi_label", "label": "tags"}})
    assert result["classes"] == ["a", "b"]
    found = by_path(tmp_path / "t" / "out")
    assert [found[f"rows.jsonl:{line}"].label for line in (1, 2, 3)] == [[], [0], [0, 1]]
    assert result["splits"] == {"train": 9, "validation": 1, "test": 2}
    assert sum(result["class_counts"]["train"].values()) >= 6


def test_sequences_have_a_label_for_each_token(tmp_path, table):
    lines = [json.dumps({"text": f"play song {index}", "label": "O B-what I-what"}) for index in range(9)]
    lines += [json.dumps({"text": ["in", "New York"], "label": ["O", "B-city"]})]
    path = table("\n".join(lines), "rows.jsonl")
    result = imported(
        tmp_path / "a", path, {"features": [{"name": "text", "type": "text"}], "task": {"type": "sequence"}}
    )
    assert (result["features"][0]["shape"], result["classes"]) == ([3, 16], ["B-city", "B-what", "I-what", "O"])
    found = by_path(tmp_path / "a" / "out")
    assert found["rows.jsonl:10"].features["text"] == [b"in", b"New York"]
    assert (found["rows.jsonl:1"].label, found["rows.jsonl:10"].label) == ([3, 1, 2], [3, 0])
    short = {"features": [{"name": "text", "type": "text", "shape": [2, 8]}], "task": {"type": "sequence"}}
    assert imported(tmp_path / "b", path, short)["classes"] == result["classes"]
    assert by_path(tmp_path / "b" / "out")["rows.jsonl:1"].label == [3, 1]


def test_pictures_and_texts_together(tmp_path, make_zip):
    pictures = {f"shop/pictures/{index}.png": png(np.full((4, 4), index)) for index in range(12)}
    rows = [f"pictures/{index}.png,item {index},{'a' if index % 2 else 'b'}" for index in range(12)]
    files = {**pictures, "shop/items.csv": csv(*rows, header="photo,text,label").encode()}
    spec = {"features": [{"name": "image", "columns": ["photo"]}, {"name": "text", "type": "text", "shape": [16]}]}
    for number, source in enumerate([make_zip(files), write_files(tmp_path / "folder", files)]):
        result = imported(tmp_path / str(number), source, spec)
        example = by_path(tmp_path / str(number) / "out")["shop/items.csv:7"]
        assert (
            raw_values(example.features["image"], FeatureSpec(shape=(4, 4, 1))).tolist()
            == np.full((4, 4, 1), 5).tolist()
        )
        assert example.features["text"] == b"item 5"
        assert len(result["samples"]) == 12
    lone = imported(tmp_path / "lone", tmp_path / "folder" / "shop" / "items.csv", spec)
    assert lone["splits"] == result["splits"]


def test_videos_sounds_and_sensors_are_named_by_rows(tmp_path):
    sound = np.arange(500, dtype="<i2").tobytes()
    files = {f"clips/one/f{index}.png": png(np.full((4, 4), index)) for index in (2, 10)}
    files |= {"one.wav": write_wav(sound, 8000), "one.csv": b"1,2\n3,4\n"}
    row = {"clip": "clips/one", "sound": "one.wav", "motion": "one.csv"}
    other = {"clip": ["clips/one/f10.png", "clips/one/f2.png"], "sound": "one.wav", "motion": [[5, 6]]}
    lines = [json.dumps({**row, "label": index % 2}) for index in range(6)] + [json.dumps({**other, "label": 1})]
    source = write_files(tmp_path / "source", {**files, "rows.jsonl": "\n".join(lines)})
    spec = {
        "features": [{"name": n, "type": t} for n, t in (("clip", "video"), ("sound", "audio"), ("motion", "sensor"))]
    }
    result = imported(tmp_path, source, spec, test=0, validation=0)
    features = DatasetInfo.read(tmp_path / "out").features
    assert [feature.shape for feature in features] == [(2, 4, 4, 1), (500,), (2, 2)]
    found = by_path(tmp_path / "out")
    clip, waves, motion = (raw_values(found["rows.jsonl:1"].features[one.name], one) for one in features)
    assert clip[:, 0, 0, 0].tolist() == [2, 10]
    assert waves.tolist() == list(range(500))
    assert motion.tolist() == [[1, 2], [3, 4]]
    last = found["rows.jsonl:7"].features
    assert raw_values(last["clip"], features[0])[:, 0, 0, 0].tolist() == [10, 2]
    assert raw_values(last["motion"], features[2]).tolist() == [[5, 6], [0, 0]]
    assert result["classes"] == ["0", "1"]


def test_of_several_tables_the_one_that_fits_is_taken(tmp_path):
    files = {"rows.csv": csv(*some()), "notes.csv": "a,a\n1,2\n", "more.csv": "a,b\n1,2\n"}
    assert imported(tmp_path, write_files(tmp_path / "source", files))["num_examples"] == 12
    both = write_files(tmp_path / "both", {"one.csv": csv(*some()), "two.csv": csv(*some())})
    error = refusal_of(tmp_path / "x", both)
    assert (error.code, "Received: one.csv, two.csv" in error.message) == ("several_tables", True)


def test_a_table_of_a_split_that_does_not_fit_is_not_left_out(tmp_path):
    source = write_files(tmp_path / "source", {"train.csv": csv(*some()), "test.csv": "text,kind\na,b\n"})
    error = refusal_of(tmp_path, source)
    assert (error.code, "test.csv lacks columns" in error.message) == ("missing_column", True)
    (source / "test.csv").write_text("")
    assert refusal_of(tmp_path, source).code == "empty_table"


@pytest.mark.parametrize(
    ("rows", "code", "parts"),
    [
        (["a,x", "b"], "ragged_row", ["table.csv:15 (1 fields)", "Accepted: 2 fields"]),
        (["a,x,y"], "ragged_row", ["table.csv:14 (3 fields)"]),
        (['"open,x'], "broken_table", ["table.csv"]),
    ],
)
def test_a_csv_that_is_not_regular_is_refused_by_row(tmp_path, table, rows, code, parts):
    error = refusal_of(tmp_path, table(csv(*some(), *rows)))
    assert error.code == code
    assert all(part in error.message for part in parts)


def test_many_problems_are_counted_and_the_first_named(tmp_path, table):
    error = refusal_of(tmp_path, table(csv(*some(), *["ragged"] * 30)))
    assert error.message == (
        "30 of 42 rows can't be used: the number of fields is not that of the header. Received: "
        "table.csv:14 (1 fields), table.csv:15 (1 fields), table.csv:16 (1 fields) and 27 more. Accepted: 2 fields."
    )
    assert len(error.details) == 20
    assert error.details[0] == {
        "field": "table.csv:14",
        "message": "the number of fields is not that of the header. Received: 1 fields. Accepted: 2 fields",
    }


@pytest.mark.parametrize(
    ("content", "name", "spec", "code", "part"),
    [
        ("", "t.csv", None, "empty_table", "t.csv is empty"),
        ("", "t.jsonl", None, "empty_table", "t.jsonl is empty"),
        ("text,label\n", "t.csv", None, "empty_table", "There are no rows"),
        ("a,b\n1,2\n", "t.csv", None, "spec_needed", "the columns 'a', 'b'"),
        ("text,kind\nx,y\n", "t.csv", TEXT, "missing_column", "Accepted: a header with label as well"),
        ("a,y\n1,2\n", "t.csv", VECTOR, "missing_column", "Accepted: a header with b as well"),
        ("text,label\nx,y\n", "t.csv", {**TEXT, "split": "part"}, "missing_column", "part"),
        ("text,text\nx,y\n", "t.csv", None, "duplicate_column", "Received: text"),
        ("text,label\nx,\ny,\n", "t.csv", None, "no_labels", "None of the rows has a label. Received: 2 rows"),
        ("text,label\na,x\nb,x\nc,x\n", "t.csv", None, "too_few_classes", "Received: 1 (x)"),
        ("text,label\na,x\nb,y\n", "t.csv", None, "class_too_small", "'x' has 1"),
        (
            "text,label\na,x\nb,owl\n",
            "t.csv",
            {**TEXT, "classes": ["x", "y"]},
            "unknown_class",
            "t.csv:3, label ('owl')",
        ),
        (b"text,label\na,x\n\xff\xfe,y\n", "t.csv", None, "invalid_utf8", "t.csv:3 (byte 0xff)"),
        (
            '{"text": "a", "label": "x"}\n{"text": 5, "label": "x"}',
            "t.jsonl",
            None,
            "invalid_text",
            "t.jsonl:2, text (5)",
        ),
        ('{"text": "a", "label": "x"}\n{"label": "x"}', "t.jsonl", None, "missing_value", "t.jsonl:2, text (nothing)"),
        ('{"text": "a", "label": "x"}\n[]', "t.jsonl", None, "broken_row", "t.jsonl:2 (list)"),
        ('{"text": "a", "label": "x"}\n{"text"', "t.jsonl", None, "broken_row", "t.jsonl:2 ("),
        ('{"text": "a", "label": {}}', "t.jsonl", None, "invalid_label", "t.jsonl:1, label ({})"),
        (
            "text,label,split\na,x,train\nb,x,somewhere\n",
            "t.csv",
            None,
            "invalid_split",
            "t.csv:3, split ('somewhere')",
        ),
        ("text,label,split\na,x,train\nb,x,\n", "t.csv", None, "invalid_split", "t.csv:3, split ('')"),
        ("text,label,split\na,x,test\nb,y,test\n", "t.csv", None, "empty_split", "none of the rows into the train"),
        ("a,b,y\n1,two,3\n", "t.csv", VECTOR, "not_a_number", "t.csv:2, values ('two')"),
        ("a,b,y\n1,2,high\n", "t.csv", VECTOR, "not_a_number", "t.csv:2, y ('high')"),
        ("a,b,y\n1,2,3\n4,5,6\n", "t.csv", VECTOR, "too_few_examples", "Received: 2. Accepted: at least 3"),
        ('{"a": [1], "b": 2, "y": 3}', "t.jsonl", VECTOR, "not_a_number", "t.jsonl:1, values ([1])"),
    ],
)
def test_what_can_not_be_imported_is_refused_by_place(tmp_path, table, content, name, spec, code, part):
    error = refusal_of(tmp_path, table(content, name), spec)
    assert error.code == code
    assert part in error.message


def test_labels_and_tokens_of_different_number_are_refused(tmp_path, table):
    path = table(csv("a b,O O", "a b c,O O"))
    error = refusal_of(tmp_path, path, {**TEXT, "task": {"type": "sequence"}})
    assert error.code == "label_length_mismatch"
    assert "table.csv:3, label (2 labels for 3 steps)" in error.message


@pytest.mark.parametrize(
    ("cell", "code", "part"),
    [
        ("pictures/none.png", "missing_file", "t.csv:2, image (pictures/none.png)"),
        ("../secret.png", "unsafe_path", "t.csv:2, image (../secret.png)"),
        ("/etc/passwd", "unsafe_path", "/etc/passwd"),
        ("pictures/../../x.png", "unsafe_path", "a path leads outside"),
        ("t.csv", "broken_image", "1 of 1 rows can't be read: t.csv:2, image (it is not a PNG or JPEG image)"),
        ("", "missing_value", "t.csv:2, image (nothing)"),
    ],
)
def test_files_that_can_not_be_read_are_refused_by_row(tmp_path, make_zip, cell, code, part):
    files = {"t.csv": f"image,label\n{cell},a\n".encode(), "pictures/1.png": png(np.zeros((4, 4)))}
    spec = {"features": [{"name": "image"}]}
    write_files(tmp_path, {"secret.png": png(np.zeros((4, 4)))})
    for number, source in enumerate([make_zip(files), write_files(tmp_path / "folder", files)]):
        error = refusal_of(tmp_path / str(number), source, spec)
        assert error.code == code
        assert part in error.message


def test_a_link_beside_a_lone_table_leads_nowhere(tmp_path, table):
    path = table("image,label\nlink.png,a\n")
    write_files(tmp_path, {"secret.png": png(np.zeros((4, 4)))})
    (path.parent / "link.png").symlink_to(tmp_path / "secret.png")
    assert refusal_of(tmp_path, path, {"features": [{"name": "image"}]}).code == "missing_file"


BAD = csv("1,2,3", "1,nan,3", "inf,2,3", "1,,3", "1,2,NaN", *(f"{i},{i},{i}" for i in range(9)), header="a,b,y")


def test_numbers_that_are_none_are_counted_and_refused(tmp_path, table):
    error = refusal_of(tmp_path, table(BAD), VECTOR)
    assert error.code == "bad_values"
    assert error.message == (
        "4 of 14 rows can't be used: a number is missing, NaN or infinite. Received: "
        "table.csv:3, values ('nan' in value 2 of 2), table.csv:4, values ('inf' in value 1 of 2), "
        "table.csv:5, values (nothing in value 2 of 2) and 1 more. Accepted: finite numbers."
    )
    assert [detail["field"] for detail in error.details][-1] == "table.csv:6, y"


def test_numbers_that_are_none_can_be_skipped(tmp_path, table):
    result = imported(tmp_path, table(BAD), VECTOR, bad_values="skip")
    assert result["num_examples"] == 10
    assert result["warnings"][0].startswith(
        "4 of 14 rows were left out: a number is missing, NaN or infinite, for example"
    )
    assert set(by_path(tmp_path / "out")) == {"table.csv:2", *(f"table.csv:{line}" for line in range(7, 16))}


def test_skipping_bad_numbers_does_not_skip_other_problems(tmp_path, table):
    error = refusal_of(tmp_path, table(BAD + "1,x,2\n"), VECTOR, bad_values="skip")
    assert (error.code, "1 of 15 rows" in error.message) == ("not_a_number", True)


def test_a_closed_class_list_keeps_its_order(tmp_path, table):
    spec = {**TEXT, "classes": ["odd", "never", "even"], "augmentation": {"drop": 0.1}}
    result = imported(tmp_path, table(csv(*some())), spec)
    assert result["classes"] == ["odd", "never", "even"]
    assert result["class_counts"]["test"] == {"odd": 1, "never": 0, "even": 1}
    assert "1 classes have no examples, for example 'never'" in result["warnings"]
    assert DatasetInfo.read(tmp_path / "out").augmentation.drop == 0.1


def test_size_is_bounded_of_what_is_read_and_written(tmp_path, table):
    path = table(csv(*some(100)))
    size = path.stat().st_size
    assert refusal_of(tmp_path, path, max_bytes=size - 1).code == "source_too_large"
    error = refusal_of(tmp_path, path, max_bytes=size)
    assert error.code == "dataset_too_large"
    assert error.message.startswith("The rows take too much room. Received: more than")


def test_one_file_named_by_many_rows_is_bounded(tmp_path):
    noise = png(np.random.default_rng(0).integers(0, 256, (100, 100)))
    rows = ["image,label", *(f"1.png,{index % 2}" for index in range(50))]
    source = write_files(tmp_path / "source", {"t.csv": "\n".join(rows), "1.png": noise})
    error = refusal_of(tmp_path, source, {"features": [{"name": "image"}]}, max_bytes=100_000)
    assert (error.code, "The rows are too large together" in error.message) == ("source_too_large", True)
