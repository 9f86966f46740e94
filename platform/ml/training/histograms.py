"""How weights and activations are spread, for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ml.training.model_layers import float_tensors, named_layers, named_weights, recording
from ml.training.networks import Network
from ml.training.tensorboard import Buckets, buckets_of

BATCH = 32
MAX_LAYERS = 200
MAX_WEIGHTS = 400
# Of a model with more, so many from each end.
ENDS = 20
MAX_VALUES = 2**16


class Histograms:
    """What each network learns, and what its layers give for `features`, a batch of raw values by feature.

    The tags are "<network's key>/weights/<layer>/<weight>" and "<network's key>/activations/<layer>".

    Of a network with more than 200 layers or 400 weights only kernels are shown, weights of two or more axes, the first
    and last 20 of them; and likewise of the layers that have one. Of a callable that is no Keras model, what it gives
    itself, as "activations/output". Of a tensor with more than 65,536 values, that many or fewer, evenly spaced. So one
    measurement takes at most about 0.5 MB a network.
    """

    def __init__(self, networks: Sequence[Network], features: Mapping[str, tf.Tensor]) -> None:
        self._features = features
        self._watched = [(network, *_chosen(network.model)) for network in networks]

    def measure(self) -> dict[str, Buckets]:
        """By tag. The models compute without learning; no random number is drawn."""
        found: dict[str, Buckets] = {}

        def add(tag: str, tensor: Any) -> None:
            buckets = buckets_of(_some(tensor))
            if buckets is not None:
                found[tag] = buckets

        for network, layers, weights in self._watched:
            for name, weight in weights.items():
                add(f"{network.key}/weights/{name}", tf.convert_to_tensor(weight))

            def record(name: str, _inputs: Any, outputs: Any, key: str = network.key) -> None:
                for tensor in float_tensors(outputs):
                    # A layer that is used twice shows what it gives last.
                    add(f"{key}/activations/{name}", tensor)

            with recording(layers, record):
                outputs = network.model(self._features, training=False)
            if not layers:
                record("output", None, outputs)
        return found


def _chosen(model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The layers and weights to watch."""
    layers, weights = named_layers(model), named_weights(model)
    if len(layers) <= MAX_LAYERS and len(weights) <= MAX_WEIGHTS:
        return layers, weights
    with_kernel = {name: layer for name, layer in layers.items() if any(map(_is_kernel, layer.weights))}
    return _ends(with_kernel), _ends({name: weight for name, weight in weights.items() if _is_kernel(weight)})


def _is_kernel(weight: Any) -> bool:
    return len(weight.shape) >= 2


def _ends(named: Mapping[str, Any]) -> dict[str, Any]:
    items = list(named.items())
    return dict(items if len(items) <= 2 * ENDS else chain(items[:ENDS], items[-ENDS:]))


def _some(tensor: tf.Tensor) -> npt.NDArray[np.float32]:
    """At most MAX_VALUES of a tensor's values, evenly spaced, and not always of the same channel."""
    flat = tf.reshape(tensor, [-1])
    every = max(1, -(-int(flat.shape[0]) // MAX_VALUES))
    while every > 1 and gcd(every, int(tensor.shape[-1])) > 1:
        every += 1
    values: npt.NDArray[np.float32] = tf.cast(flat[::every], tf.float32).numpy()
    return values
