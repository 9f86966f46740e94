"""A .tflite file in the LiteRT interpreter."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from ml.refusal import RefusedError

WARM_UP = 20
MEASURED = 300
MEASURED_SECONDS = 2.0

Inputs = Mapping[str, npt.NDArray[np.generic]]


class Latency(TypedDict):
    """Milliseconds an inference (set input, invoke, get output): median and 95th percentile."""

    p50: float
    p95: float


class Runtime:
    """The first signature of a file, which must give one output. Raises RefusedError.

    `inputs`: name → shape and dtype of one example, without the batch; `output_shape` likewise.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._interpreter: Any = Interpreter(model_path=str(path), num_threads=1)
            self._interpreter.allocate_tensors()
            signatures = self._interpreter.get_signature_list()
            runner = self._interpreter.get_signature_runner(next(iter(signatures), None))
        except (ValueError, RuntimeError) as error:
            raise RefusedError("unrunnable_model", f"{path.name} does not run in LiteRT: {error}.") from None
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        if len(outputs) != 1 or any(details["shape"][0] != 1 for details in inputs.values()):
            raise RefusedError(
                "unsupported_signature",
                f"{path.name} can't be evaluated. Received: {len(inputs)} inputs and {len(outputs)} outputs. "
                "Accepted: inputs of one example each, (1, …), and one output.",
            )
        self.inputs: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {
            name: (tuple(int(size) for size in details["shape"][1:]), np.dtype(details["dtype"]))
            for name, details in inputs.items()
        }
        self._indices = {name: details["index"] for name, details in inputs.items()}
        output = next(iter(outputs.values()))
        self._output = output["index"]
        self._scale, self._zero_point = _quantization(output)
        self.output_shape: tuple[int, ...] = tuple(int(size) for size in output["shape"][1:])

    def predict(self, inputs: Inputs) -> npt.NDArray[np.float32]:
        """The output for the raw values of one example, by input name."""
        for name, index in self._indices.items():
            self._interpreter.set_tensor(index, inputs[name][np.newaxis])
        self._interpreter.invoke()
        return self._numbers(self._interpreter.get_tensor(self._output)[0])

    def for_batch(self, size: int) -> Callable[[Sequence[Inputs]], npt.NDArray[np.float32]] | None:
        """A function from the raw values of `size` examples to their outputs [size, …]; None: the file takes one only.

        Whether it answers the same as `predict` is the caller's to try: a file may mix up the examples of a batch.
        """
        try:
            interpreter: Any = Interpreter(model_path=str(self._path), num_threads=1)
            for name, index in self._indices.items():
                interpreter.resize_tensor_input(index, [size, *self.inputs[name][0]])
            interpreter.allocate_tensors()
            noise = [{name: _noise(shape, dtype) for name, (shape, dtype) in self.inputs.items()}] * size
            run = partial(self._run_batch, interpreter)
            return run if run(noise).shape == (size, *self.output_shape) else None
        except (ValueError, RuntimeError):
            return None

    def _run_batch(self, interpreter: Any, rows: Sequence[Inputs]) -> npt.NDArray[np.float32]:
        for name, index in self._indices.items():
            interpreter.set_tensor(index, np.stack([inputs[name] for inputs in rows]))
        interpreter.invoke()
        return self._numbers(interpreter.get_tensor(self._output))

    def _numbers(self, result: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        if self._scale:
            result = (result.astype(np.float32) - self._zero_point) * self._scale
        return np.asarray(result, np.float32)

    def latency(self) -> Latency:
        """Measures on noise; up to 300 inferences or 2 seconds, after a warm-up."""
        inputs = {name: _noise(shape, dtype) for name, (shape, dtype) in self.inputs.items()}
        for _ in range(WARM_UP):
            self.predict(inputs)
        times: list[float] = []
        end = time.perf_counter() + MEASURED_SECONDS
        while len(times) < MEASURED and (not times or time.perf_counter() < end):
            before = time.perf_counter()
            self.predict(inputs)
            times.append((time.perf_counter() - before) * 1000)
        p50, p95 = np.percentile(times, [50, 95])
        return {"p50": round(float(p50), 4), "p95": round(float(p95), 4)}


def _quantization(output: Mapping[str, Any]) -> tuple[float, int]:
    """Scale and zero point of an integer output; a scale of 0 for one that holds numbers already."""
    scale, zero_point = output.get("quantization") or (0.0, 0)
    return (float(scale), int(zero_point)) if np.dtype(output["dtype"]).kind in "iu" else (0.0, 0)


def _noise(shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[np.generic]:
    generator = np.random.default_rng(0)
    if dtype.kind == "f":
        return generator.normal(size=shape).astype(dtype)
    limits = np.iinfo(dtype)
    return generator.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
