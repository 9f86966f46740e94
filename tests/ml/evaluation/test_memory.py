from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.evaluation.memory import peak_memory, smallest_model
from ml.reporting import Reporter

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is measured on Linux")


def dense_model(path: Path, inputs: int, outputs: int) -> Path:
    """A dense layer of random weights."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(smallest_model(), 0))
    weights = np.random.default_rng(0).normal(size=(outputs, inputs)).astype(np.float32)
    model.buffers[1].data = np.frombuffer(weights.tobytes(), np.uint8)
    for tensor, shape in zip(model.subgraphs[0].tensors, ([1, inputs], [outputs, inputs], [1, outputs]), strict=True):
        tensor.shape = shape
    builder = flatbuffers.Builder(weights.nbytes + 1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def listening() -> tuple[Reporter, io.StringIO]:
    said = io.StringIO()
    return Reporter(events=True, stream=said), said


def test_the_smallest_model_passes_its_input_through():
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=smallest_model())
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, np.array([[1, 2, 3, 4]], np.float32))
    interpreter.invoke()
    assert interpreter.get_tensor(2).tolist() == [[1, 2, 3, 4]]


def test_weights_of_a_model_are_in_its_memory_and_not_in_the_runtimes(tmp_path):
    reporter, said = listening()
    large = peak_memory(dense_model(tmp_path / "large.tflite", 2048, 1024), reporter)
    small = peak_memory(dense_model(tmp_path / "small.tflite", 4, 4), reporter)
    assert large, said.getvalue()
    assert small, said.getvalue()
    assert large["peak_bytes"] >= 2048 * 1024 * 4
    assert small["peak_bytes"] < 1_000_000
    assert 100_000 < small["runtime_bytes"] < 50_000_000
    assert large["runtime_bytes"] == pytest.approx(small["runtime_bytes"], abs=1_000_000)


@pytest.mark.parametrize("content", [b"nothing", smallest_model()[:100]], ids=["other", "cut off"])
def test_a_file_that_does_not_run_is_a_warning(tmp_path, content):
    path = tmp_path / "bad.tflite"
    path.write_bytes(content)
    reporter, said = listening()
    assert peak_memory(path, reporter) is None
    event = json.loads(said.getvalue())
    assert event["level"] == "warning"
    assert event["message"].startswith("the memory of bad.tflite was not measured: ")


def test_a_file_that_takes_too_long_is_a_warning(tmp_path):
    reporter, said = listening()
    assert peak_memory(dense_model(tmp_path / "slow.tflite", 4, 4), reporter, seconds=0.001) is None
    assert "it did not run within 0.001 seconds" in said.getvalue()


def test_a_process_that_is_killed_is_a_warning(tmp_path, monkeypatch):
    killing = tmp_path / "python"
    killing.write_text("#!/bin/sh\nkill -SEGV $$\n")
    killing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(killing))
    reporter, said = listening()
    assert peak_memory(tmp_path / "any.tflite", reporter) is None
    assert "the runtime crashed on it (signal 11)" in said.getvalue()
