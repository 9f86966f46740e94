"""Which models the installed LiteRT can run.

Models state the runtime that they need in the numbers of TensorFlow Lite (`min_runtime: "2.17.0"`), because that is
how the op versions are counted. LiteRT's packages count anew from 1.0, so the two numbers can't be compared directly.
"""

from __future__ import annotations

import re
from importlib import metadata

PACKAGE = "ai-edge-litert"

# LiteRT release → the TensorFlow Lite version built into it, read from the version string in its shared libraries.
# A newer release than the last line runs at least what that line says.
_TENSORFLOW_LITE_VERSION: tuple[tuple[tuple[int, ...], str], ...] = (
    ((1, 0), "2.17.0"),
    ((1, 4), "2.20.0"),
    ((2, 0), "2.21.0"),
    ((2, 1), "2.22.0"),
)


def litert_version() -> str:
    """The installed LiteRT package, for example "2.3.0"."""
    return metadata.version(PACKAGE)


def runtime_version() -> str:
    """The TensorFlow Lite version that the installed LiteRT implements, for example "2.22.0"."""
    return tensorflow_lite_version_of(litert_version())


def tensorflow_lite_version_of(litert: str) -> str:
    installed = version_tuple(litert)
    known = [runtime for release, runtime in _TENSORFLOW_LITE_VERSION if release <= installed]
    return known[-1] if known else _TENSORFLOW_LITE_VERSION[0][1]


def satisfies(minimum: str | None, runtime: str) -> bool:
    """Whether `runtime` is at least `minimum`; a model without a minimum runs everywhere."""
    return not minimum or version_tuple(runtime) >= version_tuple(minimum)


def version_tuple(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, at least three: "2.17" and "2.17.0rc1" are both (2, 17, 0)."""
    match = re.match(r"\d+(?:\.\d+)*", version.strip())
    numbers = [int(part) for part in match.group().split(".")] if match else [0]
    return tuple(numbers + [0] * (3 - len(numbers)))
