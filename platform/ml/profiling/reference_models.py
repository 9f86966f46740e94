"""Small .tflite files of one repeated operation, which show a device's speed. No TensorFlow: devices run this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

# elementwise: what processors do on several values at once; scalar: what the runtime does value by value.
Kind = Literal["convolution", "depthwise", "dense", "elementwise", "scalar", "moving", "fourier"]
Number = Literal["float32", "int8", "int32"]
Shape = tuple[int, ...]

_SCALE = 0.05


@dataclass(frozen=True)
class Reference:
    """`repeats` operations of one kind on values of `shape`, which has the batch of 1 in front.

    They work one after the other, each on what the last one gives; Fourier transforms, which give something else, all
    on the same input, and then there is one elementwise operation for the output.
    """

    kind: Kind
    shape: Shape
    kernel: int = 1
    number: Number = "float32"
    repeats: int = 6


def reference_model(reference: Reference) -> bytes:
    """The .tflite file, with one signature from "x" to "y"."""
    return _Builder(reference).model()


class _Builder:
    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._is_int8 = reference.number == "int8"
        self._generator = np.random.default_rng(0)
        self._buffers: list[Any] = [schema.BufferT()]
        self._tensors: list[Any] = []
        self._codes: list[Any] = []

    def model(self) -> bytes:
        reference = self._reference
        operators = []
        first = current = self._values(reference.shape)
        for _ in range(reference.repeats):
            constants = self._constants(reference.kind)
            following = self._values(reference.shape) if reference.kind != "fourier" else self._spectrum()
            operators.append(self._operator(reference.kind, [current, *constants], following))
            current = following if reference.kind != "fourier" else first
        if reference.kind == "fourier":
            current = self._values(reference.shape)
            operators.append(self._operator("elementwise", [first, *self._constants("elementwise")], current))
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self._tensors, operators
        graph.inputs, graph.outputs = [first], [current]
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = "serving_default", 0
        signature.inputs, signature.outputs = [_named("x", first)], [_named("y", current)]
        model = schema.ModelT()
        model.version, model.operatorCodes, model.subgraphs = 3, self._codes, [graph]
        model.buffers, model.signatureDefs = self._buffers, [signature]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _constants(self, kind: Kind) -> list[int]:
        shape, kernel = self._reference.shape, self._reference.kernel
        channels = shape[-1]
        match kind:
            case "convolution":
                # One pixel wide is a sequence, whose kernels are one wide as well.
                sides = (kernel, 1 if shape[2] == 1 else kernel)
                return self._weights((channels, *sides, channels), axis=0)
            case "depthwise":
                return self._weights((1, kernel, 1 if shape[2] == 1 else kernel, channels), axis=3)
            case "dense":
                return self._weights((channels, channels), axis=0)
            case "elementwise":
                ones = np.ones(shape, np.int32) if self._reference.number == "int32" else np.ones(shape, np.float32)
                return [self._constant(ones)]
            case "scalar":
                return [self._constant(np.full(shape, 9973, np.int32))]
            case "fourier":
                return [self._constant(np.array([1, channels], np.int32))]
            case "moving":
                order = np.arange(len(shape), dtype=np.int32)
                order[-2:] = order[-2:][::-1]
                return [self._constant(order)]

    def _weights(self, shape: Shape, *, axis: int) -> list[int]:
        """Kernels and biases; of int8 with a scale for each output."""
        outputs = shape[axis]
        if not self._is_int8:
            values = self._generator.normal(0.0, 0.1, shape).astype(np.float32)
            return [self._constant(values), self._constant(np.zeros(outputs, np.float32))]
        integers = self._generator.integers(-127, 128, shape, dtype=np.int8)
        return [
            self._constant(integers, scales=[0.01] * outputs, axis=axis),
            self._constant(np.zeros(outputs, np.int32), scales=[0.01 * _SCALE] * outputs),
        ]

    def _operator(self, kind: Kind, inputs: Sequence[int], output: int) -> Any:
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(_CODES[kind])
        operator.inputs, operator.outputs = list(inputs), [output]
        match kind:
            case "convolution":
                options = schema.Conv2DOptionsT()
                options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
            case "depthwise":
                options = schema.DepthwiseConv2DOptionsT()
                options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
                options.depthMultiplier = 1
            case "dense":
                options = schema.FullyConnectedOptionsT()
                options.keepNumDims = True
            case "elementwise":
                options = schema.MulOptionsT()
            case "scalar":
                options = schema.FloorModOptionsT()
            case "fourier":
                options = schema.Rfft2dOptionsT()
            case "moving":
                options = schema.TransposeOptionsT()
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        operator.builtinOptions = options
        return operator

    def _code(self, operator: int) -> int:
        """The operator's place among those of the file."""
        for index, known in enumerate(self._codes):
            if known.builtinCode == operator:
                return index
        code = schema.OperatorCodeT()
        # Codes once were bytes; runtimes take the larger of the two.
        code.builtinCode, code.deprecatedBuiltinCode = operator, min(operator, 127)
        # int8 came with the third version of these operators.
        code.version = 3 if self._is_int8 else 1
        self._codes.append(code)
        return len(self._codes) - 1

    def _spectrum(self) -> int:
        *others, values = self._reference.shape
        return self._tensor((*others, values // 2 + 1), schema.TensorType.COMPLEX64, buffer=0)

    def _values(self, shape: Shape) -> int:
        """What flows between the operations."""
        return self._tensor(shape, _TYPES[self._reference.number], buffer=0, scales=[_SCALE] if self._is_int8 else [])

    def _constant(self, values: npt.NDArray[np.generic], *, scales: Sequence[float] = (), axis: int = 0) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self._buffers.append(buffer)
        return self._tensor(
            values.shape, _TYPES[str(values.dtype)], buffer=len(self._buffers) - 1, scales=scales, axis=axis
        )

    def _tensor(
        self, shape: Sequence[int], dtype: int, *, buffer: int, scales: Sequence[float] = (), axis: int = 0
    ) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer, tensor.hasRank = list(shape), dtype, buffer, True
        if scales:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.array(scales, np.float32)
            tensor.quantization.zeroPoint = np.zeros(len(scales), np.int64)
            tensor.quantization.quantizedDimension = axis
        self._tensors.append(tensor)
        return len(self._tensors) - 1


def _named(name: str, tensor: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, tensor
    return entry


_CODES: dict[Kind, int] = {
    "convolution": schema.BuiltinOperator.CONV_2D,
    "depthwise": schema.BuiltinOperator.DEPTHWISE_CONV_2D,
    "dense": schema.BuiltinOperator.FULLY_CONNECTED,
    "elementwise": schema.BuiltinOperator.MUL,
    "scalar": schema.BuiltinOperator.FLOOR_MOD,
    "moving": schema.BuiltinOperator.TRANSPOSE,
    "fourier": schema.BuiltinOperator.RFFT2D,
}
_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int8": schema.TensorType.INT8,
    "int32": schema.TensorType.INT32,
}
