from __future__ import annotations

import pytest

from ml.data.examples import Example, Stored, decode_fields
from ml.features import FeatureSpec
from ml.refusal import RefusedError
from ml.tasks import TaskSpec

IMAGE = FeatureSpec(shape=(4, 4, 1))
FEATURES = [
    IMAGE,
    FeatureSpec(name="clip", type="video", shape=(2, 4, 4, 1)),
    FeatureSpec(name="sound", type="audio", shape=(400,), sample_rate=8000),
    FeatureSpec(name="text", type="text", shape=(8,)),
    FeatureSpec(name="values", type="vector", shape=(3,)),
    FeatureSpec(name="words", type="text", shape=(4, 8)),
]
STORED: dict[str, Stored] = {
    "image": b"\x89PNG" + bytes(1000),
    "clip": [b"first", b"second"],
    "sound": bytes(800),
    "text": "größe".encode(),
    "values": [0.5, -1.0, 3.0],
    "words": [b"a", b"", b"bc"],
}
ONE = TaskSpec(num_classes=300)
TASKS = [
    (ONE, [0]),
    (ONE, [299]),
    (ONE, None),
    (TaskSpec(type="multi_label", num_classes=300), [1, 128, 299]),
    (TaskSpec(type="multi_label", num_classes=300), []),
    (TaskSpec(type="sequence", num_classes=300), [0, 0, 299]),
    (TaskSpec(type="regression", num_values=2), [0.25, -3.0]),
    (TaskSpec(type="regression", num_values=2), None),
]


@pytest.mark.parametrize(("task", "label"), TASKS)
def test_an_example_of_each_feature_and_task_is_read_back(task, label):
    example = Example(features=STORED, label=label, path="katze/größe.png")
    assert Example.decode(example.encode(label="label"), task=task, features=FEATURES) == example


def test_equal_examples_have_equal_bytes_in_whatever_order_they_were_made():
    turned = dict(reversed(STORED.items()))
    first, second = (Example(features=one, label=[1], path="p").encode(label="label") for one in (STORED, turned))
    assert first == second
    assert list(decode_fields(first)) == sorted([*STORED, "label", "path"])


def test_no_tokens_are_not_no_feature():
    words = FEATURES[5]
    example = Example(features={"words": []}, label=[], path="")
    task = TaskSpec(type="sequence", num_classes=2)
    assert Example.decode(example.encode(label="label"), task=task, features=[words]) == example


WHOLE = Example(features={"image": b"pixels"}, label=[0], path="").encode(label="label")


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\x0a",
        b"\xff" * 20,
        b"\x0a\x05ab",
        WHOLE[:-3],
        Example(features={"other": b"x"}, label=[0], path="").encode(label="label"),
        Example(features={"image": [1.0]}, label=[0], path="").encode(label="label"),
        Example(features={"image": b"x"}, label=[0.5], path="").encode(label="label"),
    ],
)
def test_what_is_no_example_is_refused(record):
    with pytest.raises(RefusedError, match=r"not an example with 'image' \(image\) and 'label'") as caught:
        Example.decode(record, task=ONE, features=[IMAGE])
    assert caught.value.code == "broken_example"


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_bytes_and_numbers_are_not_mixed_up(feature):
    other = b"bytes" if feature.type == "vector" else [1.0]
    record = Example(features={feature.name: other}, label=[0], path="").encode(label="label")
    with pytest.raises(RefusedError, match="is not an example"):
        Example.decode(record, task=ONE, features=[feature])


@pytest.mark.engine
def test_tensorflow_reads_what_is_written_here(tensorflow):
    for task, label in TASKS:
        record = Example(features=STORED, label=label, path="a/b.png").encode(label="label")
        fields = tensorflow.train.Example.FromString(record).features.feature
        assert fields["image"].bytes_list.value == [STORED["image"]]
        assert fields["clip"].bytes_list.value == STORED["clip"]
        assert fields["words"].bytes_list.value == STORED["words"]
        assert fields["values"].float_list.value == STORED["values"]
        assert fields["path"].bytes_list.value == [b"a/b.png"]
        kind = "float_list" if task.type == "regression" else "int64_list"
        assert ("label" in fields) == (label is not None)
        if label is not None:
            assert fields["label"].WhichOneof("kind") == kind
            assert list(getattr(fields["label"], kind).value) == label


@pytest.mark.engine
def test_what_tensorflow_writes_is_read_here(tensorflow):
    train = tensorflow.train
    feature = {
        "image": train.Feature(bytes_list=train.BytesList(value=[b"pixels"])),
        "label": train.Feature(int64_list=train.Int64List(value=[-3, 300])),
        "weight": train.Feature(float_list=train.FloatList(value=[0.5, 2.0])),
        "nothing": train.Feature(),
    }
    record = train.Example(features=train.Features(feature=feature)).SerializeToString()
    assert decode_fields(record) == {"image": [b"pixels"], "label": [-3, 300], "weight": [0.5, 2.0], "nothing": []}
    task = TaskSpec(type="multi_label", num_classes=301)
    assert Example.decode(record, task=task, features=[IMAGE]).label == [-3, 300]
