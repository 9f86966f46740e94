"""From which runtime on an operator's version is there.

`runtime_versions.tsv` holds the facts of `FindMinimumRuntimeVersionForOp` in LiteRT's
tflite/converter/tools/versioning/runtime_version.cc (August 2026): a line for each operator, version:runtime pairs.
Runtimes are numbered as TensorFlow Lite is.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path


@cache
def runtime_table() -> dict[tuple[str, int], str]:
    """(operator, operator's version) → minimum runtime, such as ("CONV_2D", 5) → "2.4.0"."""
    table = {}
    for line in Path(__file__).with_name("runtime_versions.tsv").read_text(encoding="ascii").splitlines():
        name, *pairs = line.split("\t")
        for pair in pairs:
            version, runtime = pair.split(":")
            table[name, int(version)] = runtime
    return table


def version_key(version: str) -> tuple[int, ...]:
    """Orders version texts: "2.10.0" after "2.9.0". Raises ValueError for anything but dotted numbers."""
    return tuple(int(part) for part in version.split("."))


def newest(versions: Iterable[str]) -> str | None:
    """The newest of the versions, or None of none."""
    return max(versions, key=version_key, default=None)
