"""What an architecture would cost, from the files of a few others: their front ends, and the layers by formula."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ml.profiling.device_profile import DeviceProfile
from ml.search.layers import STORAGE, Value, bytes_of, ms_of
from ml.search.space import Picked, Space, Widths, certain


@dataclass(frozen=True)
class Price:
    """Bytes of the .tflite file and milliseconds of an inference; numbers, or tensors of what is expected."""

    bytes: Value
    ms: Value


@dataclass(frozen=True)
class Limits:
    """What a model may cost at most; None: anything."""

    max_bytes: float | None = None
    max_ms: float | None = None

    def load(self, price: Price) -> float:
        """The largest share of a limit that is used: at most 1 for what fits."""
        shares = [(price.bytes, self.max_bytes), (price.ms, self.max_ms)]
        return max((float(used) / limit for used, limit in shares if limit is not None), default=0.0)

    def fits(self, price: Price) -> bool:
        return self.load(price) <= 1.0

    def at_most(self, other: Limits) -> Limits:
        """The lower one of each."""

        def lower(one: float | None, two: float | None) -> float | None:
            return min((value for value in (one, two) if value is not None), default=None)

        return Limits(lower(self.max_bytes, other.max_bytes), lower(self.max_ms, other.max_ms))

    def tightened(self, estimated: Price, real: Price) -> Limits:
        """Limits for estimates, below what was estimated for a model that costs `real`, which is too much."""

        def lower(limit: float | None, used: float, actual: float) -> float | None:
            return None if limit is None else limit if actual <= limit else min(limit, used) * 0.995 * limit / actual

        return Limits(
            lower(self.max_bytes, float(estimated.bytes), float(real.bytes)),
            lower(self.max_ms, float(estimated.ms), float(real.ms)),
        )


@dataclass(frozen=True)
class Front:
    """What is in a file besides the layers: `bytes` and `ms` at some sizes of a gate, from which others follow."""

    gate: str | None
    sizes: tuple[int, ...]
    bytes: tuple[float, ...]
    ms: tuple[float, ...]

    def expected(self, widths: Widths, costs: Sequence[float]) -> Value:
        if self.gate is None:
            return costs[0]
        width = widths[self.gate]
        return width.expected([float(np.interp(size, self.sizes, costs)) for size in width.sizes])


class Pricing:
    """Prices of architectures of the spaces whose front ends have been measured."""

    def __init__(self, *, number: Literal["float32", "int8"], profile: DeviceProfile | None) -> None:
        self._number, self._profile = number, profile
        self._fronts: dict[str, Front] = {}

    def measure_front(self, space: Space, measure: Callable[[Picked], Price]) -> Price:
        """Measures the space's anchors, and gives the price of its smallest architecture."""
        anchors = space.anchors()
        prices = [measure(picked) for picked in anchors]
        layers = [self._layers(space, certain(picked)) for picked in anchors]
        gate = "projections" if len(anchors) > 1 else None
        self._fronts[space.model_type] = Front(
            gate,
            tuple(picked[gate] if gate else 0 for picked in anchors),
            tuple(float(price.bytes - own.bytes) for price, own in zip(prices, layers, strict=True)),
            tuple(float(price.ms - own.ms) for price, own in zip(prices, layers, strict=True)),
        )
        return prices[0]

    def of(self, space: Space, widths: Widths) -> Price:
        """The price of an architecture, or the expected one of a distribution over them."""
        front, layers = self._fronts[space.model_type], self._layers(space, widths)
        return Price(front.expected(widths, front.bytes) + layers.bytes, front.expected(widths, front.ms) + layers.ms)

    def of_picked(self, space: Space, picked: Mapping[str, int]) -> Price:
        return self.of(space, certain(picked))

    def _layers(self, space: Space, widths: Widths) -> Price:
        layers = space.layers(widths)
        ms = 0.0 if self._profile is None else ms_of(layers, self._profile, self._number)
        return Price(bytes_of(layers, STORAGE[self._number]), ms)
