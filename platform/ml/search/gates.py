"""Choices among sizes that gradients can move.

A gate holds one number θ for each size. A sample of it is m = softmax((θ + g) / τ) with Gumbel noise g, which becomes
one-hot as the temperature τ falls: Jang, Gu & Poole, "Categorical Reparameterization with Gumbel-Softmax", 2017,
section 2; for architectures Wu et al., "FBNet: Hardware-Aware Efficient ConvNet Design via Differentiable Neural
Architecture Search", 2019, section 3.3. A width is chosen by masks over the channels of the widest layer, as in Wan et
al., "FBNetV2: Differentiable Neural Architecture Search for Spatial and Channel Dimensions", 2020, section 3.1:
y = b(x) ∘ Σ mᵢ·1ᵢ with 1ᵢ of as many ones as the size i has channels; the size of kernels by masks over the weights of
the largest one, as in Stamoulis et al., "Single-Path NAS: Designing Hardware-Efficient ConvNets in less than 4 Hours",
2019, section 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from ml.search.layers import Width
from ml.search.space import Choice, Space


class Gate(tf.Module):  # type: ignore[misc]
    """One choice, at first with the same chance for each size."""

    def __init__(self, choice: Choice) -> None:
        super().__init__()
        self.choice = choice
        self.theta = tf.Variable(tf.zeros([len(choice.sizes)]), trainable=True)

    def chances(self) -> tf.Tensor:
        """The probability of each size: float32 [sizes]."""
        return tf.nn.softmax(self.theta)

    def sample(self, seed: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
        """m: float32 [sizes], which adds up to 1. `seed`: int [2]."""
        uniform = tf.random.stateless_uniform(self.theta.shape, seed, minval=1e-6, maxval=1.0 - 1e-6)
        gumbel = -tf.math.log(-tf.math.log(uniform))
        return tf.nn.softmax((self.theta + gumbel) / temperature)


@dataclass(frozen=True)
class TensorWidth(Width):
    """A width whose chances are a tensor."""

    _known: dict[tuple[float, ...], tf.Tensor] = field(default_factory=dict, compare=False)

    def expected(self, values: Sequence[float]) -> tf.Tensor:
        key = tuple(map(float, values))
        if key not in self._known:
            self._known[key] = tf.reduce_sum(self.chances * tf.constant(key, self.chances.dtype))
        return self._known[key]


class Gates(tf.Module):  # type: ignore[misc]
    """All gates of a space, by name."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.gates = {choice.name: Gate(choice) for choice in space.choices}

    @property
    def thetas(self) -> list[tf.Variable]:
        return [gate.theta for gate in self.gates.values()]

    def sample(self, seed: tf.Tensor, temperature: tf.Tensor) -> dict[str, tf.Tensor]:
        """A sample of each gate, from noise of its own."""
        seeds = {name: seed + tf.constant([index * 7919, 0], seed.dtype) for index, name in enumerate(self.gates)}
        return {name: gate.sample(seeds[name], temperature) for name, gate in self.gates.items()}

    def widths(self) -> dict[str, Width]:
        """What the gates expect, as tensors.

        In float64: TensorFlow reorders long sums of numbers each time it traces them, and a run must be repeatable.
        """
        chances = {name: tf.cast(gate.chances(), tf.float64) for name, gate in self.gates.items()}
        return {name: TensorWidth(gate.choice.sizes, chances[name]) for name, gate in self.gates.items()}

    def log_chances(self) -> dict[str, list[float]]:
        """The logarithm of each size's probability."""
        return {name: tf.nn.log_softmax(gate.theta).numpy().tolist() for name, gate in self.gates.items()}


def mask(sample: tf.Tensor, sizes: Sequence[int], *, times: int = 1) -> tf.Tensor:
    """Σ mᵢ·1ᵢ: float32 [largest size · times], with ones for the first size · times channels of each size."""
    channels = np.arange(max(sizes) * times)
    ones = np.stack([channels < size * times for size in sizes]).astype(np.float32)
    return tf.reduce_sum(tf.constant(ones) * sample[:, tf.newaxis], 0)


def kernel_mask(sample: tf.Tensor, sizes: Sequence[int], *, is_line: bool) -> tf.Tensor:
    """Σ mᵢ·1ᵢ: float32 [largest size, largest size or 1, 1, 1], with ones in the middle for each size."""
    distance = np.abs(np.arange(max(sizes)) - max(sizes) // 2)
    farthest = distance[:, np.newaxis] if is_line else np.maximum(distance[:, np.newaxis], distance)
    ones = np.stack([farthest <= size // 2 for size in sizes], axis=-1).astype(np.float32)
    return tf.reduce_sum(tf.constant(ones) * sample, -1)[:, :, tf.newaxis, tf.newaxis]


def mixed(sample: tf.Tensor, sizes: Sequence[int], outputs: Mapping[int, tf.Tensor]) -> tf.Tensor:
    """Σ mᵢ·outputsᵢ over the sizes of a gate that chooses among whole operations, all of one shape."""
    return tf.add_n([sample[index] * outputs[size] for index, size in enumerate(sizes)])
