"""The pure part of delivery: what is published, what a device says of itself, and what it gets. No database here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class PublishedModel:
    """One deployment as published: its model, and the version that its current revision serves."""

    slug: str
    version: UUID
    number: int
    revision: int
    bytes: int
    sha256: str
    min_runtime: str
    task: str


@dataclass(frozen=True)
class Snapshot:
    """A project's published configuration at one revision. Immutable; compiled by `manifests.compile_snapshot`."""

    project: UUID
    revision: int
    models: tuple[PublishedModel, ...]


@dataclass(frozen=True)
class Attributes:
    """What a device said of itself in one request."""

    installation: UUID
    app_version: str = ""
    platform: str = ""
    os_version: str = ""
    device_model: str = ""
    ram_mb: int | None = None
    cpu_cores: int | None = None
    runtime_version: str = ""
    language: str = ""
    country: str = ""
    user: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Assignment:
    """A model that the device gets, and the rule that says so."""

    model: PublishedModel
    rule: str


@dataclass(frozen=True)
class Withheld:
    """A model that the device does not get. `reason`: "runtime_too_old" or "runtime_unknown"."""

    model: PublishedModel
    reason: str

    def as_json(self) -> dict[str, Any]:
        return {
            "model": self.model.slug,
            "version": str(self.model.version),
            "reason": self.reason,
            "min_runtime": self.model.min_runtime,
        }


@dataclass(frozen=True)
class Decision:
    """What one device gets. Holds nothing of the device itself, so devices that get the same share one manifest."""

    assigned: tuple[Assignment, ...]
    withheld: tuple[Withheld, ...]


def decide(snapshot: Snapshot, attributes: Attributes) -> Decision:
    """One version for all devices whose runtime can run it; the others are told what they lack."""
    assigned: list[Assignment] = []
    withheld: list[Withheld] = []
    runtime = version_tuple(attributes.runtime_version)
    for model in snapshot.models:
        needed = version_tuple(model.min_runtime)
        if needed is None or (runtime is not None and runtime >= needed):
            assigned.append(Assignment(model, rule="default"))
        else:
            withheld.append(Withheld(model, "runtime_unknown" if runtime is None else "runtime_too_old"))
    return Decision(tuple(assigned), tuple(withheld))


def version_tuple(version: str) -> tuple[int, ...] | None:
    """The leading numbers, at least three: "2.17" and "2.17.0rc1" are both (2, 17, 0). None where there is none."""
    match = re.match(r"\d{1,9}(?:\.\d{1,9})*", version.strip())
    if match is None:
        return None
    numbers = [int(part) for part in match.group().split(".")]
    return tuple(numbers + [0] * (3 - len(numbers)))
