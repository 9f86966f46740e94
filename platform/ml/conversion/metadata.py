"""What a .tflite file says about itself: labels and inputs, in a flatbuffer metadata entry named `bantam`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers.number_types import UOffsetTFlags
from pydantic import BaseModel, ConfigDict

from ml.conversion.compacting import compact
from ml.features import FeatureSpec, FeatureType
from ml.tasks import TaskSpec, TaskType

ENTRY = b"bantam"
_KEPT = {b"min_runtime_version"}
_ALIGNMENT = 16


class InputMetadata(BaseModel):
    """One input: raw values of `dtype` in `shape`, without the batch, as `ml.features.FeatureSpec` says."""

    model_config = ConfigDict(frozen=True)

    name: str
    type: FeatureType = "image"
    shape: tuple[int, ...]
    dtype: Literal["uint8", "int16", "float32"] = "uint8"
    sample_rate: int | None = None

    @classmethod
    def of(cls, feature: FeatureSpec) -> Self:
        """The input that takes a feature."""
        about = {"name": feature.name, "type": feature.type, "shape": feature.shape}
        return cls.model_validate({**about, "dtype": str(np.dtype(feature.dtype)), "sample_rate": feature.sample_rate})


class OutputMetadata(BaseModel):
    """One output: float32 [1, number of labels], or [1, steps, number of labels] of a sequence."""

    model_config = ConfigDict(frozen=True)

    name: str


class ModelMetadata(BaseModel):
    """The content of the entry, as JSON. `labels` are in the order of the output's values; a regression has none."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    task: TaskType = "classification"
    labels: list[str]
    inputs: list[InputMetadata]
    outputs: list[OutputMetadata]
    model_id: str

    @classmethod
    def of(cls, task: TaskSpec, features: Sequence[FeatureSpec], classes: Sequence[str], *, model_id: str) -> Self:
        """What a model of this task says about itself."""
        return cls(
            task=task.type,
            labels=list(classes),
            inputs=[InputMetadata.of(feature) for feature in features],
            outputs=[OutputMetadata(name=output_name(task))],
            model_id=model_id,
        )


def output_name(task: TaskSpec) -> str:
    """How the one output is called."""
    return "values" if task.type == "regression" else "probabilities"


class _AlignedBuilder(flatbuffers.Builder):  # type: ignore[misc]
    """Puts byte vectors on 16-byte boundaries, as the schema's `force_align` asks; the Python generator ignores it."""

    def CreateNumpyVector(self, x: np.ndarray[Any, Any]) -> int:  # noqa: N802 — the base class's name
        if x.dtype != np.uint8:
            return int(super().CreateNumpyVector(x))
        self.StartVector(1, x.size, _ALIGNMENT)
        self.head = UOffsetTFlags.py_type(self.Head() - x.size)
        self.Bytes[self.Head() : self.Head() + x.size] = x.tobytes()
        self.vectorNumElems = x.size
        return int(self.EndVector())


def embed_metadata(model: bytes, metadata: ModelMetadata) -> bytes:
    """`model` with `metadata`, less the converter's own notes and the names of inner tensors, which nothing reads."""
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    compact(content)
    kept = [entry for entry in content.metadata or [] if entry.name in _KEPT]
    entry = schema.MetadataT()
    entry.name, entry.buffer = ENTRY, len(content.buffers)
    content.metadata = [*kept, entry]
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(metadata.model_dump_json().encode(), np.uint8)
    content.buffers.append(buffer)
    used = _used_buffers(content)
    for index, dropped in enumerate(content.buffers):
        if index not in used:
            dropped.data = None
    for subgraph in content.subgraphs:
        outer = {*subgraph.inputs.tolist(), *subgraph.outputs.tolist()}
        for index, tensor in enumerate(subgraph.tensors):
            if index not in outer:
                tensor.name = None
    builder = _AlignedBuilder(len(model) + 65536)
    builder.Finish(content.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _used_buffers(content: Any) -> set[int]:
    tensors = {int(tensor.buffer) for subgraph in content.subgraphs for tensor in subgraph.tensors}
    return tensors | {int(entry.buffer) for entry in content.metadata}
