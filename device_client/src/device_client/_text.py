"""Text as a model takes it: UTF-8 bytes, cut between two characters, zeros after the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def encode_text(text: str, length: int) -> npt.NDArray[np.uint8]:
    """uint8 [length]. Raises UnicodeEncodeError for half a surrogate pair."""
    return np.frombuffer(_cut(text.encode(), length).ljust(length, b"\0"), np.uint8)


def encode_tokens(tokens: Sequence[str], shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """uint8 [tokens, bytes of a token]: each cut like a text; those beyond the shape are left out.

    Raises UnicodeEncodeError for half a surrogate pair.
    """
    values = np.zeros(shape, np.uint8)
    for row, token in zip(values, tokens):  # noqa: B905 — the shorter one decides
        row[:] = encode_text(token, shape[1])
    return values


def _cut(data: bytes, length: int) -> bytes:
    """At most `length` bytes, without a character cut in half."""
    if len(data) <= length:
        return data
    while length > 0 and data[length] & 0xC0 == 0x80:  # the character there has begun before
        length -= 1
    return data[:length]
