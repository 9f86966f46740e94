"""How one feature of a source becomes an input: every value is looked at first, then each is stored in one form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from pydantic import ValidationError

from ml.features.source import FeatureSource
from ml.features.spec import FeatureSpec
from ml.features.stored import Stored
from ml.refusal import RefusedError

Value = TypeVar("Value")
Size = tuple[int, ...]
SHARE_KEPT_WHOLE = 0.95


class UnfitValueError(Exception):
    """A value of a source can't be used. `code` is for programs, `reason` says what was received."""

    def __init__(self, code: str, reason: str, accepted: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.accepted = accepted


@dataclass(frozen=True)
class AskedSize:
    """The size that pictures shall have, where it was asked for."""

    height: int | None = None
    width: int | None = None
    channels: int | None = None


class FeatureReader(ABC, Generic[Value]):
    """Reads one feature. First `look` at every value, then `choose` its `FeatureSpec`, then `store` each."""

    noun: ClassVar[str]

    def __init__(self, source: FeatureSource, *, is_sequence: bool = False, asked: AskedSize = AskedSize()) -> None:
        """`is_sequence`: whether the task has a label for each step."""
        self.source = source
        self.is_sequence = is_sequence
        self.asked = asked
        self.sizes: Counter[Size] = Counter()

    @abstractmethod
    def read(self, given: object) -> Value:
        """The value in what a source holds: bytes of a file, a cell's text, JSON. Raises UnfitValueError."""

    @abstractmethod
    def look(self, value: Value) -> Size:
        """The value's size, for `choose` to be counted in `sizes`. Raises UnfitValueError if it can't be decoded."""

    @abstractmethod
    def content(self, value: Value) -> Iterable[bytes]:
        """The bytes by which exact copies are recognised."""

    @abstractmethod
    def choose(self) -> tuple[FeatureSpec, list[str]]:
        """The feature that all values become, and what to warn of. Raises RefusedError `invalid_shape`."""

    @abstractmethod
    def store(self, value: Value, feature: FeatureSpec) -> Stored:
        """The value in the form of `feature`."""

    def steps(self, value: Value) -> int | None:
        """How many labels a sequence task has for it, or None if only the model's front end knows."""
        return None

    def labels_of_steps(self, labels: Sequence[str], value: Value, feature: FeatureSpec) -> Sequence[str]:
        """The labels of those steps of `value` that `store` keeps."""
        return labels[: feature.steps]

    def preview(self, stored: Stored) -> bytes | None:
        """A PNG to show, if there is one."""
        return None

    @property
    def count(self) -> int:
        """Values that were looked at."""
        return self.sizes.total()

    def make_spec(self, shape: Size, *, sample_rate: int | None = None) -> FeatureSpec:
        """The complete feature. Raises RefusedError `invalid_shape`."""
        source = self.source
        try:
            return FeatureSpec(
                name=source.name,
                type=source.type,
                shape=shape,
                sample_rate=sample_rate,
                spectrogram=source.spectrogram,
            )
        except ValidationError as error:
            problem = error.errors()[0]
            field, message = problem["loc"][0], problem["msg"].removeprefix("Value error, ")
            raise RefusedError(
                "invalid_shape",
                f"'{source.name}' can't have the shape {list(shape)}: its {field} {message}.",
                [{"field": source.name, "message": message}],
            ) from None

    def count_where(self, place: int, *, above: int) -> int:
        """How many values have a size above a limit along axis `place`."""
        return sum(count for size, count in self.sizes.items() if size[place] > above)


def most_common(sizes: Counter[Size]) -> Size:
    """The most frequent size; the largest of equally frequent ones, so that no order of files matters."""
    return max(sizes, key=lambda size: (sizes[size], size))


def length_of_most(lengths: Counter[int]) -> int:
    """The smallest length that at least 95 of 100 values fit in whole, so that no outlier makes all of them long."""
    covered, wanted = 0, SHARE_KEPT_WHOLE * lengths.total()
    for length in sorted(lengths):
        covered += lengths[length]
        if covered >= wanted:
            return length
    raise ValueError("There are no lengths. Received: an empty count")
