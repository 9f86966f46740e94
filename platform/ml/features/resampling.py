"""From one sample rate to another.

Band-limited interpolation with a windowed sinc (J. O. Smith, "Digital Audio Resampling Home Page", CCRMA, Stanford:
y(t) = Σ x(n) h(t - n), the sinc's cutoff lowered by the ratio when the rate falls, so that nothing is aliased).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

ZERO_CROSSINGS = 16
_WEIGHTS_AT_ONCE = 2**20


def resample(
    samples: npt.NDArray[np.float32], rate: int, wanted: int, *, length: int | None = None
) -> npt.NDArray[np.float32]:
    """`samples` at `wanted` samples a second: ceil(samples · wanted / rate) of them, or the first `length`."""
    total = -(-len(samples) * wanted // rate)
    total = total if length is None else min(length, total)
    if rate == wanted:
        return samples[:total]
    cutoff = min(1.0, wanted / rate)
    reach = int(np.ceil(ZERO_CROSSINGS / cutoff))
    padded = np.pad(samples.astype(np.float64), (reach, reach + 1))
    taps = np.arange(-reach + 1, reach + 1)
    chunk = max(1, _WEIGHTS_AT_ONCE // len(taps))
    out = np.empty(total, np.float32)
    for start in range(0, total, chunk):
        # Whole and fractional place of each new sample among the old ones, in exact integers.
        position = np.arange(start, min(start + chunk, total), dtype=np.int64) * rate
        whole, fraction = position // wanted, position % wanted / wanted
        distance = taps[None, :] - fraction[:, None]
        window = np.cos(np.pi / 2 * np.clip(distance / reach, -1, 1)) ** 2
        weights = cutoff * np.sinc(cutoff * distance) * window
        weights /= weights.sum(axis=1, keepdims=True)  # a constant stays what it is
        out[start : start + len(position)] = (padded[whole[:, None] + taps[None, :] + reach] * weights).sum(axis=1)
    return out
