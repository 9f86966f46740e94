"""Mean and deviation of a feature over the training split, by which its values are standardized in the graph."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Statistics:
    """One value for each entry of the last axis: channel of a picture or sensor, band of a sound, value of a vector.

    In raw units: pixels 0 to 255, sensor and vector values as they are, log mel energies for audio.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def scale(self) -> tuple[float, ...]:
        """The deviation, 1 where nothing ever changes."""
        return tuple(std if std > 1e-6 else 1.0 for std in self.std)
