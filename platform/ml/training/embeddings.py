"""What a model makes of real examples before its output layer: a point for each example, or for each of its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ml.data.dataset import DatasetInfo, check_labels
from ml.data.decoding import decode_batch
from ml.data.examples import Example
from ml.layers.structured_projection import StructuredProjection
from ml.layers.text_projection import TextProjection
from ml.tasks.labels import NO_CLASS, label_values
from ml.training.model_layers import float_tensors, named_layers, recording

Points = npt.NDArray[np.float32]

# Examples that are computed at once.
BATCH = 50


def embedding_layers(model: Any) -> dict[str, Any]:
    """The layers that make the model's bits, by name, else its output layer; none of what is no Keras model."""
    layers = named_layers(model)
    bits = {name: layer for name, layer in layers.items() if _makes_bits(layer)}
    return bits or {name: layer for name, layer in layers.items() if layer.name.removeprefix("quant_") == "logits"}


def embeddings(model: Any, records: Sequence[tf.Tensor], info: DatasetInfo) -> tuple[Points, list[str]]:
    """Points float32 [n, values] of serialized examples, and for each its label and what it is: "cat\\tcats/1.png".

    The values are those of all bits side by side, or of what enters the output layer. In a sequence task, where these
    have a time axis, each step with a label is a point: "city\\ttable.csv:12#3" is the third.
    """
    layers = embedding_layers(model)
    points: list[Points] = []
    rows: list[str] = []
    for start in range(0, len(records), BATCH):
        batch = records[start : start + BATCH]
        examples = [Example.decode(one.numpy(), task=info.task, features=info.features) for one in batch]
        parts = _parts(model, layers, decode_batch(tf.stack(batch), info)[0])
        steps = info.features[0].steps if info.task.type == "sequence" else None
        if steps is not None and all(_has_steps(part, len(batch), steps) for part in parts):
            values = np.concatenate([part.reshape(len(batch) * steps, -1) for part in parts], axis=1)
            found = [_step_rows(example, steps, info) for example in examples]
            is_labelled = np.array([row is not None for one in found for row in one])
            points.append(values[is_labelled])
            rows += [row for one in found for row in one if row is not None]
        else:
            points.append(np.concatenate([part.reshape(len(batch), -1) for part in parts], axis=1))
            rows += [_row(example, info) for example in examples]
    return np.concatenate(points), rows


def _makes_bits(layer: Any) -> bool:
    return isinstance(layer, StructuredProjection | TextProjection)


def _parts(model: Any, layers: Mapping[str, Any], features: Mapping[str, tf.Tensor]) -> list[Points]:
    """What the bits are, or what enters the output layer; of a layer that is used twice, the later."""
    parts: dict[str, Points] = {}

    def record(name: str, inputs: Any, outputs: Any) -> None:
        for tensor in float_tensors(outputs if _makes_bits(layers[name]) else inputs):
            parts[name] = tf.cast(tensor, tf.float32).numpy()

    with recording(layers, record):
        model(features, training=False)
    return list(parts.values())


def _has_steps(part: Points, examples: int, steps: int) -> bool:
    """[examples, steps, …], or [examples * steps, …] from a layer that takes each step by itself."""
    return (part.ndim > 2 and part.shape[:2] == (examples, steps)) or len(part) == examples * steps


def _row(example: Example, info: DatasetInfo) -> str:
    label = example.label
    check_labels(label, info)
    if label is None:
        text = "unlabelled"
    elif info.task.type == "regression":
        text = ", ".join(f"{value:.6g}" for value in label)
    else:
        text = ", ".join(info.classes[int(value)] for value in label) or "none"
    return f"{_clean(text)}\t{_clean(example.path)}"


def _step_rows(example: Example, steps: int, info: DatasetInfo) -> list[str | None]:
    """A row for each step; None for one without a label."""
    check_labels(example.label, info)
    labels = label_values(example.label, info.task, steps)
    return [
        None if label == NO_CLASS else f"{_clean(info.classes[int(label)])}\t{_clean(example.path)}#{number}"
        for number, label in enumerate(labels.tolist(), start=1)
    ]


def _clean(text: str) -> str:
    """Of one field of a line."""
    return " ".join(text.split())
