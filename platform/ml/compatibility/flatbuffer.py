"""What a .tflite file declares, read from its flatbuffer without trusting a byte of it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

# Sanity limits: counts above these are damage, not models.
MAX_OPERATORS = 1_000_000
MAX_METADATA_BYTES = 16_000_000

_OPERATOR_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
_TYPE_NAMES = {value: name.lower() for name, value in vars(schema.TensorType).items() if not name.startswith("_")}


class NotAModelError(Exception):
    """The bytes are not a .tflite flatbuffer that can be read; the message says why."""


@dataclass(frozen=True)
class TensorInfo:
    """One input or output: -1 in `shape` stands for any size."""

    name: str
    shape: list[int]
    dtype: str


@dataclass(frozen=True)
class SignatureInfo:
    name: str
    inputs: list[TensorInfo]
    outputs: list[TensorInfo]


@dataclass(frozen=True)
class ModelInfo:
    """`operators` counts (name, version); `custom` names operators that are no builtins."""

    operators: Counter[tuple[str, int]]
    custom: list[str]
    signatures: list[SignatureInfo]
    inputs: list[TensorInfo]
    outputs: list[TensorInfo]
    metadata: dict[str, bytes] = field(repr=False)

    @property
    def bantam(self) -> dict[str, Any] | None:
        """The platform's own metadata, or None if there is none that is a JSON object."""
        try:
            content = json.loads(self.metadata["bantam"])
        except (KeyError, ValueError, RecursionError):
            return None
        return content if isinstance(content, dict) else None

    @property
    def converter_runtime(self) -> str | None:
        """The minimum runtime that the converter wrote down, if it did so legibly."""
        text = self.metadata.get("min_runtime_version", b"").rstrip(b"\0").decode("ascii", "replace")
        return text if text and all(part.isdigit() for part in text.split(".")) else None


def read_model(data: bytes) -> ModelInfo:
    """Reads the parts that a check needs. Raises NotAModelError for anything that is not a sound .tflite file."""
    if len(data) < 8 or data[4:8] != b"TFL3":
        seen = data[4:8].hex(" ") if len(data) >= 8 else f"{len(data)} bytes"
        raise NotAModelError(
            f"the file is not a .tflite model. Received: {seen} where the mark 'TFL3' belongs. Accepted: a .tflite file"
        )
    try:
        return _read(data)
    except NotAModelError:
        raise
    except Exception as error:  # Damaged offsets make the generated readers raise nearly anything.
        raise NotAModelError(f"the file is damaged or cut off ({type(error).__name__}: {error})") from None


def _read(data: bytes) -> ModelInfo:
    model = schema.Model.GetRootAs(data, 0)
    if model.SubgraphsLength() < 1:
        raise NotAModelError("the model has no subgraph")
    codes = [_operator_code(model.OperatorCodes(index)) for index in range(_sound(model.OperatorCodesLength(), data))]
    operators: Counter[tuple[str, int]] = Counter()
    for index in range(_sound(model.SubgraphsLength(), data)):
        subgraph = model.Subgraphs(index)
        for position in range(_sound(subgraph.OperatorsLength(), data)):
            operators[codes[subgraph.Operators(position).OpcodeIndex()][:2]] += 1
    main = model.Subgraphs(0)
    signatures = [
        _signature(model, model.SignatureDefs(index)) for index in range(_sound(model.SignatureDefsLength(), data))
    ]
    metadata = {}
    for index in range(_sound(model.MetadataLength(), data)):
        entry = model.Metadata(index)
        content = model.Buffers(entry.Buffer()).DataAsNumpy()
        if isinstance(content, np.ndarray) and content.size <= MAX_METADATA_BYTES:
            metadata[(entry.Name() or b"").decode("utf-8", "replace")] = content.tobytes()
    return ModelInfo(
        operators=operators,
        custom=sorted({name for name, _, is_custom in codes if is_custom}),
        signatures=signatures,
        inputs=[_tensor(main, main.Inputs(index)) for index in range(_sound(main.InputsLength(), data))],
        outputs=[_tensor(main, main.Outputs(index)) for index in range(_sound(main.OutputsLength(), data))],
        metadata=metadata,
    )


def _sound(count: int, data: bytes) -> int:
    """A vector's length, if the file is long enough to hold it: each entry takes four bytes at least."""
    if not 0 <= count <= min(MAX_OPERATORS, len(data) // 4):
        raise NotAModelError(f"the file is damaged: it claims {count} entries in a list")
    return count


def _operator_code(code: Any) -> tuple[str, int, bool]:
    # Old files hold the code in a byte, new ones in an integer; the larger one counts.
    builtin = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
    if builtin == schema.BuiltinOperator.CUSTOM:
        return (code.CustomCode() or b"unnamed").decode("utf-8", "replace"), code.Version(), True
    return _OPERATOR_NAMES.get(builtin, f"BUILTIN_{builtin}"), code.Version(), False


def _tensor(subgraph: Any, index: int, name: bytes | None = None) -> TensorInfo:
    if not 0 <= index < subgraph.TensorsLength():
        raise NotAModelError(f"the file is damaged: it refers to tensor {index} of {subgraph.TensorsLength()}")
    tensor = subgraph.Tensors(index)
    shape = tensor.ShapeSignatureAsNumpy() if tensor.ShapeSignatureLength() else tensor.ShapeAsNumpy()
    return TensorInfo(
        name=((tensor.Name() if name is None else name) or b"").decode("utf-8", "replace"),
        shape=shape.tolist() if isinstance(shape, np.ndarray) else [],
        dtype=_TYPE_NAMES.get(tensor.Type(), f"type_{tensor.Type()}"),
    )


def _signature(model: Any, definition: Any) -> SignatureInfo:
    subgraph = model.Subgraphs(definition.SubgraphIndex())

    def tensors(count: int, entry: Any) -> list[TensorInfo]:
        maps = [entry(index) for index in range(count)]
        return [_tensor(subgraph, one.TensorIndex(), one.Name()) for one in maps]

    return SignatureInfo(
        name=(definition.SignatureKey() or b"").decode("utf-8", "replace"),
        inputs=tensors(definition.InputsLength(), definition.Inputs),
        outputs=tensors(definition.OutputsLength(), definition.Outputs),
    )
