"""Learning in the quantized space: weights and activations are rounded to 8 bits in every step, as in the file.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (2018),
section 3, by tensorflow-model-optimization. Of layers that it does not know, `ml.layers.rounding` rounds the tables of
weights, and what goes from such a layer into one that is known.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from ml.layers.bit_lookup import BitLookup
from ml.layers.frames import BatchAsFrames, FramesAsBatch
from ml.layers.hashed_embedding import HashedEmbedding
from ml.layers.hashed_output import HashedOutput
from ml.layers.long_short_term_memory import LongShortTermMemory
from ml.layers.rounding import RoundedEmbedding, RoundedOutput, add_range, in_range
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
# Of Activation layers, what tensorflow-model-optimization has ranges for.
KNOWN_ACTIVATIONS = ("relu", "linear", "softmax", "swish", "sigmoid", "tanh")
# What has weights or values that it rounds by itself when it is told to.
_ROUNDING = (Standardize, Bits, HashedEmbedding, BitLookup, LongShortTermMemory, HashedOutput)
# What passes on values as they are.
_PASSING = (BatchAsFrames, FramesAsBatch)
_PREFIX = "quant_"


class _Scheme(tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme):  # type: ignore[misc]
    def get_layout_transformer(self) -> Any:
        return _Layout()


class _Layout(tfmot.quantization.keras.default_8bit.Default8BitQuantizeLayoutTransform):  # type: ignore[misc]
    """The library's choice of what is rounded of each layer, with what it leaves out, and with other ranges."""

    def apply(self, model: Any, layer_quantize_map: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        model, chosen = super().apply(model, layer_quantize_map)
        for layer in model.layers:
            if "quantize_config" in chosen.get(layer.name, {}):
                registry = tfmot.quantization.keras.default_8bit.Default8BitQuantizeRegistry()
                usual = registry.get_quantize_config(layer) if registry.supports(layer) else None
                config = chosen[layer.name]["quantize_config"] or usual
                chosen[layer.name]["quantize_config"] = _Rounds(config, usual or config)
        return model, chosen


class _Rounds(tfmot.quantization.keras.QuantizeConfig):  # type: ignore[misc]
    """`chosen` for a layer in its place, with ranges that are learned faster.

    For a layer that a ReLU follows, the library chooses to round nothing; its weights are rounded as `usual`.
    """

    def __init__(self, chosen: Any, usual: Any) -> None:
        self._chosen, self._usual = chosen, usual

    def get_weights_and_quantizers(self, layer: Any) -> Any:
        return self._chosen.get_weights_and_quantizers(layer) or self._usual.get_weights_and_quantizers(layer)

    def set_quantize_weights(self, layer: Any, quantize_weights: Any) -> None:
        self._usual.set_quantize_weights(layer, quantize_weights)

    def get_activations_and_quantizers(self, layer: Any) -> Any:
        return [(activation, _Range()) for activation, _ in self._chosen.get_activations_and_quantizers(layer)]

    def set_quantize_activations(self, layer: Any, quantize_activations: Any) -> None:
        self._chosen.set_quantize_activations(layer, quantize_activations)

    def get_output_quantizers(self, layer: Any) -> Any:
        return [_Range() for _ in self._chosen.get_output_quantizers(layer)]

    def get_config(self) -> dict[str, Any]:
        return {"chosen": [type(self._chosen).__name__, self._chosen.get_config()]}


class _Range(tfmot.quantization.keras.quantizers.Quantizer):  # type: ignore[misc]
    """`ml.layers.rounding.in_range`. The library's begins at -6 to 6 and needs thousands of steps to forget that."""

    def build(self, tensor_shape: Any, name: str, layer: Any) -> Any:
        return add_range(layer, f"{name}_")

    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        return in_range(inputs, weights, training=training)

    def get_config(self) -> dict[str, Any]:
        return {}


def quantized(model: Any) -> Any:
    """A model with the same weights that rounds what it computes; `model` itself stays as it is."""

    def annotated(layer: Any) -> Any:
        config, kind = layer.get_config(), layer.__class__
        if isinstance(layer, _ROUNDING):
            config["rounds"] = True
        elif kind is _layers.Embedding:
            kind = RoundedEmbedding
        fresh = kind.from_config(config)
        if is_known(layer):
            return tfmot.quantization.keras.quantize_annotate_layer(fresh)
        return RoundedOutput(fresh, name=f"{_PREFIX}{layer.name}") if _needs_range(layer) else fresh

    # Clones, because the library's wrappers would share their layers with the model that they wrap.
    result = tf_keras.models.clone_model(model, clone_function=annotated)
    if any(is_known(layer) for layer in model.layers):
        result = tfmot.quantization.keras.quantize_apply(result, _Scheme())
    for source, copy in _pairs(model, result):
        for weight, taken in _weight_pairs(source, copy):
            taken.assign(weight)
        if not source.trainable:
            # The library's wrapper would train the weights of a layer that is to stay as it is.
            copy._non_trainable_weights.extend(copy._trainable_weights)
            copy._trainable_weights.clear()
    return result


def take_weights(model: Any, rounding: Any) -> None:
    """Gives `model` the weights that `rounding`, which was made of it by `quantized`, has learned."""
    for own, copy in _pairs(model, rounding):
        for weight, taken in _weight_pairs(own, copy):
            weight.assign(taken)


class DifferentlyRoundedError(Exception):
    """Two models can't share a layer that is rounded in another way in each; the message names it."""


def with_layers_of(giver: Any, model: Any, names: Sequence[str]) -> Any:
    """`model` again, with its layers of these names being those of `giver`. Both are quantized.

    Raises DifferentlyRoundedError where what follows one of them is of another kind: it decides whether the output is
    rounded.
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


def _pairs(model: Any, rounding: Any) -> Iterator[tuple[Any, Any]]:
    """Each layer of a model beside what became of it."""
    own = {layer.name: layer for layer in model.layers}
    for copy in rounding.layers:
        if own_name(copy) in own:  # all but what the library adds
            yield own[own_name(copy)], copy


def _weight_pairs(source: Any, copy: Any) -> Iterator[tuple[Any, Any]]:
    """By name: a wrapper has ranges beside the weights of the layer that it wraps, and keeps those in another order."""
    taken = {_weight_name(weight): weight for weight in (*copy.weights, *getattr(copy, "layer", copy).weights)}
    for weight in source.weights:
        yield weight, taken[_weight_name(weight)]


def _weight_name(weight: Any) -> str:
    """ "conv_0/kernel:0" → "kernel"."""
    return str(weight.name).rpartition("/")[2].partition(":")[0]
