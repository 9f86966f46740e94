"""Small real .tflite files, written with LiteRT's own schema: no TensorFlow, a few kilobytes, milliseconds to make."""

from __future__ import annotations

import json
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

LABELS = tuple("0123456789")
_TYPES = {
    "uint8": schema.TensorType.UINT8,
    "int16": schema.TensorType.INT16,
    "float32": schema.TensorType.FLOAT32,
    "int64": schema.TensorType.INT64,
}


def digits_model(
    *,
    seed: int = 7,
    labels: tuple[str, ...] | None = LABELS,
    shape: tuple[int, ...] = (8, 8, 1),
    dtype: str = "uint8",
    classes: int = 10,
    metadata: dict[str, Any] | str | None = "standard",
    signature: bool = True,
    min_runtime: str = "2.17.0",
) -> bytes:
    """A softmax over a linear layer with random weights: `image` (1, *shape) in, `probabilities` (1, classes) out.

    Another seed gives another model with other answers. `metadata="standard"` writes what the platform writes.
    """
    features = int(np.prod(shape))
    weights = np.random.default_rng(seed).normal(0, 0.003, (classes, features)).astype(np.float32)
    builder = _Builder()
    image = builder.tensor("image", (1, *shape), dtype)
    pixels = image
    if dtype != "float32":
        pixels = builder.tensor("pixels", (1, *shape), "float32")
        builder.operator(schema.BuiltinOperator.CAST, 1, [image], [pixels])
    kernel = builder.tensor("kernel", weights.shape, "float32", weights.tobytes())
    bias = builder.tensor("bias", (classes,), "float32", np.zeros(classes, np.float32).tobytes())
    logits = builder.tensor("logits", (1, classes), "float32")
    dense = schema.FullyConnectedOptionsT()
    builder.operator(
        schema.BuiltinOperator.FULLY_CONNECTED,
        1,
        [pixels, kernel, bias],
        [logits],
        (schema.BuiltinOptions.FullyConnectedOptions, dense),
    )
    probabilities = builder.tensor("probabilities", (1, classes), "float32")
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    builder.operator(
        schema.BuiltinOperator.SOFTMAX, 1, [logits], [probabilities], (schema.BuiltinOptions.SoftmaxOptions, softmax)
    )
    if metadata == "standard":
        metadata = {
            "version": 1,
            "task": "classification",
            "labels": list(labels) if labels is not None else None,
            "inputs": [{"name": "image", "type": "image", "shape": list(shape), "dtype": dtype}],
            "outputs": [{"name": "probabilities"}],
            "model_id": "small",
        }
    entries = {"min_runtime_version": min_runtime.encode()}
    if metadata is not None:
        entries["bantam"] = (metadata if isinstance(metadata, str) else json.dumps(metadata)).encode()
    return builder.file({"image": image}, {"probabilities": probabilities}, entries, signature=signature)


