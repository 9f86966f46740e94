"""A device whose speed is known, so that nothing in a test depends on the clock."""

from __future__ import annotations

from ml.profiling.device_profile import DeviceProfile, Speed


def plain_profile(*, factor: float = 1.0, tile: int = 4) -> DeviceProfile:
    """`factor` times as slow as the plain one."""
    rates = {
        "convolution/float32": 0.01,
        "depthwise/float32": 0.02,
        "dense/float32": 0.03,
        "elementwise/float32": 0.04,
        "moving/float32": 0.05,
        "fourier/float32": 0.3,
        "convolution/int8": 0.005,
        "scalar/int32": 2.0,
    }
    speeds = {
        name: Speed(overhead_ms=0.0001 * factor, ms_per_million=rate * factor, tile=tile)
        for name, rate in rates.items()
    }
    return DeviceProfile(name="plain", invoke_ms=0.001 * factor, speeds=speeds)
