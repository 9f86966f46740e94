"""Makes a converted file smaller without changing what it computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

# What a constant must save at least, to be worth an operator more.
WORTH_BYTES = 512
INT8_MAX = 127
_DEQUANTIZE_VERSION = 2  # the first that takes int8


def compact(content: Any) -> None:
    """Changes an unpacked model (`schema.ModelT`) in place.

    Float constants whose values are small whole multiples of one number, such as the ±1 of a Hadamard matrix or weights
    that were rounded while they were learned, are kept as 8-bit integers, a quarter of the size, and turned back when
    the model runs: the same floats, to the bit. Tables of quantization that say nothing are left out.
    """
    # The bodies of loops are graphs of their own. The runtime turns a constant back once, not in every round.
    for subgraph in content.subgraphs:
        _shorten_constants(content, subgraph)
        for tensor in subgraph.tensors:
            quantization = tensor.quantization
            if quantization is not None and quantization.scale is None and quantization.details is None:
                tensor.quantization = None


def exact_scale(values: npt.NDArray[np.float32]) -> np.float32 | None:
    """The number of which all values are whole multiples, -127 … 127, exactly; None if there is none that is found."""
    magnitudes = np.unique(np.abs(values))
    if not np.isfinite(magnitudes).all() or not magnitudes.any() or len(magnitudes) > INT8_MAX + 1:
        return None
    for scale in _candidates(magnitudes):
        steps = np.round(magnitudes / scale)
        if steps[-1] <= INT8_MAX and np.array_equal((steps * scale).astype(np.float32), magnitudes):
            return scale
    return None


def _candidates(magnitudes: npt.NDArray[np.float32]) -> Iterator[np.float32]:
    """What the scale of sorted magnitudes could be, the largest first.

    Neighbours are often one step apart, else a few. That difference has lost digits; the largest value over the number
    of its steps has not, but for the last one.
    """
    largest = magnitudes[-1]
    nearest = np.diff(magnitudes, prepend=np.float32(0))
    step = float(nearest[nearest > 0].min())
    for parts in range(1, 9):
        count = round(float(largest) * parts / step)
        if count > INT8_MAX:
            return
        near = np.float32(float(largest) / count)
        yield near
        yield np.nextafter(near, np.float32(0))
        yield np.nextafter(near, np.float32(np.inf))


def _shorten_constants(content: Any, subgraph: Any) -> None:
    outer = {*subgraph.inputs.tolist(), *subgraph.outputs.tolist()}
    made = []
    for index in range(len(subgraph.tensors)):
        tensor = subgraph.tensors[index]
        data = content.buffers[tensor.buffer].data
        if (
            tensor.type != schema.TensorType.FLOAT32
            or data is None
            or index in outer
            or len(data) * 3 // 4 < WORTH_BYTES
        ):
            continue
        values = np.frombuffer(np.asarray(data, np.uint8).tobytes(), "<f4")
        scale = exact_scale(values)
        if scale is not None:
            made.append(_as_integers(content, subgraph, index, np.round(values / scale).astype(np.int8), scale))
    subgraph.operators = made + list(subgraph.operators)


def _as_integers(content: Any, subgraph: Any, index: int, steps: npt.NDArray[np.int8], scale: np.float32) -> Any:
    """Keeps the tensor's values as integers in a new constant; gives the operator that turns them back."""
    floats = subgraph.tensors[index]
    integers = schema.TensorT()
    integers.shape, integers.type, integers.hasRank = floats.shape, schema.TensorType.INT8, floats.hasRank
    integers.buffer = len(content.buffers)
    integers.quantization = schema.QuantizationParametersT()
    integers.quantization.scale = np.array([scale], np.float32)
    integers.quantization.zeroPoint = np.array([0], np.int64)
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(steps.tobytes(), np.uint8)
    content.buffers.append(buffer)
    floats.buffer = 0
    subgraph.tensors.append(integers)
    operator = schema.OperatorT()
    operator.opcodeIndex = _opcode(content, schema.BuiltinOperator.DEQUANTIZE, _DEQUANTIZE_VERSION)
    operator.inputs = np.array([len(subgraph.tensors) - 1], np.int32)
    operator.outputs = np.array([index], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.NONE
    return operator


def _opcode(content: Any, code: int, version: int) -> int:
    for index, known in enumerate(content.operatorCodes):
        if known.builtinCode == code and known.version >= version:
            return index
    made = schema.OperatorCodeT()
    made.builtinCode = made.deprecatedBuiltinCode = code
    made.version = version
    content.operatorCodes.append(made)
    return len(content.operatorCodes) - 1
