"""How long one inference takes: measured on this machine, or predicted for another by its profile."""

from __future__ import annotations

from pathlib import Path

from ml.evaluation.runtime import Runtime
from ml.profiling.device_profile import DeviceProfile
from ml.profiling.operations import operations


def latency_for(path: Path, profile: DeviceProfile | None) -> float:
    """Milliseconds of one inference of a .tflite file: the measured median here, or the prediction by `profile`.

    Raises RefusedError if the file does not run here, NotAModelError if it is none.
    """
    return Runtime(path).latency()["p50"] if profile is None else predicted_ms(path, profile)


def predicted_ms(path: Path, profile: DeviceProfile) -> float:
    """The time of the call and of each operation, added up, without running the file."""
    return profile.invoke_ms + sum(operation.ms(profile) for operation in operations(path))
