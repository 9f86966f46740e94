"""What training never changes about a network, computed once for each example and not once for each step.

That is the random bits of a projection, and all that a frozen trainer says. Both depend on the example alone, as long
as nothing is augmented and the examples are held in memory: then a student costs what it learns, and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras

from ml.data.derived import Derived
from ml.layers.structured_projection import StructuredProjection
from ml.layers.text_projection import TextProjection
from ml.training.networks import Network

_PROJECTIONS = (StructuredProjection, TextProjection)
# Row i: the eight bits of the byte i, the highest first, as ±1.
_SIGNS = np.where(np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1), 1.0, -1.0).astype(np.float32)


@dataclass(frozen=True)
class FixedPart:
    """`derived`, one for each part that is fixed, and `rest`: how the network's outputs follow from all of them.

    `shapes`: those of the bits of one example, [rows of an example, …]. With no `rest`, what is derived is the output.
    """

    derived: tuple[Derived, ...]
    shapes: tuple[tuple[int, ...], ...]
    rest: Any

    def is_in(self, features: Mapping[str, tf.Tensor]) -> bool:
        return all(one.name in features for one in self.derived)

    def outputs(self, features: Mapping[str, tf.Tensor], *, training: bool) -> tf.Tensor:
        """What the network would say for a batch that has the derived values: exactly that."""
        if self.rest is None:
            return features[self.derived[0].name]
        given = {
            one.name: unpacked(features[one.name], shape) for one, shape in zip(self.derived, self.shapes, strict=True)
        }
        given |= {name: features[name] for name in self.rest.input if name not in given}
        return self.rest(given, training=training)


def raw_features(features: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """A batch without derived values."""
    return {name: values for name, values in features.items() if not Derived.is_name(name)}


def fixed_part(network: Network) -> FixedPart | None:
    """The fixed part of a network, or None if all of it learns."""
    if network.frozen:
        shape = getattr(network.model, "output_shape", None)
        if shape is None:  # an uploaded callable
            return None
        size = 4 * prod(shape[1:])
        return FixedPart((Derived.named(network.key, "outputs", _answers(network.model), size),), (), None)
    if not isinstance(network.model, tf_keras.Model):
        return None
    reached = _reached(network.model.output)
    cuts = {one.node.layer.name: one for one in reached if isinstance(one.node.layer, _PROJECTIONS)}
    models = {name: tf_keras.Model(network.model.input, output) for name, output in cuts.items()}
    if not models or any(model.weights for model in models.values()):
        return None
    one_example = {name: tf.zeros([1, *one.shape[1:]], one.dtype) for name, one in network.model.input.items()}
    # Of patches, each of an example's has a row of bits.
    shapes = tuple(tuple(model(one_example).shape) for model in models.values())
    derived = tuple(
        Derived.named(network.key, name, _packer(model), -(-prod(shape) // 8))
        for (name, model), shape in zip(models.items(), shapes, strict=True)
    )
    given = {one.name: output for one, output in zip(derived, cuts.values(), strict=True)}
    left = {name: one for name, one in network.model.input.items() if any(one is other for other in reached)}
    return FixedPart(derived, shapes, tf_keras.Model({**left, **given}, network.model.output))


def fixed_parts(networks: Sequence[Network]) -> dict[str, FixedPart]:
    """By the keys of the networks that have one."""
    found = {network.key: fixed_part(network) for network in networks}
    return {key: part for key, part in found.items() if part is not None}


def _reached(output: Any) -> list[Any]:
    """The Keras tensors from which `output` follows, back to projections and inputs."""
    found = [output]
    for tensor in found:  # which grows meanwhile
        if not isinstance(tensor.node.layer, _PROJECTIONS):
            found += [one for one in tensor.node.keras_inputs if all(one is not other for other in found)]
    return found


def _answers(model: Any) -> Callable[[Mapping[str, tf.Tensor]], tf.Tensor]:
    return lambda raw: model(raw, training=False)


def _packer(model: Any) -> Callable[[Mapping[str, tf.Tensor]], npt.NDArray[np.uint8]]:
    def pack(raw: Mapping[str, tf.Tensor]) -> npt.NDArray[np.uint8]:
        examples = len(next(iter(raw.values())))
        return packed(model(raw, training=False).numpy().reshape(examples, -1))

    return pack


def packed(signs: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """±1 [batch, bits] → uint8 [batch, bytes]: eight bits a byte, the first one the highest."""
    return np.packbits(signs > 0, axis=1)


def unpacked(values: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
    """The way back to what the layer gave: float32 [batch · shape[0], *shape[1:]]."""
    signs = tf.gather(tf.constant(_SIGNS), tf.cast(values, tf.int32))
    return tf.reshape(tf.reshape(signs, [-1, values.shape[1] * 8])[:, : prod(shape)], [-1, *shape[1:]])
