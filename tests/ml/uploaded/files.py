"""Small models in files, as a person would upload them."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

FORMATS = ("keras_2.keras", "keras_2.h5", "keras_3.keras", "keras_3.h5", "keras_2.zip", "module.zip")
# One for each loader.
KINDS = ("keras_2.keras", "keras_3.keras", "keras_2.zip")


def classifier(keras: Any, *, shape: tuple[int, ...] = (8, 6, 1), outputs: int = 3, activation: str | None = "softmax"):
    """A convolution, batch statistics that are not those of the start, a dropout and a dense layer."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(shape, name="pixels"),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.GlobalAveragePooling2D(name="mean"),
            layers.Dropout(0.5, name="dropout"),
            layers.Dense(outputs, name="classes"),
            *([layers.Activation(activation, name="softmax")] if activation else []),
        ]
    )
    generator = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([value + generator.uniform(0, 0.5, value.shape) for value in layer.get_weights()])
    return model


def keras_of(name: str) -> Any:
    """The Keras that the file `name` is of."""
    import tf_keras

    from ml.uploaded.loading import keras_3

    return keras_3() if name.startswith("keras_3") else tf_keras


def write(model: Any, path: Path) -> Any:
    """Writes a Keras model in the format that the suffix says; gives the model back."""
    import tensorflow as tf

    tf.random.set_seed(1)  # the training graph of a dropout is saved as well
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras about .h5; Keras 3 with NumPy 2
        if path.suffix != ".zip":
            model.save(path)
            return model
        folder = path.with_suffix("")
        if path.stem == "module":  # nothing of Keras in it
            module = tf.Module()
            module.weights = list(model.variables)
            function = tf.function(lambda pixels: {"classes": model(pixels, training=False)})
            spec = tf.TensorSpec(model.inputs[0].shape, tf.float32, name="pixels")
            tf.saved_model.save(module, str(folder), signatures=function.get_concrete_function(spec))
        else:
            model.save(folder)
    zip_folder(folder, path)
    return model


def zip_folder(folder: Path, path: Path, *, below: str = "") -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*"):
            archive.write(file, f"{below}{file.relative_to(folder)}")
