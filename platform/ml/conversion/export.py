"""Writes a trained network in every form that a ModelVersion keeps."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras

from ml.conversion.metadata import ModelMetadata, embed_metadata, output_name
from ml.features import FeatureSpec
from ml.files import file_record, pack_folder, write_bytes_atomically
from ml.tasks import TaskSpec
from ml.training.networks import Network
from ml.training.objectives import Objective

SIGNATURE = "serving_default"


class ConversionError(Exception):
    """The model could not be converted to builtin LiteRT operators."""


@dataclass(frozen=True)
class Exported:
    """The files of one network: {kind, path, bytes, sha256}, paths relative to the output folder.

    `tflite` is None for a trainer that has no form in builtin operators.
    """

    tflite: Path | None
    files: list[dict[str, Any]]


class Serving(tf.Module):  # type: ignore[misc]
    """What is exported: raw inputs by name in; probabilities, or the values of a regression, out."""

    def __init__(self, model: Any, objective: Objective, task: TaskSpec, features: Sequence[FeatureSpec]) -> None:
        super().__init__()
        # A SavedModel that tracks a Keras model traces each of its layers again, for minutes with a large one. A model
        # that is not ours may hold more than variables, such as tables.
        if _is_ours(model):
            self.variables_of_model = list(model.variables)
        else:
            self.model = model

        def call(inputs: dict[str, tf.Tensor]) -> tf.Tensor:
            return model(inputs, training=False)

        self._call = call
        self._objective, self._output, self._features = objective, output_name(task), features

    def answers(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """{output name: float32 [batch, …]}."""
        return {self._output: self._objective.activate(self._call(inputs))}

    def signature(self, batch: int | None) -> Any:
        """A concrete function of the features' raw values under their names."""
        specs = {
            feature.name: tf.TensorSpec([batch, *feature.shape], tf.as_dtype(feature.dtype), name=feature.name)
            for feature in self._features
        }
        return tf.function(self.answers).get_concrete_function(**specs)


def _is_ours(model: Any) -> bool:
    """Whether it is a Keras model of known layers through and through, which its variables describe."""
    from ml.uploaded.base_layer import UploadedBase

    return isinstance(model, tf_keras.Model) and not any(isinstance(layer, UploadedBase) for layer in model.layers)


def export_network(
    network: Network,
    serving: Serving,
    *,
    metadata: ModelMetadata,
    out: Path,
    work: Path,
    quantize: bool = False,
) -> Exported:
    """Writes SavedModel, Keras file, checkpoint, labels and .tflite of `network` under `out`/<model id>/.

    `quantize`: the model has learned its ranges (`ml.training.quantizing`), and the file holds 8-bit integers. What
    holds an uploaded model gets no Keras file, and a trainer that has no form in builtin operators no .tflite: it
    teaches, and is not shipped. Raises ConversionError for a student.
    """
    folder = out / network.spec.id
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    saved_model = folder / "saved_model"
    tf.saved_model.save(serving, str(saved_model), signatures={SIGNATURE: serving.signature(None)})
    pack_folder(saved_model, folder / "saved_model.zip")
    checkpoint = work / "checkpoint" / network.spec.id
    shutil.rmtree(checkpoint, ignore_errors=True)
    tf.train.Checkpoint(model=network.kept).write(str(checkpoint / "weights"))
    pack_folder(checkpoint, folder / "checkpoint.zip")
    tflite: Path | None = folder / "model.tflite"
    try:
        data = embed_metadata(convert(serving, work / "conversion" / network.spec.id, quantize=quantize), metadata)
        for path in (folder / "model.tflite", *([out / copy] if (copy := network.spec.tflite_output_path) else [])):
            write_bytes_atomically(path, data)
    except ConversionError:
        if network.role == "student":
            raise
        tflite = None
    kinds = {"tflite": tflite} if tflite else {}
    kinds |= {"saved_model": folder / "saved_model.zip", "checkpoint": folder / "checkpoint.zip"}
    if _is_ours(network.model):
        kinds["keras"] = folder / "model.keras"
        network.kept.save(kinds["keras"])
    if metadata.labels:
        kinds["labels"] = folder / "labels.txt"
        kinds["labels"].write_text("".join(f"{label}\n" for label in metadata.labels), encoding="utf-8")
    return Exported(tflite, [{"kind": kind, **file_record(path, relative_to=out)} for kind, path in kinds.items()])


def convert(serving: Serving, work: Path, *, quantize: bool = False) -> bytes:
    """The .tflite of one example at a time, in builtin operators only. Raises ConversionError."""
    shutil.rmtree(work, ignore_errors=True)
    # Only a SavedModel gives the file a named signature; a batch of one keeps every shape known.
    tf.saved_model.save(serving, str(work), signatures={SIGNATURE: serving.signature(1)})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(work), signature_keys=[SIGNATURE])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    try:
        with warnings.catch_warnings():
            # A model that has learned its ranges needs no statistics of its inputs.
            warnings.filterwarnings("ignore", message="Statistics for quantized inputs")
            return bytes(converter.convert())
    except Exception as error:  # The converter has an exception type of its own in each release.
        raise ConversionError(f"the model has no form in builtin operators: {error}") from error