def linear_model(
    task: str,
    inputs: list[dict[str, Any]],
    weights: list[np.ndarray],
    *,
    labels: tuple[str, ...] = (),
    steps: int | None = None,
) -> bytes:
    """A model of any task whose output is Σ weights · input: softmax or sigmoid of it, or it itself in a regression.

    `inputs` are entries of the metadata; `weights` [outputs, values of the input], one for each. A sequence has
    outputs = steps · labels.
    """
    builder = _Builder()
    indices, added = {}, None
    for about, kernel in zip(inputs, weights, strict=True):
        raw = indices[about["name"]] = builder.tensor(about["name"], (1, *about["shape"]), about["dtype"])
        values = raw
        if about["dtype"] != "float32":
            values = builder.tensor(f"{about['name']}_float", (1, *about["shape"]), "float32")
            builder.operator(schema.BuiltinOperator.CAST, 1, [raw], [values])
        product = builder.product(values, kernel)
        if added is not None:
            total = builder.tensor("sum", (1, len(kernel)), "float32")
            add = (schema.BuiltinOptions.AddOptions, schema.AddOptionsT())
            builder.operator(schema.BuiltinOperator.ADD, 1, [added, product], [total], add)
            product = total
        added = product
    assert added is not None
    shape: tuple[int, ...] = (1, len(weights[0]))
    if steps is not None:
        shape = (1, steps, shape[1] // steps)
        added = builder.reshaped(added, shape)
    name = "values" if task == "regression" else "probabilities"
    output = added
    if task == "multi_label":
        output = builder.tensor(name, shape, "float32")
        builder.operator(schema.BuiltinOperator.LOGISTIC, 1, [added], [output])
    elif task != "regression":
        output = builder.tensor(name, shape, "float32")
        softmax = schema.SoftmaxOptionsT()
        softmax.beta = 1.0
        options = (schema.BuiltinOptions.SoftmaxOptions, softmax)
        builder.operator(schema.BuiltinOperator.SOFTMAX, 1, [added], [output], options)
    metadata = {
        "version": 1,
        "task": task,
        "labels": list(labels),
        "inputs": inputs,
        "outputs": [{"name": name}],
        "model_id": "linear",
    }
    return builder.file(indices, {name: output}, {"bantam": json.dumps(metadata).encode()}, signature=True)


def unknown_op_model() -> bytes:
    """A valid file whose only operator has a version that no runtime knows."""
    builder = _Builder()
    image = builder.tensor("image", (1, 8, 8, 1), "uint8")
    probabilities = builder.tensor("probabilities", (1, 8, 8, 1), "float32")
    builder.operator(schema.BuiltinOperator.CAST, 99, [image], [probabilities])
    return builder.file({"image": image}, {"probabilities": probabilities}, {}, signature=True)


class _Builder:
    def __init__(self) -> None:
        self._buffers = [schema.BufferT()]  # the format wants an empty buffer 0
        self._tensors: list[Any] = []
        self._codes: list[Any] = []
        self._operators: list[Any] = []

    def tensor(self, name: str, shape: tuple[int, ...], dtype: str, data: bytes | None = None) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name.encode(), list(shape), _TYPES[dtype]
        tensor.buffer = self._buffer(data) if data is not None else 0
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def operator(
        self, code: int, version: int, inputs: list[int], outputs: list[int], options: tuple[int, Any] | None = None
    ) -> None:
        operator_code = schema.OperatorCodeT()
        operator_code.builtinCode, operator_code.version = code, version
        operator_code.deprecatedBuiltinCode = min(code, 127)
        self._codes.append(operator_code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self._codes) - 1
        operator.inputs, operator.outputs = inputs, outputs
        if options is not None:
            operator.builtinOptionsType, operator.builtinOptions = options
        self._operators.append(operator)

    def product(self, values: int, weights: np.ndarray) -> int:
        """weights [outputs, values] · values."""
        kernel = self.tensor("kernel", weights.shape, "float32", weights.astype(np.float32).tobytes())
        bias = self.tensor("bias", (len(weights),), "float32", np.zeros(len(weights), np.float32).tobytes())
        output = self.tensor("product", (1, len(weights)), "float32")
        options = (schema.BuiltinOptions.FullyConnectedOptions, schema.FullyConnectedOptionsT())
        self.operator(schema.BuiltinOperator.FULLY_CONNECTED, 1, [values, kernel, bias], [output], options)
        return output

    def reshaped(self, values: int, shape: tuple[int, ...]) -> int:
        output = self.tensor("reshaped", shape, "float32")
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        self.operator(
            schema.BuiltinOperator.RESHAPE, 1, [values], [output], (schema.BuiltinOptions.ReshapeOptions, options)
        )
        return output

    def file(
        self, inputs: dict[str, int], outputs: dict[str, int], metadata: dict[str, bytes], *, signature: bool
    ) -> bytes:
        graph = schema.SubGraphT()
        graph.tensors, graph.operators, graph.name = self._tensors, self._operators, b"main"
        graph.inputs, graph.outputs = list(inputs.values()), list(outputs.values())
        model = schema.ModelT()
        model.version, model.description = 3, b"test model"
        model.subgraphs, model.operatorCodes = [graph], self._codes
        model.metadata = [self._metadata(name, data) for name, data in metadata.items()]
        model.buffers = self._buffers
        if signature:
            model.signatureDefs = [_signature(inputs, outputs)]
        builder = flatbuffers.Builder(4096)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _buffer(self, data: bytes) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data, np.uint8)
        self._buffers.append(buffer)
        return len(self._buffers) - 1

    def _metadata(self, name: str, data: bytes) -> Any:
        entry = schema.MetadataT()
        entry.name, entry.buffer = name.encode(), self._buffer(data)
        return entry


def _signature(inputs: dict[str, int], outputs: dict[str, int]) -> Any:
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    signature.inputs = [_tensor_map(name, index) for name, index in inputs.items()]
    signature.outputs = [_tensor_map(name, index) for name, index in outputs.items()]
    return signature


def _tensor_map(name: str, index: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name.encode(), index
    return entry
