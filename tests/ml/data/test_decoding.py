"""TensorFlow's reading of examples gives what the reading of one example in NumPy gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml.data.dataset import DatasetInfo
from ml.data.examples import Example
from ml.data.images import encode_png
from ml.features import FeatureSpec
from ml.features.raw import raw_values
from ml.refusal import RefusedError
from ml.tasks import TaskSpec
from ml.tasks.labels import label_values

pytestmark = pytest.mark.engine

GENERATOR = np.random.default_rng(0)


def pixels(*shape: int) -> bytes:
    return encode_png(GENERATOR.integers(0, 256, shape, dtype=np.uint8))


# For each feature, what a dataset may hold.
STORED: dict[str, tuple[FeatureSpec, list[Any]]] = {
    "grey": (FeatureSpec(name="x", shape=(5, 4, 1)), [pixels(5, 4, 1) for _ in range(3)]),
    "colour": (FeatureSpec(name="x", shape=(3, 6, 3)), [pixels(3, 6, 3) for _ in range(3)]),
    "video": (
        FeatureSpec(name="x", type="video", shape=(3, 4, 5, 3)),
        [[pixels(4, 5, 3) for _ in range(3)] for _ in range(2)],
    ),
    "bytes": (
        FeatureSpec(name="x", type="text", shape=(5,)),
        # Exactly as long, shorter, empty, longer, and cut within characters of two, three and four bytes.
        [text.encode() for text in ("abcde", "a\0b", "", "abcdefgh", "abcdé", "abc日本", "ab😀", "é", "ééé", "日本語")]
        # No UTF-8, and nothing but the middle of a character.
        + [b"\xff\xfe\x80", b"\x80" * 9, b"a" + b"\x80" * 9],
    ),
    "tokens": (
        FeatureSpec(name="x", type="text", shape=(3, 4)),
        [[], [b""], [b"abcd"], [b"a", b"", "bü日".encode()], [b"1", b"2", b"3", b"4"], ["日本".encode()] * 5],
    ),
    "audio": (
        FeatureSpec(name="x", type="audio", shape=(300,), sample_rate=8000),
        [
            GENERATOR.integers(-(2**15), 2**15, 300).astype("<i2").tobytes(),
            np.full(300, -(2**15), "<i2").tobytes(),
        ],
    ),
    "sensor": (
        FeatureSpec(name="x", type="sensor", shape=(4, 2)),
        [GENERATOR.normal(0, 1e3, 8).astype(np.float32).tolist() for _ in range(3)],
    ),
    "vector": (FeatureSpec(name="x", type="vector", shape=(3,)), [[0.1, -1e30, 3.0], [0.0, 1e-40, -0.0]]),
}
ONE_CLASS = TaskSpec(num_classes=300)


def info_of(task: TaskSpec, *features: FeatureSpec) -> DatasetInfo:
    classes = [str(index) for index in range(task.num_classes or 0)]
    empty = {"num_examples": 0, "splits": {}, "class_counts": {}, "seed": 0}
    return DatasetInfo(task=task, features=list(features), classes=classes, **empty)


def decoded(info: DatasetInfo, examples: list[Example], **options: bool) -> tuple[dict, np.ndarray]:
    from ml.data.decoding import decode_batch

    features, targets = decode_batch([example.encode(label="label") for example in examples], info, **options)
    return {name: values.numpy() for name, values in features.items()}, targets["label"].numpy()


@pytest.mark.parametrize("kind", STORED)
def test_features_are_those_of_one_example_at_a_time(tensorflow, kind):
    feature, stored = STORED[kind]
    found, _ = decoded(info_of(ONE_CLASS, feature), [Example({"x": one}, [0], "") for one in stored])
    expected = np.stack([raw_values(one, feature) for one in stored])
    assert found["x"].dtype == expected.dtype == np.dtype(feature.dtype)
    assert found["x"].shape == (len(stored), *feature.shape)
    assert found["x"].tobytes() == expected.tobytes()


def test_several_features_are_read_at_once(tensorflow):
    features = [feature.model_copy(update={"name": kind}) for kind, (feature, _) in STORED.items()]
    examples = [Example({kind: stored[index] for kind, (_, stored) in STORED.items()}, [7], "") for index in (0, 1)]
    found, labels = decoded(info_of(ONE_CLASS, *features), examples)
    assert labels.tolist() == [7, 7]
    for feature in features:
        expected = np.stack([raw_values(example.features[feature.name], feature) for example in examples])
        assert found[feature.name].tobytes() == expected.tobytes()


LABELS: dict[str, tuple[TaskSpec, list[list[int] | list[float] | None]]] = {
    "classification": (ONE_CLASS, [[0], [299], None, [128]]),
    "multi_label": (TaskSpec(type="multi_label", num_classes=4), [[1], [0, 3], [], [2, 2], [0, 1, 2, 3]]),
    "regression": (TaskSpec(type="regression", num_values=2), [[0.1, -1e30], None, [3.0, 0.0]]),
    "sequence": (TaskSpec(type="sequence", num_classes=300), [[5], [0, 299, 1], [], None, [1, 2, 3, 4, 5]]),
}


@pytest.mark.parametrize("task", LABELS)
@pytest.mark.parametrize("alone", [False, True])
def test_labels_are_those_of_one_example_at_a_time(tensorflow, task, alone):
    """Also where all of a batch have none, or all have several."""
    spec, labels = LABELS[task]
    feature, stored = STORED["tokens"]
    info = info_of(spec, feature)
    for batch in [[label] for label in labels] if alone else [labels]:
        _, found = decoded(info, [Example({"x": stored[0]}, label, "") for label in batch])
        expected = np.stack([label_values(label, spec, 3) for label in batch])
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("task", LABELS)
def test_in_the_unlabelled_split_no_example_has_a_label(tensorflow, task):
    spec, _ = LABELS[task]
    feature, stored = STORED["tokens"]
    _, found = decoded(info_of(spec, feature), [Example({"x": stored[0]}, None, "")] * 2, is_labelled=False)
    expected = label_values(None, spec, 3)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, np.stack([expected] * 2))


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        ("grey", pixels(4, 5, 1)),
        ("grey", pixels(5, 4, 3)),
        ("colour", pixels(3, 6, 1)),
        ("colour", b"no picture"),
        ("video", [pixels(4, 5, 3)] * 2),
        ("audio", bytes(598)),
        ("audio", bytes(602)),
        ("sensor", [1.0] * 7),
        ("vector", [1.0] * 4),
    ],
)
def test_what_one_reader_refuses_the_other_refuses_as_well(tensorflow, kind, stored):
    feature, _ = STORED[kind]
    with pytest.raises(RefusedError):
        raw_values(stored, feature)
    with pytest.raises(tensorflow.errors.InvalidArgumentError):
        decoded(info_of(ONE_CLASS, feature), [Example({"x": stored}, [0], "")])


def test_the_size_of_an_example_is_not_guessed_too_small(tensorflow):
    from ml.data.decoding import example_bytes

    for spec, labels in LABELS.values():
        feature, stored = STORED["tokens"]
        found, label = decoded(info_of(spec, feature), [Example({"x": stored[0]}, labels[0], "")])
        size = found["x"].nbytes + label.nbytes
        assert size <= example_bytes(info_of(spec, feature)) <= 2 * size
