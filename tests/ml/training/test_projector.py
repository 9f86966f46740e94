"""The points that students make of examples, and the files that hold them."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ml.data.examples import Example
from ml.features import FeatureSpec
from ml.tasks import TaskSpec
from tests.ml.training.written_dataset import write_dataset

pytestmark = pytest.mark.engine

VECTOR = FeatureSpec(name="values", type="vector", shape=(20,))
TOKENS = FeatureSpec(name="words", type="text", shape=(3, 8))
TEXT = FeatureSpec(name="text", type="text", shape=(16,))
CLASSES = ["no", "yes\tindeed"]


def student(model, name="small") -> Any:
    return SimpleNamespace(role="student", model=model, spec=SimpleNamespace(id=name))


def pipeline_of(folder):
    from ml.data.dataset import DatasetInfo
    from ml.data.pipeline import Pipeline

    return Pipeline(folder, DatasetInfo.read(folder))


def numbers(count):
    """Examples whose values are whole numbers, sorted by class."""
    generator = np.random.default_rng(0)
    return [
        Example(
            {"values": generator.integers(-9, 9, 20).astype(float).tolist()}, [2 * number // count], f"x.csv:{number}"
        )
        for number in range(count)
    ]


def read(tensorboard, name="small"):
    folder = tensorboard / "projector" / name
    header, *rows = (folder / "metadata.tsv").read_text().splitlines()
    assert header == "label\texample"
    return np.loadtxt(folder / "tensors.tsv", delimiter="\t", ndmin=2), [tuple(row.split("\t")) for row in rows]


def bits_of(examples):
    """A model of the projection, and what it gives for the examples."""
    import tf_keras

    from ml.layers.structured_projection import StructuredProjection

    projection = StructuredProjection(outputs=30, center=[0], seed=5, name="values_projection")
    inputs = tf_keras.Input((20,), name="values")
    hidden = tf_keras.layers.Dense(4, name="dense_0")(projection(inputs))
    model = tf_keras.Model({"values": inputs}, tf_keras.layers.Dense(2, name="logits")(hidden))
    return model, projection(np.array([one.features["values"] for one in examples], np.float32)).numpy()


def test_points_are_the_bits_of_held_out_examples_with_their_labels(tensorflow, tmp_path):
    from ml.training.projector import write_projector

    examples = numbers(120)
    write_dataset(tmp_path, TaskSpec(num_classes=2), [VECTOR], {"train": numbers(3), "validation": examples}, CLASSES)
    model, expected = bits_of(examples)
    assert write_projector([student(model)], pipeline_of(tmp_path), tmp_path / "tb") == ["small"]
    points, rows = read(tmp_path / "tb")
    assert np.array_equal(points, expected)
    assert set(points.flat) == {-1.0, 1.0}
    assert rows == [("no" if number < 60 else "yes indeed", f"x.csv:{number}") for number in range(120)]


def test_the_config_names_the_files_as_tensorboard_reads_them(tensorflow, tmp_path):
    from tf_keras.protobuf.projector_config_pb2 import ProjectorConfig

    from ml.training.projector import write_projector

    examples = numbers(4)
    write_dataset(tmp_path, TaskSpec(num_classes=2), [VECTOR], {"train": examples}, CLASSES)
    model, _ = bits_of(examples)
    write_projector([student(model, "a-1"), student(model, "b_2")], pipeline_of(tmp_path), tmp_path / "tb")
    text_format = import_module("google.protobuf.text_format")
    config = text_format.Parse((tmp_path / "tb" / "projector_config.pbtxt").read_text(), ProjectorConfig())
    assert [(one.tensor_name, list(one.tensor_shape)) for one in config.embeddings] == [
        ("a-1", [4, 30]),
        ("b_2", [4, 30]),
    ]
    for one in config.embeddings:
        assert (tmp_path / "tb" / one.tensor_path).is_file()
        assert (tmp_path / "tb" / one.metadata_path).is_file()


def test_without_bits_points_are_what_enters_the_output_layer(tensorflow, tmp_path):
    import tf_keras

    from ml.training.projector import write_projector

    examples = numbers(6)
    task = TaskSpec(type="regression", num_values=1)
    valued = [Example(one.features, [number / 3], one.path) for number, one in enumerate(examples)]
    write_dataset(tmp_path, task, [VECTOR], {"test": valued})
    inputs = tf_keras.Input((20,), name="values")
    hidden = tf_keras.layers.Dense(4, name="dense_0")
    model = tf_keras.Model({"values": inputs}, tf_keras.layers.Dense(1, name="logits")(hidden(inputs)))
    write_projector([student(model)], pipeline_of(tmp_path), tmp_path / "tb")
    points, rows = read(tmp_path / "tb")
    values = np.array([one.features["values"] for one in examples], np.float32)
    assert np.allclose(points, values @ hidden.kernel.numpy(), rtol=1e-4, atol=1e-4)
    assert [label for label, _ in rows] == ["0", "0.333333", "0.666667", "1", "1.33333", "1.66667"]


def test_bits_of_several_inputs_are_side_by_side_also_within_inner_models(tensorflow, tmp_path):
    import tf_keras

    from ml.layers.structured_projection import StructuredProjection
    from ml.layers.text_projection import TextProjection
    from ml.training.projector import write_projector

    layers = tf_keras.layers
    examples = [
        Example({"values": [float(number)] * 20, "text": f"word {number}".encode()}, [0, 1][:number], str(number))
        for number in range(3)
    ]
    features = [VECTOR, TEXT]
    write_dataset(tmp_path, TaskSpec(type="multi_label", num_classes=2), features, {"test": examples}, ["a", "b"])
    raw = {one.name: tf_keras.Input(one.shape, dtype=one.dtype, name=one.name) for one in features}
    inner = {one.name: tf_keras.Input(one.shape, dtype=one.dtype) for one in features}
    text_projection = TextProjection(12, seed=3, name="text_projection")
    number_projection = StructuredProjection(outputs=8, center=[0], seed=5, name="values_projection")
    branches = [
        tf_keras.Model(inner["values"], number_projection(inner["values"]), name="branch_values")(raw["values"]),
        tf_keras.Model(inner["text"], text_projection(inner["text"]), name="branch_text")(raw["text"]),
    ]
    model = tf_keras.Model(raw, layers.Dense(2, name="logits")(layers.Concatenate()(branches)))
    write_projector([student(model)], pipeline_of(tmp_path), tmp_path / "tb")
    points, rows = read(tmp_path / "tb")
    texts = np.zeros((3, 16), np.uint8)
    for number in range(3):
        texts[number, :6] = list(f"word {number}".encode())
    expected = [number_projection(np.full((3, 20), [[0], [1], [2]], np.float32)), text_projection(texts)]
    assert np.array_equal(points, np.concatenate(expected, axis=1))
    assert [label for label, _ in rows] == ["none", "a", "a, b"]


def test_of_a_sequence_each_step_with_a_label_is_a_point(tensorflow, tmp_path):
    import tf_keras

    from ml.layers.text_projection import TextProjection
    from ml.training.projector import write_projector

    examples = [
        Example({"words": [b"to", b"Rome"]}, [0, 1], "a"),
        Example({"words": [b"from", b"Rome", b"too"]}, [0, 1, 0], "b"),
    ]
    write_dataset(tmp_path, TaskSpec(type="sequence", num_classes=2), [TOKENS], {"test": examples}, ["O", "city"])
    inputs = tf_keras.Input((3, 8), dtype="uint8", name="words")
    projection = TextProjection(16, seed=3, name="words_projection")
    model = tf_keras.Model({"words": inputs}, tf_keras.layers.Dense(2, name="logits")(projection(inputs)))
    write_projector([student(model)], pipeline_of(tmp_path), tmp_path / "tb")
    points, rows = read(tmp_path / "tb")
    assert rows == [("O", "a#1"), ("city", "a#2"), ("O", "b#1"), ("city", "b#2"), ("O", "b#3")]
    assert np.array_equal(points[1], points[3])  # both are "Rome"
    assert not np.array_equal(points[0], points[1])


def test_points_are_spread_over_the_split_and_limited(tensorflow, tmp_path, monkeypatch):
    from ml.training import projector

    monkeypatch.setattr(projector, "MAX_POINTS", 10)
    monkeypatch.setattr(projector, "MAX_WIDTH", 7)
    examples = numbers(45)
    write_dataset(tmp_path, TaskSpec(num_classes=2), [VECTOR], {"validation": examples}, CLASSES)
    model, expected = bits_of(examples)
    projector.write_projector([student(model)], pipeline_of(tmp_path), tmp_path / "tb")
    points, rows = read(tmp_path / "tb")
    assert [path for _, path in rows] == [f"x.csv:{number}" for number in range(0, 45, 5)]
    assert np.array_equal(points, expected[::5, ::5])


def test_what_is_no_keras_model_has_no_points(tensorflow, tmp_path):
    from ml.training.projector import write_projector

    write_dataset(tmp_path, TaskSpec(num_classes=2), [VECTOR], {"train": numbers(2)}, CLASSES)
    uploaded = student(lambda features, training: features["values"])
    assert write_projector([uploaded], pipeline_of(tmp_path), tmp_path / "tb") == []
    assert (tmp_path / "tb" / "projector_config.pbtxt").read_text() == ""


def test_the_watched_batch_is_the_same_each_time_and_from_all_over_the_file(tensorflow, tmp_path):
    from ml.training.sampling import watched_batch

    examples = numbers(20)
    write_dataset(tmp_path, TaskSpec(num_classes=2), [VECTOR], {"train": numbers(3), "test": examples}, CLASSES)
    pipeline = pipeline_of(tmp_path)
    found = watched_batch(pipeline, 4)["values"].numpy()
    assert np.array_equal(found, [examples[number].features["values"] for number in (0, 5, 10, 15)])
    assert np.array_equal(found, watched_batch(pipeline, 4)["values"].numpy())
