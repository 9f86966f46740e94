"""An uploaded model without its classifier, as the base of a model that is built here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from ml.architectures.base import BuildContext
from ml.features import FeatureSpec
from ml.uploaded.base_layer import UploadedBase
from ml.uploaded.loading import Loaded, keras_3
from ml.uploaded.model import fed_by, mismatch
from ml.uploaded.scaling import InputScale, scale_and_offset

Freeze = Callable[[list[Any]], None]


def base_of(
    loaded: Loaded,
    raw: tf.Tensor,
    feature: FeatureSpec,
    context: BuildContext,
    *,
    input_scale: InputScale,
    output: str | None,
    freeze: Freeze,
) -> tf.Tensor:
    """What the model gives below its classifier, for a raw batch: float32 [batch, …].

    `output` names a layer of a Keras model, or an output of a SavedModel. `freeze` is given the model's layers, first
    to last, before anything is made of them; those of a SavedModel are one. Raises RefusedError
    `uploaded_model_mismatch`.
    """
    ((input_name, _),) = fed_by(loaded, context).items()
    dtype = loaded.inputs[input_name].dtype
    if dtype == tf.string:
        raise mismatch(loaded, "takes strings", f"the input {input_name!r} of strings", "an input of numbers")
    x = _scaled(raw, feature, input_scale, dtype)
    if loaded.keras is None:
        return _saved_model(loaded, x, input_name, output, freeze)
    freeze(list(loaded.keras.layers))
    features = _below_the_classifier(loaded, output)
    if loaded.file.kind == "keras_2":
        cut = tf_keras.Model(loaded.keras.inputs, features, name="uploaded")
        return cut(x, training=False)  # see Loaded.call
    cut = keras_3().Model(loaded.keras.inputs, features)
    return UploadedBase(
        lambda inputs: cut(inputs, training=False),
        variables=[one.value for one in cut.weights],
        learning=[one.value for one in cut.trainable_weights],
        tracked=None,
        name="uploaded",
    )(x)


def _scaled(raw: tf.Tensor, feature: FeatureSpec, input_scale: InputScale, dtype: tf.DType) -> tf.Tensor:
    scale, offset = scale_and_offset(feature, input_scale)
    if raw.dtype == dtype and (scale, offset) == (1.0, 0.0):
        return raw
    return tf_keras.layers.Rescaling(scale, offset, dtype=dtype.name, name="input_scale")(raw)


def _saved_model(loaded: Loaded, x: tf.Tensor, input_name: str, output: str | None, freeze: Freeze) -> tf.Tensor:
    names = list(loaded.call({input_name: tf.zeros([2, *x.shape[1:]], x.dtype)}))
    if output is None and len(names) > 1:
        raise mismatch(loaded, "has several outputs", "no base_output", ", ".join(names))
    chosen = output or names[0]
    if chosen not in names:
        raise mismatch(loaded, "has no such output", f"base_output {chosen}", ", ".join(names))
    layer = UploadedBase(
        lambda inputs: loaded.call({input_name: inputs})[chosen],
        variables=loaded.variables,
        learning=loaded.trainable_variables,
        tracked=loaded.tracked,
        name="uploaded",
    )
    freeze([layer])
    return layer(x)


def _below_the_classifier(loaded: Loaded, output: str | None) -> Any:
    """The output of the named layer. Without one: what the last layer gets if that is dense, else the model's output.

    Layers without weights, as softmax, don't count as last.
    """
    model = loaded.keras
    if output is not None:
        names = [layer.name for layer in model.layers]
        if output not in names:
            raise mismatch(loaded, "has no such layer", f"base_output {output}", f"one of {', '.join(names[-10:])}")
        return model.get_layer(output).output
    with_weights = [layer for layer in model.layers if layer.weights]
    if with_weights and type(with_weights[-1]).__name__ == "Dense":
        return with_weights[-1].input
    if len(model.outputs) != 1:
        raise mismatch(loaded, "has several outputs", "no base_output", "the name of a layer")
    return model.outputs[0]
