"""Limits of jobs in the environment: `JOB_MEMORY_MB=train=16384,check=2048`, or one number for every kind."""

from __future__ import annotations

from collections.abc import Mapping

from environ import ImproperlyConfigured

KINDS = ("import", "train", "check")
EVERY = "every"
# 0: reckoned (processor time: the time limit on every core; processes: more with each core; a file: as all of them).
DEFAULTS: dict[str, dict[str, int]] = {
    "memory_mb": {EVERY: 8192, "train": 32768},
    "disk_mb": {EVERY: 4096, "import": 65536, "train": 65536},
    "file_mb": {EVERY: 0},
    "files": {EVERY: 100_000},
    "cpu_s": {EVERY: 0},
    "processes": {EVERY: 0},
}


def whole(variable: str, value: int) -> int:
    """The number as it is. Raises ImproperlyConfigured where it is below 0."""
    if value < 0:
        raise ImproperlyConfigured(f"{variable} must be 0 or more. Received: {value}")
    return value


def by_kind(variable: str, text: str, defaults: Mapping[str, int]) -> dict[str, int]:
    """The limit of each kind, and of every other one. Raises ImproperlyConfigured."""
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        kind, _, value = part.rpartition("=")
        if (kind and kind not in KINDS) or not value.strip().isdecimal():
            raise ImproperlyConfigured(
                f"{variable} must be a whole number, or one for each kind such as train=4096,check=1024. "
                f"Received: {text!r}. Kinds: {', '.join(KINDS)}"
            )
        found[kind or EVERY] = int(value)
    return found if EVERY in found else {**defaults, **found}
