"""Sensors: steps of several channels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from ml.features.numbers import Numbers, parse_numbers, read_numbers
from ml.features.reader import FeatureReader, Size, UnfitValueError, length_of_most
from ml.features.spec import FeatureSpec
from ml.features.stored import Stored


class SensorReader(FeatureReader[Numbers]):
    """Values are float32 [steps, channels]. All have the declared channels, or those of the first."""

    noun = "recordings"
    _channels: int | None = None

    def read(self, given: object) -> Numbers:
        """A list of steps, each a list of channels; or all numbers, step after step; or the bytes of a CSV file."""
        if isinstance(given, bytes):
            given = _read_csv(given)
        if isinstance(given, str):
            given = parse_numbers(given)
        if not isinstance(given, list) or not given:
            raise UnfitValueError("not_a_number", repr(given)[:60], "a list of steps")
        if not isinstance(given[0], list):
            return self._unflattened(read_numbers(given))
        widths = {len(step) if isinstance(step, list) else 0 for step in given}
        if len(widths) != 1 or 0 in widths:
            listed = ", ".join(map(str, sorted(widths)[:4]))
            raise UnfitValueError("wrong_length", f"steps of {listed} values", "as many values in each step")
        return read_numbers(value for step in given for value in step).reshape(len(given), -1)

    def _unflattened(self, numbers: Numbers) -> Numbers:
        channels = self.source.shape[1] if self.source.shape else 1
        if len(numbers) % channels:
            raise UnfitValueError("wrong_length", f"{len(numbers)} numbers", f"a multiple of {channels} channels")
        return numbers.reshape(-1, channels)

    def look(self, value: Numbers) -> Size:
        steps, channels = value.shape
        if self._channels is None:
            self._channels = self.source.shape[1] if self.source.shape else channels
        if channels != self._channels:
            raise UnfitValueError("wrong_length", f"{channels} channels", f"{self._channels} channels")
        return steps, channels

    def content(self, value: Numbers) -> Iterable[bytes]:
        return (value.tobytes(),)

    def choose(self) -> tuple[FeatureSpec, list[str]]:
        lengths: Counter[int] = Counter()
        for (steps, _), count in self.sizes.items():
            lengths[steps] += count
        feature = self.make_spec(self.source.shape or (length_of_most(lengths), next(iter(self.sizes))[1]))
        cut = self.count_where(0, above=feature.shape[0])
        if not cut:
            return feature, []
        return feature, [
            f"{cut} of {self.count} recordings of '{feature.name}' are longer than {feature.shape[0]} steps "
            "and lose their end"
        ]

    def store(self, value: Numbers, feature: FeatureSpec) -> Stored:
        """Cut, or followed by zeros."""
        stored = np.zeros(feature.shape, np.float32)
        kept = min(len(value), len(stored))
        stored[:kept] = value[:kept]
        flat: list[float] = stored.ravel().tolist()
        return flat

    def steps(self, value: Numbers) -> int:
        return len(value)


def _read_csv(data: bytes) -> list[list[str]]:
    """The cells of each line. A first line of names is left out."""
    try:
        lines = [line.split(",") for line in data.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise UnfitValueError("invalid_utf8", f"byte {error.start} of the file", "UTF-8") from None
    if lines:
        try:
            [float(cell) for cell in lines[0] if cell.strip()]
        except ValueError:
            del lines[0]
    if not lines:
        raise UnfitValueError("wrong_length", "a file without numbers", "a line of numbers for each step")
    return lines
