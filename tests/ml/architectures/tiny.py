"""Tiny models, the data that they learn, and their files: what the tests of all model types share."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from ml.architectures import MODEL_TYPES, BuildContext
from ml.architectures.assemble import build_model
from ml.compatibility.flatbuffer import read_model
from ml.features import FeatureSpec, Spectrogram
from ml.features.statistics import Statistics
from ml.tasks import TaskSpec

FEATURES = {
    "image": FeatureSpec(name="image", type="image", shape=(8, 6, 1)),
    "bytes": FeatureSpec(name="text", type="text", shape=(16,)),
    "tokens": FeatureSpec(name="words", type="text", shape=(5, 8)),
    "sensor": FeatureSpec(name="motion", type="sensor", shape=(12, 2)),
    "audio": FeatureSpec(
        name="sound",
        type="audio",
        shape=(1200,),
        sample_rate=4000,
        spectrogram=Spectrogram(window_ms=32, hop_ms=24, bands=8),
    ),
    "video": FeatureSpec(name="film", type="video", shape=(4, 6, 6, 1)),
    "vector": FeatureSpec(name="values", type="vector", shape=(6,)),
}
TASKS = {
    "classification": TaskSpec(type="classification", num_classes=3),
    "multi_label": TaskSpec(type="multi_label", num_classes=3),
    "regression": TaskSpec(type="regression", num_values=2),
    "sequence": TaskSpec(type="sequence", num_classes=3),
}
WORDS = (b"yes", b"never", b"a cup of \xc3\xa9t\xc3\xa9")


def raw_batch(feature: FeatureSpec, classes: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Raw values of a feature, noise in which the class of each example can be heard."""
    generator = np.random.default_rng(seed)
    shape = (len(classes), *feature.shape)
    strength = classes.reshape(-1, *[1] * len(feature.shape))
    match feature.type:
        case "image" | "video":
            return (generator.integers(0, 120, shape) + 60 * strength).astype(np.uint8)
        case "audio":
            return (generator.normal(0, 1, shape) * 400 * 5.0**strength).astype(np.int16)
        case "text":
            return np.stack([_text(feature, WORDS[index], generator) for index in classes])
    pattern = np.where(np.arange(feature.shape[-1]) % 2, 1.0, -1.0) * (strength - 1)
    return (generator.normal(0, 0.5, shape) + pattern).astype(np.float32)


def _text(feature: FeatureSpec, word: bytes, generator: np.random.Generator) -> np.ndarray:
    """The word once or more often."""
    values = np.zeros(feature.shape, np.uint8)
    if feature.is_tokens:
        values[: generator.integers(1, len(values) + 1)] = np.frombuffer(word[:8].ljust(8, b"\0"), np.uint8)
        return values
    text = b" ".join([word] * int(generator.integers(1, 4)))[: len(values)]
    values[: len(text)] = np.frombuffer(text, np.uint8)
    return values


def context_of(
    *features: FeatureSpec, task: str = "classification", name: str = "model", seed: int = 3, activation: str = "relu"
) -> BuildContext:
    """What a builder gets for the features, with the statistics of `raw_batch`."""
    spread = {"image": (120.0, 60.0), "video": (120.0, 60.0), "audio": (-4.0, 3.0), "sensor": (0.0, 1.0)}
    statistics = {"label": Statistics(mean=(10.0, -3.0), std=(2.0, 0.5))}
    for feature in features:
        if feature.type != "text":
            mean, std = spread.get(feature.type, (0.0, 1.0))
            size = feature.spectrogram.bands if feature.type == "audio" else feature.shape[-1]
            statistics[feature.name] = Statistics(mean=(mean,) * size, std=(std,) * size)
    return BuildContext(
        name=name, task=TASKS[task], features=features, statistics=statistics, activation=activation, seed=seed
    )


def tiny_model(model_type: str, params: Mapping[str, Any], context: BuildContext) -> Any:
    kind = MODEL_TYPES[model_type]
    return build_model(kind, kind.params.model_validate(params), context)


def learn(model: Any, context: BuildContext, *, steps: int, examples: int = 24) -> tuple[float, float]:
    """Trains by Adam on one batch, eagerly: so few steps are not worth a graph. Loss before and after."""
    import tensorflow as tf
    import tf_keras

    classes = np.arange(examples) % 3
    raw = {feature.name: tf.constant(raw_batch(feature, classes)) for feature in context.features}
    optimizer = tf_keras.optimizers.Adam(0.03)
    losses = []
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = _loss(context.task, model(raw, training=True), classes)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        losses.append(float(loss))
    return losses[0], losses[-1]


def _loss(task: TaskSpec, outputs: Any, classes: np.ndarray) -> Any:
    import tensorflow as tf

    if task.type == "regression":
        wanted = np.stack([10.0 + 2.0 * (classes - 1), -3.0 - 0.5 * (classes - 1)], 1)
        return tf.reduce_mean(((outputs - wanted) / [2.0, 0.5]) ** 2)
    if task.type == "multi_label":
        wanted = (np.arange(3) <= classes[:, np.newaxis]).astype(np.float32)
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(wanted, outputs))
    labels = np.broadcast_to(classes[:, np.newaxis], outputs.shape[:2]) if task.type == "sequence" else classes
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, outputs))


class File:
    """A .tflite file in LiteRT, one example at a time."""

    def __init__(self, content: bytes) -> None:
        info = read_model(content)
        assert info.custom == []
        self.size = len(content)
        self.operators = {name for name, _ in info.operators}
        self._interpreter: Any = Interpreter(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()

    def predict(self, **raw: np.ndarray) -> np.ndarray:
        """The output for raw values by feature name, without a batch."""
        for details in self._interpreter.get_input_details():
            self._interpreter.set_tensor(details["index"], raw[details["name"]][np.newaxis])
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._interpreter.get_output_details()[0]["index"])[0]


def converted(model: Any) -> File:
    """A model that takes raw values by feature name as a file of builtin operators.

    From the function itself, without its SavedModel, which takes several times as long.
    """
    import tensorflow as tf

    inputs = {one.name: tf.TensorSpec([1, *one.shape[1:]], one.dtype, name=one.name) for one in model.inputs}
    function = tf.function(lambda **raw: model(raw, training=False)).get_concrete_function(**inputs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    with contextlib.redirect_stderr(io.StringIO()):
        return File(converter.convert())
