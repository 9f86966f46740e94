"""Text: UTF-8, whole or in tokens."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ml.features.reader import FeatureReader, Size, UnfitValueError, length_of_most
from ml.features.source import is_tokens
from ml.features.spec import FeatureSpec
from ml.features.stored import Stored

DEFAULT_BYTES = 128
DEFAULT_TOKEN_BYTES = 16
MAX_DEFAULT_TOKENS = 128


class TextReader(FeatureReader[bytes | list[bytes]]):
    """Values are UTF-8, or a list of UTF-8 if the shape has tokens or, without a shape, if each token has a label."""

    noun = "texts"

    @property
    def is_tokens(self) -> bool:
        return is_tokens(self.source, is_sequence=self.is_sequence)

    def read(self, given: object) -> bytes | list[bytes]:
        """Tokens come as a list, as text of a JSON list, or as text with blanks between them."""
        if not self.is_tokens:
            return _utf8(given)
        items = split_list(given) if isinstance(given, str) else given
        if not isinstance(items, list):
            raise UnfitValueError("invalid_text", repr(given)[:60], "a list of tokens")
        return [_utf8(item) for item in items]

    def look(self, value: bytes | list[bytes]) -> Size:
        return (len(value),) if isinstance(value, bytes) else (len(value), max(map(len, value), default=0))

    def content(self, value: bytes | list[bytes]) -> Iterable[bytes]:
        return (value,) if isinstance(value, bytes) else value

    def choose(self) -> tuple[FeatureSpec, list[str]]:
        if not self.is_tokens:
            feature = self.make_spec(self.source.shape or (DEFAULT_BYTES,))
            cut = self.count_where(0, above=feature.shape[0])
            return feature, [self._cut_warning(cut, f"longer than {feature.shape[0]} bytes", feature)] if cut else []
        lengths: Counter[int] = Counter()
        for (tokens, _), count in self.sizes.items():
            lengths[max(1, tokens)] += count
        default = (min(MAX_DEFAULT_TOKENS, length_of_most(lengths)), DEFAULT_TOKEN_BYTES)
        feature = self.make_spec(self.source.shape or default)
        warnings = []
        if cut := self.count_where(0, above=feature.shape[0]):
            warnings.append(self._cut_warning(cut, f"longer than {feature.shape[0]} tokens", feature))
        if cut := self.count_where(1, above=feature.shape[1]):
            warnings.append(
                f"{cut} of {self.count} texts of '{feature.name}' have tokens longer than {feature.shape[1]} bytes, "
                "which lose their end"
            )
        return feature, warnings

    def _cut_warning(self, count: int, what: str, feature: FeatureSpec) -> str:
        return f"{count} of {self.count} texts of '{feature.name}' are {what} and lose their end"

    def store(self, value: bytes | list[bytes], feature: FeatureSpec) -> Stored:
        """Whole: it is cut when it is read, so that another length needs no other import."""
        return value

    def steps(self, value: bytes | list[bytes]) -> int:
        return len(value)


def split_list(text: str) -> list[object]:
    """The items of a JSON list, or what stands between blanks where the text is not one."""
    if text.lstrip().startswith("["):
        try:
            items = json.loads(text)
        except (ValueError, RecursionError):
            return list(text.split())  # a text may begin with a bracket
        if isinstance(items, list):
            return items
    return list(text.split())


def read_text(stored: bytes, feature: FeatureSpec) -> npt.NDArray[np.uint8]:
    """uint8 [bytes]: cut between two characters, zeros after the end."""
    return _padded(stored, feature.shape[0])


def read_tokens(stored: list[bytes], feature: FeatureSpec) -> npt.NDArray[np.uint8]:
    """uint8 [tokens, bytes of a token]: each cut between two characters, zeros after the end."""
    values = np.zeros(feature.shape, np.uint8)
    for row, token in zip(values, stored, strict=False):  # tokens beyond the shape are left out
        row[:] = _padded(token, feature.shape[1])
    return values


def cut_utf8(data: bytes, length: int) -> bytes:
    """At most `length` bytes of UTF-8 `data`, without a character cut in half."""
    if len(data) <= length:
        return data
    while length > 0 and data[length] & 0xC0 == 0x80:  # the character there has begun before
        length -= 1
    return data[:length]


def _padded(data: bytes, length: int) -> npt.NDArray[np.uint8]:
    return np.frombuffer(cut_utf8(data, length).ljust(length, b"\0"), np.uint8)


def _utf8(given: object) -> bytes:
    try:
        if isinstance(given, bytes):
            given.decode()
            return given
        if isinstance(given, str):
            return given.encode()
    except UnicodeError as error:
        raise UnfitValueError("invalid_utf8", str(error), "UTF-8") from None
    raise UnfitValueError("invalid_text", repr(given)[:60], "text")
