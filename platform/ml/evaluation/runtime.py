"""A .tflite file in the LiteRT interpreter, one example at a time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from ml.data.images import Pixels
from ml.refusal import RefusedError

WARM_UP = 20
MEASURED = 300
MEASURED_SECONDS = 2.0


class Latency(TypedDict):
    """Milliseconds an inference (set input, invoke, get output): median and 95th percentile."""

    p50: float
    p95: float


class Runtime:
    """The first signature of a file, which must take one uint8 image and give one vector. Raises RefusedError."""

    def __init__(self, path: Path) -> None:
        try:
            self._interpreter: Any = Interpreter(model_path=str(path), num_threads=1)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise RefusedError("unrunnable_model", f"{path.name} does not run in LiteRT: {error}.") from None
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1 or inputs[0]["dtype"] is not np.uint8:
            raise RefusedError(
                "unsupported_signature",
                f"{path.name} can't be evaluated on images. Received: {len(inputs)} inputs of "
                f"{[str(np.dtype(one['dtype'])) for one in inputs]} and {len(outputs)} outputs. "
                "Accepted: one uint8 input and one output.",
            )
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]
        self.input_shape: tuple[int, ...] = tuple(int(size) for size in inputs[0]["shape"])
        self.output_shape: tuple[int, ...] = tuple(int(size) for size in outputs[0]["shape"])

    def predict(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """The output [classes] for uint8 pixels [height, width, channels]."""
        self._interpreter.set_tensor(self._input, pixels[np.newaxis])
        self._interpreter.invoke()
        result: npt.NDArray[np.float32] = self._interpreter.get_tensor(self._output)[0]
        return result

    def latency(self) -> Latency:
        """Measures on noise; up to 300 inferences or 2 seconds, after a warm-up."""
        pixels = np.random.default_rng(0).integers(0, 256, self.input_shape[1:], dtype=np.uint8)
        for _ in range(WARM_UP):
            self.predict(pixels)
        times: list[float] = []
        end = time.perf_counter() + MEASURED_SECONDS
        while len(times) < MEASURED and (not times or time.perf_counter() < end):
            before = time.perf_counter()
            self.predict(pixels)
            times.append((time.perf_counter() - before) * 1000)
        p50, p95 = np.percentile(times, [50, 95])
        return {"p50": round(float(p50), 4), "p95": round(float(p95), 4)}
