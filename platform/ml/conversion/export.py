"""Writes a trained network in every form that a ModelVersion keeps."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from ml.conversion.metadata import ModelMetadata, embed_metadata
from ml.files import file_record, pack_folder, write_bytes_atomically
from ml.training.networks import Network

SIGNATURE = "serving_default"
OUTPUT = "probabilities"


class ConversionError(Exception):
    """The model could not be converted to builtin LiteRT operators."""


@dataclass(frozen=True)
class Exported:
    """The files of one network: {kind, path, bytes, sha256}, paths relative to the output folder."""

    tflite: Path
    files: list[dict[str, Any]]


class Serving(tf.Module):  # type: ignore[misc]
    """What is exported: raw pixels in, probabilities out."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def probabilities(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {OUTPUT: tf.nn.softmax(self.model(images, training=False), name=OUTPUT)}

    def signature(self, feature: str, shape: Sequence[int], batch: int | None) -> Any:
        """A concrete function of uint8 [batch, height, width, channels] under the feature's name."""
        return tf.function(self.probabilities).get_concrete_function(
            tf.TensorSpec([batch, *shape], tf.uint8, name=feature)
        )


def export_network(
    network: Network, *, metadata: ModelMetadata, out: Path, work: Path, tflite_copy: str | None
) -> Exported:
    """Writes SavedModel, Keras file, checkpoint, labels and .tflite of `network` under `out`/<model id>/."""
    folder = out / network.spec.id
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    serving = Serving(network.model)
    feature = metadata.inputs[0]

    saved_model = folder / "saved_model"
    tf.saved_model.save(
        serving, str(saved_model), signatures={SIGNATURE: serving.signature(feature.name, feature.shape, None)}
    )
    pack_folder(saved_model, folder / "saved_model.zip")
    network.model.save(folder / "model.keras")
    checkpoint = work / "checkpoint" / network.spec.id
    shutil.rmtree(checkpoint, ignore_errors=True)
    tf.train.Checkpoint(model=network.model).write(str(checkpoint / "weights"))
    pack_folder(checkpoint, folder / "checkpoint.zip")
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in metadata.labels), encoding="utf-8")

    tflite = folder / "model.tflite"
    data = convert(serving, feature.name, feature.shape, work / "conversion" / network.spec.id)
    write_bytes_atomically(tflite, embed_metadata(data, metadata))
    if tflite_copy is not None:
        write_bytes_atomically(out / tflite_copy, tflite.read_bytes())
    kinds = {
        "tflite": tflite,
        "saved_model": folder / "saved_model.zip",
        "keras": folder / "model.keras",
        "checkpoint": folder / "checkpoint.zip",
        "labels": folder / "labels.txt",
    }
    return Exported(tflite, [{"kind": kind, **file_record(path, relative_to=out)} for kind, path in kinds.items()])


def convert(serving: Serving, feature: str, shape: Sequence[int], work: Path) -> bytes:
    """The .tflite of one example at a time, in builtin operators only. Raises ConversionError."""
    shutil.rmtree(work, ignore_errors=True)
    # Only a SavedModel gives the file a named signature; a batch of one keeps every shape known.
    tf.saved_model.save(serving, str(work), signatures={SIGNATURE: serving.signature(feature, shape, 1)})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(work), signature_keys=[SIGNATURE])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        return bytes(converter.convert())
    except Exception as error:  # The converter has an exception type of its own in each release.
        raise ConversionError(f"{feature}: the model has no form in builtin operators: {error}") from error
