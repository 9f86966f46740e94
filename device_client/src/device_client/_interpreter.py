"""A model file in LiteRT: loaded, tried once, ready to run."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from device_client._exceptions import ModelLoadError
from device_client._inputs import InputSpec, prepare
from device_client._metadata import read_metadata

SIGNATURE = "serving_default"


@dataclass(frozen=True)
class Scores:
    """One inference: a score for each label, in the order of the output, and how long LiteRT took."""

    scores: dict[str, float]
    latency_ms: float


class LoadedModel:
    """A classifier in memory. Safe to use from several threads; inferences run one after the other.

    The bytes that were hashed are the bytes that run: the file is not read again, so nothing can change it underneath.

    Args:
        content: the .tflite file.

    Raises:
        ModelLoadError: LiteRT can't load it or run it, or it has no signature or output that this client can use.
    """

    def __init__(self, content: bytes) -> None:
        metadata = read_metadata(content)
        try:
            interpreter = Interpreter(model_content=content)
            signatures = interpreter.get_signature_list()
            if not signatures:
                raise ModelLoadError("the model has no signature, so its inputs have no names")
            key = SIGNATURE if SIGNATURE in signatures else next(iter(signatures))
            self._runner = interpreter.get_signature_runner(key)
            inputs, outputs = self._runner.get_input_details(), self._runner.get_output_details()
        except (RuntimeError, ValueError, TypeError, OSError) as error:
            raise ModelLoadError(f"LiteRT can't load the model: {error}") from error
        shapes = dict(metadata.input_shapes)
        self.inputs = {name: _input_spec(name, details, shapes.get(name)) for name, details in inputs.items()}
        self._output, self._scale = _output(outputs)
        self._lock = threading.Lock()
        self.labels = self._labels(metadata.labels)

    def run(self, given: dict[str, Any]) -> Scores:
        """Classify one example.

        Raises:
            InputError: `given` does not fit the model's inputs.
            ModelLoadError: LiteRT fails to run the model.
        """
        prepared = prepare(self.inputs, given)
        started = time.perf_counter()
        values = self._invoke(prepared)
        latency_ms = (time.perf_counter() - started) * 1000
        return Scores(dict(zip(self.labels, values.tolist(), strict=True)), latency_ms)

    def _labels(self, named: tuple[str, ...] | None) -> tuple[str, ...]:
        """The labels, checked against what one inference on zeros gives. This is also the test run of the model."""
        zeros = {name: np.zeros((1, *spec.shape), spec.dtype) for name, spec in self.inputs.items()}
        size = len(self._invoke(zeros))
        if named is None:
            return tuple(str(index) for index in range(size))
        if len(named) != size or len(set(named)) != size:
            raise ModelLoadError(f"the model gives {size} scores but names {len(set(named))} different labels")
        return named

    def _invoke(self, prepared: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
        with self._lock:
            try:
                output = self._runner(**prepared)[self._output]
            except (RuntimeError, ValueError) as error:
                raise ModelLoadError(f"LiteRT can't run the model: {error}") from error
        values = np.asarray(output, dtype=np.float64).reshape(-1)
        scale, zero_point = self._scale
        values = (values - zero_point) * scale
        if not np.isfinite(values).all():
            raise ModelLoadError("the model gave scores that are not finite")
        return values


def _input_spec(name: str, details: dict[str, Any], declared: tuple[int, ...] | None) -> InputSpec:
    shape = tuple(int(size) for size in details["shape"])
    if not shape or shape[0] != 1:
        raise ModelLoadError(f"input {name!r} has shape {shape}; a batch of one, (1, …), is accepted")
    if declared is not None and shape[1:] != declared:
        raise ModelLoadError(f"input {name!r} has shape {shape[1:]}, but the model's metadata says {declared}")
    dtype = np.dtype(details["dtype"])
    if dtype.kind not in "biuf":
        raise ModelLoadError(f"input {name!r} has dtype {dtype}; numbers are accepted")
    return InputSpec(name, shape[1:], dtype)


def _output(outputs: dict[str, Any]) -> tuple[str, tuple[float, int]]:
    """The output that holds the scores, and its quantization as (scale, zero point)."""
    name = "probabilities" if "probabilities" in outputs else next(iter(outputs), None)
    if name is None or (len(outputs) > 1 and name != "probabilities"):
        raise ModelLoadError(f"the model has the outputs {sorted(outputs)}; one, or `probabilities`, is accepted")
    details = outputs[name]
    scale, zero_point = details.get("quantization") or (0.0, 0)
    quantized = np.dtype(details["dtype"]).kind in "iu" and scale
    return name, (float(scale), int(zero_point)) if quantized else (1.0, 0)
