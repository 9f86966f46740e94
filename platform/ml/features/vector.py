"""Vectors: a fixed number of values."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ml.features.numbers import Numbers, parse_numbers, read_numbers
from ml.features.reader import FeatureReader, Size, UnfitValueError
from ml.features.spec import FeatureSpec
from ml.features.stored import Stored


class VectorReader(FeatureReader[Numbers]):
    """All vectors have the declared length, or that of the first."""

    noun = "vectors"
    _length: int | None = None

    def read(self, given: object) -> Numbers:
        if isinstance(given, str):
            given = parse_numbers(given)
        if isinstance(given, int | float):
            given = [given]
        if not isinstance(given, list | np.ndarray):
            raise UnfitValueError("not_a_number", repr(given)[:60], "a list of numbers")
        return read_numbers(given)

    def look(self, value: Numbers) -> Size:
        if self._length is None:
            self._length = self.source.shape[0] if self.source.shape else max(1, len(value))
        if len(value) != self._length:
            raise UnfitValueError("wrong_length", f"{len(value)} values", f"{self._length} values")
        return (len(value),)

    def content(self, value: Numbers) -> Iterable[bytes]:
        return (value.tobytes(),)

    def choose(self) -> tuple[FeatureSpec, list[str]]:
        return self.make_spec(self.source.shape or next(iter(self.sizes))), []

    def store(self, value: Numbers, feature: FeatureSpec) -> Stored:
        numbers: list[float] = value.tolist()
        return numbers
