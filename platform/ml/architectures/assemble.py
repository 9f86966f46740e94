"""One model from its declared parts: inputs, the architecture's layers, the output layer."""

from __future__ import annotations

from typing import Any

from ml.architectures.base import BuildContext, ModelParams, ModelType
from ml.features import FeatureSpec


def build_model(model_type: ModelType, params: ModelParams, context: BuildContext) -> Any:
    """A callable of {feature name: raw batch} → float32 logits [batch, outputs], or [batch, steps, outputs].

    Mostly a tf_keras.Model; see `ModelType.build` for what else it can be. Raises what the model type's builder raises.
    """
    if model_type.build is not None:
        return model_type.build(params, context)
    import tf_keras

    from ml.layers.heads import output_layer

    assert model_type.encode is not None
    feature = context.features[0]
    raw = input_of(feature)
    encoded = model_type.encode(params, raw, feature, context)
    return tf_keras.Model({feature.name: raw}, output_layer(encoded, context), name=context.name)


def input_of(feature: FeatureSpec) -> Any:
    """The Keras input of a feature: a batch of its raw values."""
    import tf_keras

    return tf_keras.Input(feature.shape, dtype=feature.dtype, name=feature.name)
