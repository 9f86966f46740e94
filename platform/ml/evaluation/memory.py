"""The memory that a .tflite file needs in the LiteRT interpreter, measured in a process of its own.

`python -m ml.evaluation.memory FILE` runs the smallest possible model first, then loads FILE and runs it once on zeros.
It prints as JSON by how many bytes each made the peak of the process's resident memory grow. So what the runtime takes
for itself, about 3 MB, is told from what the model takes: the file's own pages, tensors, weights in a second form.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from ml.reporting import Reporter

MEASURE_SECONDS = 60.0


class PeakMemory(TypedDict):
    """Bytes, to some 100 kB: they come in pages, and each kind of operator brings its own code with its first use."""

    peak_bytes: int
    runtime_bytes: int


class _NotMeasuredError(Exception):
    pass


def peak_memory(path: Path, reporter: Reporter | None = None, *, seconds: float = MEASURE_SECONDS) -> PeakMemory | None:
    """None, with a warning to the reporter, where it can't be measured.

    That is, the file does not run, or not within `seconds`, or the system is not Linux.
    """
    try:
        return _measure_apart(path, seconds)
    except _NotMeasuredError as error:
        if reporter is not None:
            reporter.log("warning", f"the memory of {path.name} was not measured: {error}")
        return None


def _measure_apart(path: Path, seconds: float) -> PeakMemory:
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
    command = [sys.executable, "-m", "ml.evaluation.memory", str(path.resolve())]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=seconds, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise _NotMeasuredError(f"it did not run within {seconds:g} seconds") from None
    except OSError as error:
        raise _NotMeasuredError(f"no process could be started ({error.strerror})") from None
    if done.returncode < 0:
        raise _NotMeasuredError(f"the runtime crashed on it (signal {-done.returncode})")
    if done.returncode:
        lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
        raise _NotMeasuredError(lines[-1] if lines else f"the process ended with {done.returncode}")
    measured = json.loads(done.stdout)
    return {"peak_bytes": int(measured["peak_bytes"]), "runtime_bytes": int(measured["runtime_bytes"])}


def smallest_model() -> bytes:
    """A .tflite file of one dense layer of four values without a bias."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    weights = schema.BufferT()
    weights.data = np.frombuffer(np.eye(4, dtype=np.float32).tobytes(), np.uint8)
    dense = schema.OperatorT()
    dense.inputs, dense.outputs = [0, 1, -1], [2]
    dense.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    dense.builtinOptions = schema.FullyConnectedOptionsT()
    graph = schema.SubGraphT()
    graph.tensors = [_tensor(schema, shape, buffer) for shape, buffer in (([1, 4], 0), ([4, 4], 1), ([1, 4], 0))]
    graph.inputs, graph.outputs, graph.operators = [0], [2], [dense]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 1
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT(), weights]
    builder = flatbuffers.Builder(512)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _tensor(schema: Any, shape: list[int], buffer: int) -> Any:
    tensor = schema.TensorT()
    tensor.shape, tensor.buffer = shape, buffer
    return tensor


def _measure(path: str) -> PeakMemory:
    """In this process. Raises ValueError or RuntimeError if the file does not run, OSError where there is no /proc."""
    from ai_edge_litert.interpreter import Interpreter

    content = smallest_model()
    before = _forget_peak()
    runtime = _run(Interpreter(model_content=content, num_threads=1))
    with_runtime = _resident_peak()
    start = _forget_peak()
    model = _run(Interpreter(model_path=path, num_threads=1))
    peak = _resident_peak() - start
    del runtime, model  # both were there all the time
    return {"peak_bytes": peak, "runtime_bytes": with_runtime - before}


def _run(interpreter: Any) -> Any:
    interpreter.allocate_tensors()
    for one in interpreter.get_input_details():
        # Strings have no zeros; LiteRT runs on the empty tensor.
        if one["dtype"] not in (np.bytes_, np.str_):
            interpreter.set_tensor(one["index"], np.zeros(one["shape"], one["dtype"]))
    interpreter.invoke()
    return interpreter


def _forget_peak() -> int:
    """Starts the peak anew from what is resident now, and gives it.

    Where that is refused, as in a sandbox, the peak stays, and only what goes beyond it is seen later.
    """
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _resident_peak()


def _resident_peak() -> int:
    """The largest resident size since the start or `_forget_peak`, in bytes.

    Not `getrusage`, whose figure a process inherits from the one that started it.
    """
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        raise OSError("the system does not say how large the process was")
    return int(found[1]) * 1024


if __name__ == "__main__":
    try:
        sys.stdout.write(json.dumps(_measure(sys.argv[1])) + "\n")
    except (ValueError, RuntimeError, MemoryError, OSError) as error:
        sys.stdout.write(f"{error}".strip().replace("\n", " ")[:500] + "\n")
        raise SystemExit(1) from None
