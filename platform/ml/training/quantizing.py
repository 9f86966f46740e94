"""Learning in the quantized space: weights and activations are rounded to 8 bits in every step, as in the file.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (2018),
section 3, by tensorflow-model-optimization. Of layers that it does not know, `ml.layers.rounding` rounds the tables of
weights, and what goes from such a layer into one that is known. Recurrent layers stay as they are.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from ml.layers.bit_lookup import BitLookup
from ml.layers.frames import BatchAsFrames, FramesAsBatch
from ml.layers.hashed_embedding import HashedEmbedding
from ml.layers.rounding import RoundedEmbedding, RoundedOutput
from ml.layers.standardize import Bits, Standardize

with warnings.catch_warnings():
    # What it imports uses what newer versions of Python deprecate.
    warnings.simplefilter("ignore")
    import tensorflow_model_optimization as tfmot

_layers = tf_keras.layers
KNOWN = (
    _layers.Conv2D,
    _layers.DepthwiseConv2D,
    _layers.Dense,
    _layers.BatchNormalization,
    _layers.Activation,
    _layers.ReLU,
    _layers.LeakyReLU,
    _layers.MaxPooling2D,
    _layers.AveragePooling2D,
    _layers.GlobalAveragePooling1D,
    _layers.GlobalAveragePooling2D,
    _layers.ZeroPadding2D,
    _layers.Flatten,
    _layers.Reshape,
    _layers.Add,
    _layers.Concatenate,
)
_WEIGHTED = (_layers.Conv2D, _layers.DepthwiseConv2D, _layers.Dense)
# Of Activation layers, what tensorflow-model-optimization has ranges for.
KNOWN_ACTIVATIONS = ("relu", "linear", "softmax", "swish", "sigmoid", "tanh")
# What has weights or values that it rounds by itself when it is told to.
_ROUNDING = (Standardize, Bits, HashedEmbedding, BitLookup)
# What passes on values as they are.
_PASSING = (BatchAsFrames, FramesAsBatch)
_PREFIX = "quant_"


class _Scheme(tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme):  # type: ignore[misc]
    def get_layout_transformer(self) -> Any:
        return _Layout()


class _Layout(tfmot.quantization.keras.default_8bit.Default8BitQuantizeLayoutTransform):  # type: ignore[misc]
    """The library's own, which rounds nothing of a layer that a ReLU follows; here its weights are rounded."""

    def apply(self, model: Any, layer_quantize_map: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        model, rounds = super().apply(model, layer_quantize_map)
        for layer in model.layers:
            chosen = rounds.get(layer.name, {}).get("quantize_config")
            if isinstance(layer, _WEIGHTED) and chosen and not chosen.get_weights_and_quantizers(layer):
                registry = tfmot.quantization.keras.default_8bit.Default8BitQuantizeRegistry()
                config = registry.get_quantize_config(layer)
                config.activation_attrs = []
                rounds[layer.name]["quantize_config"] = config
        return model, rounds


def quantized(model: Any) -> Any:
    """A model with the same weights that rounds what it computes; `model` itself stays as it is."""
    quantization = tfmot.quantization.keras

    def annotated(layer: Any) -> Any:
        config, kind = layer.get_config(), layer.__class__
        if isinstance(layer, _ROUNDING):
            config["rounds"] = True
        elif kind is _layers.Embedding:
            kind = RoundedEmbedding
        fresh = kind.from_config(config)
        if is_known(layer):
            return quantization.quantize_annotate_layer(fresh)
        return RoundedOutput(fresh, name=f"{_PREFIX}{layer.name}") if _needs_range(layer) else fresh

    # Clones, because the library's wrappers would share their layers with the model that they wrap.
    result = tf_keras.models.clone_model(model, clone_function=annotated)
    if any(is_known(layer) for layer in model.layers):
        result = quantization.quantize_apply(result, _Scheme())
    own = {layer.name: layer for layer in model.layers}
    for layer in result.layers:
        if own_name(layer) in own:
            source = own[own_name(layer)]
            _copy_weights(source, layer)
            if not source.trainable:
                # The library's wrapper would train the weights of a layer that is to stay as it is.
                layer._non_trainable_weights.extend(layer._trainable_weights)
                layer._trainable_weights.clear()
    return result


class DifferentlyRoundedError(Exception):
    """Two models can't share a layer that is rounded in another way in each; the message names it."""


def with_layers_of(giver: Any, model: Any, names: Sequence[str]) -> Any:
    """`model` again, with its layers of these names being those of `giver`. Both are quantized.

    Raises DifferentlyRoundedError where other layers follow one of them: only some of these need their input rounded.
    """
    given = {own_name(layer): layer for layer in giver.layers}

    def chosen(layer: Any) -> Any:
        if own_name(layer) not in names:
            return layer
        shared = given[own_name(layer)]
        configs = [one.get_config().get("quantize_config") for one in (layer, shared)]
        if type(layer) is not type(shared) or configs[0] != configs[1]:
            raise DifferentlyRoundedError(f"the layer {own_name(layer)} is rounded differently")
        return shared

    return tf_keras.models.clone_model(model, clone_function=chosen)


def own_name(layer: Any) -> str:
    """How a layer is called in the model before it was quantized."""
    return str(layer.name).removeprefix(_PREFIX)


def is_known(layer: Any) -> bool:
    """Whether the layer's weights and outputs are rounded."""
    if type(layer) not in KNOWN:
        return False
    return not isinstance(layer, _layers.Activation) or layer.get_config()["activation"] in KNOWN_ACTIVATIONS


def _needs_range(layer: Any) -> bool:
    """Whether a layer that is not known, and whose output is not rounded yet, is followed by one that is known."""
    rounds_itself = isinstance(layer, Bits) or (
        isinstance(layer, Standardize) and layer.get_input_at(0).dtype == tf.uint8
    )
    if rounds_itself or isinstance(layer, _PASSING):
        return False
    return any(is_known(node.outbound_layer) for node in layer.outbound_nodes)


def _copy_weights(source: Any, target: Any) -> None:
    """By name: a wrapper has ranges beside the weights of the layer that it wraps, and keeps those in another order."""
    taken = {_weight_name(weight): weight for weight in (*target.weights, *getattr(target, "layer", target).weights)}
    for given in source.weights:
        taken[_weight_name(given)].assign(given)


def _weight_name(weight: Any) -> str:
    """ "conv_0/kernel:0" → "kernel"."""
    return str(weight.name).rpartition("/")[2].partition(":")[0]
