"""The form in which a dataset keeps a feature."""

from __future__ import annotations

# image: a PNG; video: a PNG for each frame; text: UTF-8, or UTF-8 for each token; audio: 16-bit PCM, little-endian;
# sensor and vector: numbers, row after row.
Stored = bytes | list[bytes] | list[float]
