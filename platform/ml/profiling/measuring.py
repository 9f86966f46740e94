"""Measures this machine's speed in LiteRT: a device profile from short chains of one operation each."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from math import log2, prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml.evaluation.runtime import Runtime
from ml.profiling.device_profile import DeviceProfile, Speed
from ml.profiling.reference_models import Kind, Number, Reference, reference_model
from ml.reporting import Reporter

CHAIN = 7
# Groups of channels that processors work on: one value, NEON, AVX, AVX-512.
TILES = (1, 4, 8, 16, 32, 64)
# What the clock can't tell from nothing, in milliseconds.
SMALLEST_MS = 1e-5

_SIZES: dict[Kind, tuple[tuple[tuple[int, ...], int], ...]] = {
    "convolution": (
        ((1, 28, 28, 4), 3),
        ((1, 28, 28, 8), 3),
        ((1, 14, 14, 16), 1),
        ((1, 14, 14, 32), 3),
        ((1, 7, 7, 24), 3),
        ((1, 7, 7, 64), 1),
        ((1, 100, 1, 16), 3),
    ),
    "depthwise": (
        ((1, 28, 28, 8), 3),
        ((1, 28, 28, 16), 3),
        ((1, 14, 14, 32), 3),
        ((1, 7, 7, 64), 5),
        ((1, 100, 1, 16), 3),
    ),
    "dense": tuple(((1, width), 1) for width in (16, 64, 128, 256, 512)),
    "elementwise": tuple(((1, values), 1) for values in (64, 1024, 4096, 16384)),
    "scalar": tuple(((1, values), 1) for values in (16, 64, 256, 1024)),
    "moving": tuple(((1, side, side), 1) for side in (8, 32, 64, 128)),
    "fourier": tuple(((1, frames, 1, values), 1) for frames, values in ((8, 256), (32, 256), (16, 512))),
}
_NUMBERS: dict[Number, tuple[Kind, ...]] = {
    "float32": ("convolution", "depthwise", "dense", "elementwise", "moving", "fourier"),
    "int8": ("convolution", "depthwise", "dense"),
    "int32": ("elementwise", "scalar", "moving"),
}


def measure_profile(reporter: Reporter | None = None, *, name: str | None = None) -> DeviceProfile:
    """This machine's, with one thread, as models are measured. Takes a few seconds."""
    cases = [(kind, number) for number, kinds in _NUMBERS.items() for kind in kinds]
    speeds, invoke = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for index, (kind, number) in enumerate(cases):
            if reporter is not None:
                reporter.progress(index, len(cases), "kinds", f"measuring {kind} of {number}")
            references = [Reference(kind, shape, kernel, number) for shape, kernel in _SIZES[kind]]
            times = [_measured(reference, Path(folder) / "reference.tflite") for reference in references]
            speeds[f"{kind}/{number}"] = fitted(references, [each for _, each in times])
            invoke.append(min(one - each for one, each in times))
    if reporter is not None:
        reporter.progress(len(cases), len(cases), "kinds", "measured")
    return DeviceProfile(
        name=name[:200] if name else f"{platform.machine()} {platform.system()}",
        runtime=f"ai-edge-litert {version('ai-edge-litert')}",
        invoke_ms=max(float(np.median(invoke)), 0.0),
        speeds=speeds,
    )


def _measured(reference: Reference, path: Path) -> tuple[float, float]:
    """Milliseconds of an inference of a single operation, and of each operation in a chain of several."""
    taken = []
    for repeats in (1, CHAIN):
        path.write_bytes(reference_model(replace(reference, repeats=repeats)))
        taken.append(Runtime(path).latency()["p50"])
    return taken[0], max((taken[1] - taken[0]) / (CHAIN - 1), SMALLEST_MS)


def fitted(references: Sequence[Reference], taken_ms: Sequence[float]) -> Speed:
    """The speed with the smallest relative error, as a mean square, on operations of one kind that took so long."""
    found = [_fit(references, np.array(taken_ms), tile) for tile in TILES]
    return min(found, key=lambda speed: speed.error)


def _fit(references: Sequence[Reference], taken_ms: npt.NDArray[np.float64], tile: int) -> Speed:
    """Least squares of (overhead + rate·millions) / taken - 1 with both at least 0."""
    unit = Speed(overhead_ms=0.0, ms_per_million=0.0, tile=tile)
    millions = np.array([millions_of(one, unit) for one in references])
    columns = np.stack([1.0 / taken_ms, millions / taken_ms], axis=1)
    found = []
    for used in ([0, 1], [1], [0]):
        values = np.zeros(2)
        values[used] = np.linalg.lstsq(columns[:, used], np.ones(len(columns)), rcond=None)[0]
        if (values >= 0).all():  # of one column alone they always are
            overhead, rate = values.tolist()
            error = float(np.sqrt(np.mean((columns @ values - 1.0) ** 2)))
            found.append(Speed(overhead_ms=overhead, ms_per_million=rate, tile=tile, error=round(error, 4)))
    return min(found, key=lambda speed: speed.error)


def millions_of(reference: Reference, speed: Speed) -> float:
    """10⁶ floating-point operations, or values, of one operation, with channels padded as `speed` says."""
    *_, channels = shape = reference.shape
    positions = prod(shape[1:-1])
    kernel = reference.kernel if len(shape) == 4 and shape[2] == 1 else reference.kernel**2
    padded = speed.padded(channels)
    match reference.kind:
        case "convolution":
            return 2 * positions * kernel * channels * padded / 1e6
        case "depthwise":
            return 2 * positions * kernel * padded / 1e6
        case "dense":
            return 2 * channels * padded / 1e6
        case "fourier":
            return fourier_flops(shape) / 1e6
    return prod(shape) / 1e6


def fourier_flops(shape: Sequence[int]) -> float:
    """2.5·N·log₂N for each row of N real values, as `ml.evaluation.flops` counts."""
    return 2.5 * prod(shape) * log2(shape[-1])
