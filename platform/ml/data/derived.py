"""Values that follow from an example alone, kept beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self


@dataclass(frozen=True)
class Derived:
    """`compute`: {feature: raw batch} → values [batch, …], whose examples take so many `bytes` each.

    In a batch they stand beside the features, under a name that no feature can have.
    """

    MARK: ClassVar[str] = "/"

    name: str
    compute: Callable[[Mapping[str, Any]], Any]
    bytes: int

    @classmethod
    def named(cls, owner: str, part: str, compute: Callable[[Mapping[str, Any]], Any], size: int) -> Self:
        return cls(f"{owner}{cls.MARK}{part}", compute, size)

    @classmethod
    def is_name(cls, name: str) -> bool:
        """Whether a name in a batch is that of derived values."""
        return cls.MARK in name
