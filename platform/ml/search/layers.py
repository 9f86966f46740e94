"""What a layer costs before it is built: bytes of the file, and milliseconds by a device profile.

Widths can be numbers, or what gates expect of several: every cost is a sum of products of widths of different gates, so
that with independent gates the expected cost is the cost of the expected widths, and no larger table is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from ml.profiling.device_profile import DeviceProfile, Speed
from ml.profiling.reference_models import Kind

# Number or tensor.
Value = Any


@dataclass(frozen=True)
class Width:
    """One of several sizes by chance: `chances` has the probability of each."""

    sizes: tuple[int, ...]
    chances: Value = (1.0,)

    @classmethod
    def of(cls, size: int) -> Self:
        """A size that is certain."""
        return cls((size,))

    def expected(self, values: Sequence[float]) -> Value:
        """The expected one of these values, which belong to the sizes."""
        return sum(chance * value for chance, value in zip(self.chances, values, strict=True))

    def mean(self, speed: Speed | None = None) -> Value:
        """The expected size; with a speed, of the channels that are worked on for it."""
        return self.expected(self.sizes if speed is None else [speed.padded(size) for size in self.sizes])

    def chance_of(self, size: int) -> Value:
        """The probability of a size."""
        return self.expected([one == size for one in self.sizes])

    def chance_from(self, size: int) -> Value:
        """The probability of a size that is at least this."""
        return self.expected([one >= size for one in self.sizes])


@dataclass(frozen=True)
class Layer:
    """`positions` of the output, each of which sees `kernel` positions of `inputs` channels and gives `outputs`.

    `share` is the probability that the layer is there at all. Kinds without weights ("elementwise": pooling and
    activations) read `outputs` channels. `is_dense`: it is a dense layer, even if it is fast like a convolution.
    """

    kind: Kind
    outputs: Width
    positions: Value = 1
    kernel: Value = 1
    inputs: Value = 1
    share: Value = 1.0
    is_dense: bool = False


@dataclass(frozen=True)
class Storage:
    """Bytes in a file: for a weight, for each output of a layer, and for the description of an operator.

    `dense_output`: of a dense layer. `for_weights`: of operators with weights, which are described by more tensors.
    """

    weight: int
    output: int
    dense_output: int
    for_weights: int
    for_others: int


# Measured on exported files; a test holds the sums against them. In 8 bits, each output has a bias of 4 bytes, and but
# for dense layers, which have one for all, a scale and a zero point for both weights and bias.
STORAGE: dict[Literal["float32", "int8"], Storage] = {
    "float32": Storage(weight=4, output=4, dense_output=4, for_weights=208, for_others=150),
    "int8": Storage(weight=1, output=28, dense_output=4, for_weights=304, for_others=190),
}


def weights_of(layer: Layer) -> Value:
    """How many weights a layer has, without biases."""
    match layer.kind:
        case "convolution" | "dense":
            return layer.kernel * layer.inputs * layer.outputs.mean()
        case "depthwise":
            return layer.kernel * layer.outputs.mean()
    return 0


def millions_of(layer: Layer, speed: Speed) -> Value:
    """10⁶ floating-point operations (two for a multiply-add), or values of a kind without weights."""
    positions, outputs = layer.positions, layer.outputs.mean(speed)
    match layer.kind:
        case "convolution" | "dense":
            return 2e-6 * positions * layer.kernel * layer.inputs * outputs
        case "depthwise":
            return 2e-6 * positions * layer.kernel * outputs
    return 1e-6 * positions * layer.kernel * outputs


def bytes_of(layers: Iterable[Layer], storage: Storage) -> Value:
    """Expected bytes of all layers."""
    total: Value = 0.0
    for layer in layers:
        has_weights = layer.kind in ("convolution", "depthwise", "dense")
        own = storage.for_weights if has_weights else storage.for_others
        if has_weights:
            each = storage.dense_output if layer.is_dense else storage.output
            own = own + storage.weight * weights_of(layer) + each * layer.outputs.mean()
        total = total + layer.share * own
    return total


def ms_of(layers: Iterable[Layer], profile: DeviceProfile, number: Literal["float32", "int8"]) -> Value:
    """Expected milliseconds of all layers."""
    total: Value = 0.0
    for layer in layers:
        speed = profile.speed(layer.kind, number)
        total = total + layer.share * (speed.overhead_ms + speed.ms_per_million * millions_of(layer, speed))
    return total
