"""Floating-point operations of one inference, counted from the shapes in a .tflite file without running it.

A multiply-add is two operations, as papers count them, whatever type the numbers have. What moves or converts values
(RESHAPE, GATHER, PAD, CAST, QUANTIZE …) and biases and activations that are fused into another operator count nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log2, prod
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ml.compatibility.flatbuffer import NotAModelError, read_model

Shape = tuple[int, ...]

MAX_DEPTH = 8
_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}

# One operation for each value of the output.
_ELEMENTWISE = (
    "ABS ADD ATAN2 BITWISE_XOR CEIL COMPLEX_ABS COS CUMSUM DIV ELU EQUAL EXP FLOOR FLOOR_DIV FLOOR_MOD GELU GREATER "
    "GREATER_EQUAL HARD_SWISH L2_NORMALIZATION LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR "
    "LOGISTIC LOG_SOFTMAX MAXIMUM MINIMUM MUL NEG NOT_EQUAL POW PRELU RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 "
    "RESIZE_BILINEAR RIGHT_SHIFT ROUND RSQRT SELECT SELECT_V2 SIGN SIN SOFTMAX SQRT SQUARE SQUARED_DIFFERENCE SUB "
    "TANH"
)
# One operation for each value of the input.
_REDUCING = (
    "ARG_MAX ARG_MIN MEAN REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD SEGMENT_SUM SUM "
    "UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_SUM"
)
_POOLING = "AVERAGE_POOL_2D L2_POOL_2D MAX_POOL_2D"
# Each of their matrices is applied once in every step.
_RECURRENT = (
    "BIDIRECTIONAL_SEQUENCE_LSTM BIDIRECTIONAL_SEQUENCE_RNN LSTM RNN SVDF UNIDIRECTIONAL_SEQUENCE_LSTM "
    "UNIDIRECTIONAL_SEQUENCE_RNN"
)
ELEMENTWISE, REDUCING, POOLING, RECURRENT = (
    frozenset(names.split()) for names in (_ELEMENTWISE, _REDUCING, _POOLING, _RECURRENT)
)


def count_flops(path: Path) -> int:
    """The operations of the first signature for the batch that the file declares, which is 1 for exported models.

    The body of a WHILE counts as often as it runs, if its condition compares a counter with a constant, else once. Of
    an IF the branch with more counts. Raises NotAModelError.
    """
    data = path.read_bytes()
    read_model(data)  # checks what the generated readers trust
    try:
        model = schema.Model.GetRootAs(data, 0)
        main = model.SignatureDefs(0).SubgraphIndex() if model.SignatureDefsLength() else 0
        return OperatorCounter(model).subgraph(main)
    except NotAModelError:
        raise
    except Exception as error:  # Damaged offsets make the generated readers raise nearly anything.
        raise NotAModelError(f"the file is damaged or cut off ({type(error).__name__}: {error})") from None


class OperatorCounter:
    """Counts the operations of a checked model, operator by operator."""

    def __init__(self, model: Any) -> None:
        self.model = model
        codes = [model.OperatorCodes(index) for index in range(model.OperatorCodesLength())]
        self.names = [_NAMES.get(max(code.DeprecatedBuiltinCode(), code.BuiltinCode()), "") for code in codes]

    def subgraph(self, index: int, depth: int = 0) -> int:
        """All operations of a subgraph, with those that it calls `depth` levels below the first."""
        if depth > MAX_DEPTH:
            raise NotAModelError(f"subgraphs call each other. Received: depth {depth}. Accepted: up to {MAX_DEPTH}")
        graph = self.model.Subgraphs(index)
        return sum(self.operator(graph, graph.Operators(place), depth) for place in range(graph.OperatorsLength()))

    def operator(self, graph: Any, operator: Any, depth: int) -> int:
        """The operations of one operator, each time that it runs."""
        name = self.names[operator.OpcodeIndex()]
        match name:
            case "WHILE":
                options = options_of(operator, schema.WhileOptions)
                once = self.subgraph(options.BodySubgraphIndex(), depth + 1)
                once += self.subgraph(options.CondSubgraphIndex(), depth + 1)
                return once * self.trips(graph, operator, self.model.Subgraphs(options.CondSubgraphIndex()))
            case "IF":
                options = options_of(operator, schema.IfOptions)
                branches = (options.ThenSubgraphIndex(), options.ElseSubgraphIndex())
                return max(self.subgraph(branch, depth + 1) for branch in branches)
            case "CALL":
                return self.subgraph(options_of(operator, schema.CallOptions).Subgraph(), depth + 1)
        inputs = [shape_of(graph, operator.Inputs(place)) for place in range(operator.InputsLength())]
        outputs = [shape_of(graph, operator.Outputs(place)) for place in range(operator.OutputsLength())]
        if not inputs or not outputs:
            return 0
        if name in ELEMENTWISE:
            return prod(outputs[0])
        if name == "ADD_N":
            return (len(inputs) - 1) * prod(outputs[0])
        if name in REDUCING:
            return prod(inputs[0])
        if name in POOLING:
            options = options_of(operator, schema.Pool2DOptions)
            return prod(outputs[0]) * int(options.FilterHeight() * options.FilterWidth())
        if name in RECURRENT:
            return 2 * prod(inputs[0][:-1]) * self._matrix_values(graph, operator)
        if name == "BATCH_MATMUL":
            options = options_of(operator, schema.BatchMatMulOptions)
            return 2 * prod(outputs[0]) * (inputs[0][-2] if options.AdjX() else inputs[0][-1])
        formula = _FORMULAS.get(name)
        return formula(inputs, outputs[0]) if formula else 0

    def _matrix_values(self, graph: Any, operator: Any) -> int:
        """Entries of all matrices of a recurrent operator; its state, which is two-dimensional as well, is none."""
        indices = [operator.Inputs(place) for place in range(1, operator.InputsLength())]
        shapes = [shape_of(graph, index) for index in indices if index >= 0 and not graph.Tensors(index).IsVariable()]
        return sum(prod(shape) for shape in shapes if len(shape) == 2)

    def trips(self, graph: Any, operator: Any, condition: Any) -> int:
        """How often a WHILE runs: the first comparison `counter < constant` of its condition to fail ends it."""
        given = {condition.Inputs(place): operator.Inputs(place) for place in range(condition.InputsLength())}

        def value(tensor: int) -> int | None:
            constant = self._constant(condition, tensor)
            return self._constant(graph, given[tensor]) if constant is None and tensor in given else constant

        trips = []
        for place in range(condition.OperatorsLength()):
            comparison = condition.Operators(place)
            if self.names[comparison.OpcodeIndex()] == "LESS" and comparison.Inputs(0) in given:
                start, end = value(comparison.Inputs(0)), value(comparison.Inputs(1))
                if end is not None:
                    trips.append(max(end - (start or 0), 0))
        return min(trips, default=1)

    def _constant(self, graph: Any, index: int) -> int | None:
        """The value of a constant that is one whole number, else None."""
        tensor = graph.Tensors(index)
        dtype = {schema.TensorType.INT32: "<i4", schema.TensorType.INT64: "<i8"}.get(tensor.Type())
        content = self.model.Buffers(tensor.Buffer()).DataAsNumpy()
        if dtype is None or not isinstance(content, np.ndarray):
            return None
        values = np.frombuffer(content.tobytes(), dtype)
        return int(values[0]) if values.size == 1 else None


def _convolution(inputs: list[Shape], output: Shape) -> int:
    """Kernels [outputs, …, inputs of a group]."""
    return 2 * prod(output) * prod(inputs[1][1:])


def _convolution_3d(inputs: list[Shape], output: Shape) -> int:
    """Kernels [depth, height, width, inputs, outputs]."""
    return 2 * prod(output) * prod(inputs[1][:-1])


def _transposed(inputs: list[Shape], _output: Shape) -> int:
    """Inputs: the output's shape, kernels, values, each of which spreads over a window of all outputs.

    Kernels [outputs, height, width, inputs], or [depth, height, width, outputs, inputs].
    """
    return 2 * prod(inputs[2]) * prod(inputs[1][:-1])


def _fourier(_inputs: list[Shape], output: Shape) -> int:
    """2.5·N·log₂N for N real values, the usual figure for a fast real transform (fftw.org/speed)."""
    values = output[-2] * 2 * (output[-1] - 1)
    return round(prod(output[:-2]) * 2.5 * values * log2(values)) if values > 1 else 0


_FORMULAS: dict[str, Callable[[list[Shape], Shape], int]] = {
    "CONV_2D": _convolution,
    "CONV_3D": _convolution_3d,
    "CONV_3D_TRANSPOSE": _transposed,
    # Kernels [1, height, width, outputs].
    "DEPTHWISE_CONV_2D": lambda inputs, output: 2 * prod(output) * prod(inputs[1][1:3]),
    # Weights [outputs, inputs].
    "FULLY_CONNECTED": lambda inputs, output: 2 * prod(output) * inputs[1][-1],
    "RFFT2D": _fourier,
    "TRANSPOSE_CONV": _transposed,
}


def shape_of(graph: Any, index: int) -> Shape:
    """The shape of a tensor. Of an input that is left out (index -1), no dimension."""
    shape = graph.Tensors(index).ShapeAsNumpy() if index >= 0 else 0
    return tuple(int(size) for size in shape) if isinstance(shape, np.ndarray) else ()


def options_of(operator: Any, kind: Any) -> Any:
    """The options of an operator, read as the generated class `kind`. Raises NotAModelError if it has none."""
    table = operator.BuiltinOptions()
    if table is None:
        raise NotAModelError(f"an operator has no {kind.__name__}")
    options = kind()
    options.Init(table.Bytes, table.Pos)
    return options
