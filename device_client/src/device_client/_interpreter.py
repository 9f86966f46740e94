"""A model file in LiteRT: loaded, tried once, ready to run."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from device_client._answer import TASKS, Answer, read_answer
from device_client._exceptions import ModelLoadError
from device_client._inputs import InputSpec, prepare
from device_client._metadata import InputMetadata, read_metadata

SIGNATURE = "serving_default"
OUTPUTS = ("probabilities", "values")


class LoadedModel:
    """A model in memory. Safe to use from several threads; inferences run one after the other.

    The bytes that were hashed are the bytes that run: the file is not read again, so nothing can change it underneath.

    Args:
        content: the .tflite file.

    Raises:
        ModelLoadError: LiteRT can't load it or run it, or it has no signature, output or task that this client can
            use.
    """

    def __init__(self, content: bytes) -> None:
        metadata = read_metadata(content)
        self.task = _task(metadata.task)
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
        # In the order of the metadata, where they are known: the first one has the steps of a sequence.
        names = [*(name for name in metadata.inputs if name in inputs), *inputs]
        self.inputs = {name: _input_spec(name, inputs[name], metadata.inputs.get(name)) for name in names}
        self._output, self._scale = _output(outputs)
        self._lock = threading.Lock()
        self.labels = self._labels(metadata.labels)

    def run(self, given: dict[str, Any]) -> Answer:
        """The answer for one example.

        Raises:
            InputError: `given` does not fit the model's inputs.
            ModelLoadError: LiteRT fails to run the model.
        """
        prepared = prepare(self.inputs, given)
        started = time.perf_counter()
        output = self._invoke(prepared.arrays)
        latency_ms = (time.perf_counter() - started) * 1000
        return read_answer(self.task, output, self.labels, steps=prepared.steps, latency_ms=latency_ms)

    def _labels(self, named: tuple[str, ...] | None) -> tuple[str, ...]:
        """The labels, checked against what one inference on zeros gives. This is also the test run of the model."""
        zeros = {name: np.zeros((1, *spec.shape), spec.dtype) for name, spec in self.inputs.items()}
        output = self._invoke(zeros)
        if self.task == "regression":
            return ()
        if self.task == "sequence" and output.ndim != 2:
            raise ModelLoadError(f"the model gives {output.shape}; steps and labels of a sequence are accepted")
        size = output.shape[1] if self.task == "sequence" else output.size
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
        values = np.asarray(output, dtype=np.float64)
        values = values[0] if values.ndim > 1 else values
        scale, zero_point = self._scale
        values = (values - zero_point) * scale
        if not np.isfinite(values).all():
            raise ModelLoadError("the model gave numbers that are not finite")
        return values


def _task(named: str | None) -> str:
    task = named or "classification"
    if task not in TASKS:
        raise ModelLoadError(f"the model's task is {task!r}, which this client does not know; {', '.join(TASKS)} are")
    return task


def _input_spec(name: str, details: dict[str, Any], declared: InputMetadata | None) -> InputSpec:
    shape = tuple(int(size) for size in details["shape"])
    if not shape or shape[0] != 1:
        raise ModelLoadError(f"input {name!r} has shape {shape}; a batch of one, (1, …), is accepted")
    declared = declared or InputMetadata()
    if declared.shape is not None and shape[1:] != declared.shape:
        raise ModelLoadError(f"input {name!r} has shape {shape[1:]}, but the model's metadata says {declared.shape}")
    dtype = np.dtype(details["dtype"])
    if dtype.kind not in "biuf":
        raise ModelLoadError(f"input {name!r} has dtype {dtype}; numbers are accepted")
    return InputSpec(name, shape[1:], dtype, declared.type, declared.sample_rate)


def _output(outputs: dict[str, Any]) -> tuple[str, tuple[float, int]]:
    """The output that holds the scores or values, and its quantization as (scale, zero point)."""
    named = [name for name in OUTPUTS if name in outputs] or list(outputs)
    if len(named) != 1:
        accepted = " or ".join(f"`{name}`" for name in OUTPUTS)
        raise ModelLoadError(f"the model has the outputs {sorted(outputs)}; one, or {accepted}, is accepted")
    name = named[0]
    details = outputs[name]
    scale, zero_point = details.get("quantization") or (0.0, 0)
    quantized = np.dtype(details["dtype"]).kind in "iu" and scale
    return name, (float(scale), int(zero_point)) if quantized else (1.0, 0)
