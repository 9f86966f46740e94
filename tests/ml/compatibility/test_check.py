from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import Builder

from ml.compatibility.check import check_file
from ml.compatibility.describe import describe
from ml.refusal import RefusedError
from tests.ml.conftest import ENGINE

pytestmark = pytest.mark.engine


@pytest.fixture
def changed(trained, tmp_path):
    """`changed(edit)` → the dense student's file after `edit(ModelT)`."""

    def change(edit, name="dense"):
        model = schema.ModelT.InitFromPackedBuf((trained.out / name / "model.tflite").read_bytes(), 0)
        edit(model)
        builder = Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        path = tmp_path / "changed.tflite"
        path.write_bytes(builder.Output())
        return path

    return change


def codes(path):
    report = check_file(path)
    assert report["ok"] == (not report["problems"])
    return [problem["code"] for problem in report["problems"]]


def make_custom(name):
    def edit(model):
        code = next(one for one in model.operatorCodes if one.builtinCode == schema.BuiltinOperator.SOFTMAX)
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = name

    return edit


def test_a_sound_file_is_described(engine, trained):
    started = time.monotonic()
    finished = engine("check", "--file", trained.out / "dense" / "model.tflite", work=False)
    assert time.monotonic() - started < 20
    assert finished.status == 0
    model = {entry["id"]: entry for entry in trained.result["models"]}["dense"]
    report = finished.result
    assert report["ok"] is True
    assert report["problems"] == []
    assert report["signatures"] == [
        {
            "name": "serving_default",
            "inputs": [{"name": "image", "shape": [1, 8, 8, 1], "dtype": "uint8"}],
            "outputs": [{"name": "probabilities", "shape": [1, 10], "dtype": "float32"}],
        }
    ]
    assert {op["name"] for op in report["ops"]} >= {"CAST", "FULLY_CONNECTED", "SOFTMAX"}
    assert report["min_runtime"] is not None
    assert report["metadata"]["labels"] == [str(digit) for digit in range(10)]
    assert (report["bytes"], report["sha256"]) == (model["files"][0]["bytes"], model["files"][0]["sha256"])


def test_a_custom_operator_is_refused_by_name(changed):
    report = check_file(changed(make_custom(b"TFLite_Detection_PostProcess")))
    assert [problem["code"] for problem in report["problems"]] == ["custom_operator"]
    assert "TFLite_Detection_PostProcess" in report["problems"][0]["message"]
    assert {"name": "TFLite_Detection_PostProcess", "version": 1, "count": 1} in report["ops"]


def test_a_flex_operator_is_refused_by_name(changed):
    report = check_file(changed(make_custom(b"FlexErf")))
    assert [problem["code"] for problem in report["problems"]] == ["flex_operator"]
    assert "FlexErf" in report["problems"][0]["message"]


def test_the_newest_operator_decides_the_runtime(changed):
    def edit(model):
        model.operatorCodes[0].version = 1
        code = next(one for one in model.operatorCodes if one.builtinCode == schema.BuiltinOperator.FULLY_CONNECTED)
        code.version = 9

    assert check_file(changed(edit))["min_runtime"] == "2.3.0"


def test_what_the_converter_wrote_down_counts_as_well(changed):
    def edit(model):
        entry = next(one for one in model.metadata if one.name == b"min_runtime_version")
        model.buffers[entry.buffer].data = np.frombuffer(b"2.19.0".ljust(16, b"\0"), np.uint8)

    assert check_file(changed(edit))["min_runtime"] == "2.19.0"


def test_an_operator_version_from_the_future_is_refused(changed):
    def edit(model):
        model.operatorCodes[0].version = 99

    assert codes(changed(edit)) == ["unknown_operator_version"]


def test_a_file_without_signatures_has_one_made_of_its_tensors(changed):
    def edit(model):
        model.signatureDefs = []

    report = check_file(changed(edit))
    assert report["ok"]
    assert report["signatures"][0]["name"] == "serving_default"
    assert report["signatures"][0]["inputs"][0]["dtype"] == "uint8"


def test_a_file_without_inputs_is_refused(changed):
    def edit(model):
        model.signatureDefs = []
        model.subgraphs[0].inputs = []

    assert codes(changed(edit)) == ["no_signature"]


def test_a_file_with_a_nameless_input_is_refused(changed):
    def edit(model):
        model.signatureDefs = []
        for tensor in model.subgraphs[0].tensors:
            tensor.name = None

    assert codes(changed(edit)) == ["unnamed_tensor", "unnamed_tensor"]


def test_a_file_that_the_runtime_does_not_load_is_refused(changed):
    def edit(model):
        model.buffers[model.subgraphs[0].tensors[1].buffer].data = np.zeros(3, np.uint8)

    assert codes(changed(edit)) == ["load_failed"]


@pytest.mark.parametrize(
    "content", [b"", b"TFL3", b"\x1c\0\0\0TFL3", b"PK\x03\x04" + bytes(100), b"\0\0\0\0TFL3" + b"\xff" * 99]
)
def test_what_is_no_model_is_a_result_and_no_crash(tmp_path, content):
    path = tmp_path / "bad.tflite"
    path.write_bytes(content)
    report = check_file(path)
    assert [problem["code"] for problem in report["problems"]] == ["not_a_model"]
    assert "bad.tflite" in report["problems"][0]["message"]
    json.dumps(report)


def test_a_cut_off_or_damaged_file_never_raises(trained, tmp_path, monkeypatch):
    content = (trained.out / "dense" / "model.tflite").read_bytes()
    # The interpreter's own process is started for whole files only; here it would be asked a hundred times.
    monkeypatch.setattr("ml.compatibility.check.load_problems", lambda path: [])
    path = tmp_path / "bad.tflite"
    generator = np.random.default_rng(0)
    for length in generator.integers(0, len(content), 60):
        path.write_bytes(content[:length])
        check_file(path)
    for _ in range(300):
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[generator.integers(8, len(content), 20)] = generator.integers(0, 256, 20)
        path.write_bytes(damaged.tobytes())
        json.dumps(check_file(path))


def test_a_file_that_crashes_the_runtime_is_a_result(trained, tmp_path):
    """Whatever a damaged file does to LiteRT, it does to a process of its own."""
    content = bytearray((trained.out / "dense" / "model.tflite").read_bytes())
    generator = np.random.default_rng(1)
    seen: set[str] = set()
    for _ in range(6):
        damaged = np.frombuffer(bytes(content), np.uint8).copy()
        damaged[generator.integers(len(content) * 3 // 4, len(content), 200)] ^= 0xFF
        (tmp_path / "bad.tflite").write_bytes(damaged.tobytes())
        seen.update(codes(tmp_path / "bad.tflite") or ["ok"])
    assert seen <= {"ok", "not_a_model", "load_failed", "custom_operator", "unknown_operator_version", "unnamed_tensor"}


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(RefusedError, match="can't be read"):
        check_file(tmp_path / "none.tflite")


def test_checking_needs_no_tensorflow(trained, tmp_path):
    code = (
        "import sys; from ml.commands import main; "
        f"status = main(['check', '--file', {str(trained.out / 'bits' / 'model.tflite')!r}, "
        f"'--out', {str(tmp_path / 'out')!r}]); "
        "sys.exit(status or int('tensorflow' in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ENGINE)}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_inspect_tells_signature_operators_and_labels(trained):
    text = "\n".join(describe(trained.out / "bits" / "model.tflite"))
    assert "serving_default in: image uint8 [1, 8, 8, 1]" in text
    assert "operator SOFTMAX version 1, 1 times" in text
    assert "labels: 0, 1, 2" in text
