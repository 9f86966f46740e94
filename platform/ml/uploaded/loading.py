"""Uploaded models in memory, whatever wrote them: a function of tensors by name, and its variables."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
import weakref
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from ml.architectures.named_files import field_refused
from ml.uploaded.kinds import UploadedFile, look_into, saved_model_folder
from ml.uploaded.safety import unsafe_part

Tensors = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Loaded:
    """An uploaded model.

    `call` takes a tensor for each of `inputs` by name and gives the outputs by name, as at inference: batch statistics
    stay as they are and nothing is dropped, so that a resumed run is exact. `keras` is the Keras model, if it is one;
    `tracked` what has to be saved along with `variables`; `field` the field of the spec that names the file.
    """

    field: str
    file: UploadedFile
    inputs: Mapping[str, tf.TensorSpec]
    call: Callable[[Tensors], Tensors]
    variables: list[tf.Variable]
    trainable_variables: list[tf.Variable]
    keras: Any = None
    tracked: Any = None


def load_uploaded(path: Path, *, signature: str, field: str) -> Loaded:
    """Loads a model. `signature` is that of a SavedModel; Keras files have none.

    Raises RefusedError `unreadable_model` or `unsafe_model`, which name `field`.
    """
    try:
        file = look_into(path)
        unsafe = unsafe_part(file.config) if file.config is not None else None
        if unsafe is None:
            return _saved_model(file, signature, field) if file.kind == "saved_model" else _keras_model(file, field)
    except Exception as error:  # loaders raise what they like for a file that is broken or made by other code
        reason = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        raise field_refused(
            "unreadable_model",
            field,
            f"the model can't be loaded ({reason}). Received: {path.name}. Accepted: a .keras or .h5 file of a whole "
            "Keras model, or a .zip of a SavedModel",
        ) from None
    raise field_refused(
        "unsafe_model",
        field,
        f"the model is not loaded in safe mode: {unsafe}. Received: {path.name}. Accepted: a Keras model of Keras' own "
        "layers, or a .zip of a SavedModel",
    )


def _saved_model(file: UploadedFile, signature: str, field: str) -> Loaded:
    folder = tempfile.mkdtemp(prefix="uploaded-")
    try:
        with zipfile.ZipFile(file.path) as archive:
            archive.extractall(folder)  # zipfile drops ".." and absolute paths
            inner = saved_model_folder(archive)
        assert inner is not None
        loaded = tf.saved_model.load(str(Path(folder) / inner))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    # What the model reads from files, as vocabularies, is copied from there when it is saved again.
    weakref.finalize(loaded, shutil.rmtree, folder, ignore_errors=True)
    if signature not in loaded.signatures:
        raise ValueError(f"it has no signature {signature!r}, but {', '.join(map(repr, loaded.signatures)) or 'none'}")
    function = loaded.signatures[signature]
    return Loaded(
        field=field,
        file=file,
        inputs=dict(function.structured_input_signature[1]),
        call=lambda feed: dict(function(**feed)),
        variables=list(function.variables),
        trainable_variables=list(function.trainable_variables),
        tracked=loaded,
    )


def _keras_model(file: UploadedFile, field: str) -> Loaded:
    with tempfile.TemporaryDirectory() as folder:
        # Keras goes by the suffix.
        path = Path(folder) / f"model{file.suffix}"
        path.symlink_to(file.path.resolve())
        if file.kind == "keras_3":
            model = keras_3().models.load_model(str(path), compile=False, safe_mode=True)
            variables, trainable = ([one.value for one in ones] for ones in (model.weights, model.trainable_weights))
        else:
            import tf_keras

            model = tf_keras.models.load_model(str(path), compile=False, safe_mode=True)
            variables, trainable = list(model.weights), list(model.trainable_weights)
    if not model.inputs:
        raise ValueError("it does not declare its inputs")
    inputs = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name) for tensor in model.inputs}
    return Loaded(
        field=field,
        file=file,
        inputs=inputs,
        call=lambda feed: _by_name(model, model(_as_declared(model, feed), training=False)),
        variables=variables,
        trainable_variables=trainable,
        keras=model,
    )


def keras_3() -> Any:
    """The module of Keras 3 with TensorFlow under it, beside the tf_keras of the engine."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own imports use what newer Python versions deprecate
        import keras
    return keras


def _as_declared(model: Any, feed: Tensors) -> Any:
    """The tensors in the form that the model was made with: one, a list or a dict."""
    tensors = [feed[tensor.name] for tensor in model.inputs]
    try:
        declared = model.input
    except AttributeError:  # a Sequential of Keras 3
        return tensors[0]
    return tf.nest.pack_sequence_as(declared, tensors)


def _by_name(model: Any, outputs: Any) -> Tensors:
    tensors = tf.nest.flatten(outputs)
    names = getattr(model, "output_names", None) or [f"output_{index}" for index in range(len(tensors))]
    return dict(zip(names, tensors, strict=True))
