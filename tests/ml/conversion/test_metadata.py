from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from ml.compatibility.flatbuffer import read_model
from ml.conversion.metadata import InputMetadata, ModelMetadata, OutputMetadata, embed_metadata

pytestmark = pytest.mark.engine

METADATA = ModelMetadata(
    labels=["Katze", "größer"],
    inputs=[InputMetadata(name="image", shape=(4, 4, 1))],
    outputs=[OutputMetadata(name="probabilities")],
    model_id="m",
)


def test_the_entry_is_read_back_and_replaces_an_older_one(trained):
    content = (trained.out / "dense" / "model.tflite").read_bytes()
    again = embed_metadata(content, METADATA)
    assert read_model(again).bantam == {
        "version": 1,
        "task": "classification",
        "labels": ["Katze", "größer"],
        "inputs": [{"name": "image", "type": "image", "shape": [4, 4, 1], "dtype": "uint8", "sample_rate": None}],
        "outputs": [{"name": "probabilities"}],
        "model_id": "m",
    }
    assert read_model(again).signatures == read_model(content).signatures
    assert read_model(again).operators == read_model(content).operators
    assert again.count(b'"task":"classification"') == 1


def test_what_a_device_needs_is_in_the_file_of_a_run(trained):
    metadata = read_model((trained.out / "bits" / "model.tflite").read_bytes()).bantam
    assert metadata == {
        "version": 1,
        "task": "classification",
        "labels": [str(digit) for digit in range(10)],
        "inputs": [{"name": "image", "type": "image", "shape": [8, 8, 1], "dtype": "uint8", "sample_rate": None}],
        "outputs": [{"name": "probabilities"}],
        "model_id": "bits",
    }


@pytest.mark.parametrize("name", ["trainer", "bits", "dense", "depthwise"])
def test_constants_lie_on_sixteen_byte_boundaries(trained, name):
    content = (trained.out / name / "model.tflite").read_bytes()
    model = schema.Model.GetRootAs(content, 0)
    checked = 0
    for index in range(model.BuffersLength()):
        data = model.Buffers(index).DataAsNumpy()
        if isinstance(data, np.ndarray):
            start = (
                data.__array_interface__["data"][0] - np.frombuffer(content, np.uint8).__array_interface__["data"][0]
            )
            assert start % 16 == 0
            checked += 1
    assert checked > 3
