"""Texts at the edges of what n-grams are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TEXTS = (
    "",
    " ",
    "a",
    "ab",
    "A b",
    "Play the Song “Füße” by Björk, please!",
    "  two  spaces\tand\na line ",
    "don't stop-me_now 24/7 (ok?)",
    "日本語のテキスト",
    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z",
    "!!!???...",
)


def as_bytes(texts: Sequence[str], size: int) -> np.ndarray:
    """uint8 [texts, size]: UTF-8 cut at `size` bytes, zeros after the end."""
    raw = np.zeros((len(texts), size), np.uint8)
    for row, text in enumerate(texts):
        content = text.encode()[:size]
        raw[row, : len(content)] = list(content)
    return raw
