"""The operations of a .tflite file, as a device profile knows them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from ml.compatibility.flatbuffer import read_model
from ml.evaluation.flops import RECURRENT, OperatorCounter, options_of, shape_of
from ml.profiling.device_profile import DeviceProfile
from ml.profiling.reference_models import Kind, Number

_CONVOLUTIONS = frozenset({"CONV_2D", "CONV_3D", "CONV_3D_TRANSPOSE", "TRANSPOSE_CONV"})
_PRODUCTS = frozenset({"FULLY_CONNECTED", "BATCH_MATMUL"}) | RECURRENT
# Value by value, in the runtime's plain kernels.
_SCALAR = frozenset(
    {
        "CUMSUM",
        "FLOOR_DIV",
        "FLOOR_MOD",
        "LOG",
        "SEGMENT_SUM",
        "UNSORTED_SEGMENT_MAX",
        "UNSORTED_SEGMENT_MIN",
        "UNSORTED_SEGMENT_PROD",
        "UNSORTED_SEGMENT_SUM",
    }
)
_CONTROL = frozenset({"WHILE", "IF", "CALL"})


@dataclass(frozen=True)
class Operation:
    """`millions` as in `Speed`; `outputs`: channels of the result; `times`: how often it runs in an inference."""

    kind: Kind
    number: Number
    millions: float
    outputs: int
    times: int = 1

    def ms(self, profile: DeviceProfile) -> float:
        """Milliseconds, all times together."""
        speed = profile.speed(self.kind, self.number)
        millions = self.millions * speed.padded(self.outputs) / self.outputs
        return self.times * (speed.overhead_ms + speed.ms_per_million * millions)


def operations(path: Path) -> list[Operation]:
    """Those of the first signature. Raises NotAModelError."""
    data = path.read_bytes()
    read_model(data)  # checks what the generated readers trust
    model = schema.Model.GetRootAs(data, 0)
    listing = _Listing(model)
    listing.subgraph(model.SignatureDefs(0).SubgraphIndex() if model.SignatureDefsLength() else 0)
    return listing.found


class _Listing(OperatorCounter):
    """Counts as its base does, and keeps what it counted."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.found: list[Operation] = []

    def operator(self, graph: Any, operator: Any, depth: int) -> int:
        name = self.names[operator.OpcodeIndex()]
        before = len(self.found)
        flops = super().operator(graph, operator, depth)
        if name == "WHILE":
            options = options_of(operator, schema.WhileOptions)
            trips = self.trips(graph, operator, self.model.Subgraphs(options.CondSubgraphIndex()))
            self.found[before:] = [replace(one, times=one.times * trips) for one in self.found[before:]]
        elif name not in _CONTROL and operator.OutputsLength():
            self.found.append(_operation(name, graph, operator, flops))
        return flops


def _operation(name: str, graph: Any, operator: Any, flops: int) -> Operation:
    shape = shape_of(graph, operator.Outputs(0))
    outputs, values = max(shape[-1] if shape else 1, 1), prod(shape)
    number = _number(graph.Tensors(operator.Outputs(0)).Type())
    if name in _CONVOLUTIONS:
        return Operation("convolution", number, flops / 1e6, outputs)
    if name == "DEPTHWISE_CONV_2D":
        return Operation("depthwise", number, flops / 1e6, outputs)
    if name in _PRODUCTS:
        # Of one row, reading the weights takes the time; of several, each weight is used often, as in a convolution.
        return Operation("dense" if values == outputs else "convolution", number, flops / 1e6, outputs)
    if name == "RFFT2D":
        return Operation("fourier", "float32", flops / 1e6, 1)
    if name in _SCALAR:
        first = prod(shape_of(graph, operator.Inputs(0)))
        return Operation("scalar", "int32", max(first, values) / 1e6, 1)
    if flops:
        return Operation("elementwise", number, max(flops, values) / 1e6, 1)
    return Operation("moving", number, values / 1e6, 1)


def _number(dtype: int) -> Number:
    if dtype in (schema.TensorType.FLOAT32, schema.TensorType.FLOAT16):
        return "float32"
    return "int8" if dtype in (schema.TensorType.INT8, schema.TensorType.UINT8) else "int32"
