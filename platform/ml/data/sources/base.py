"""What every source of examples gives: rows, one after the other to look through, then any of them again by number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ml.data.import_spec import ImportSpec
from ml.features.reader import UnfitValueError


class Row(NamedTuple):
    """One example as the source holds it.

    `given` has, for each feature by name, what its reader takes: bytes of a file, a cell, JSON, numbers. `label` is
    None without one, `split` None where the source does not say. `path` tells where the row is.
    """

    path: str
    given: Mapping[str, object]
    label: object
    split: str | None


@dataclass(frozen=True)
class RowProblem:
    """A row that can't be used: where it is, which field, and why."""

    path: str
    field: str
    error: UnfitValueError


class Source(ABC):
    """Rows are numbered from 0 in the order of `scan`; rows with a problem count as well.

    `spec` says what the rows hold. `has_indices`: whether whole numbers as labels are indices of classes, not names.
    """

    noun: str
    spec: ImportSpec
    has_indices: bool = False
    warnings: list[str]

    @abstractmethod
    def scan(self) -> Iterator[Row | RowProblem]:
        """All rows in order. Raises RefusedError if the source as a whole can't be read."""

    @abstractmethod
    def fetch(self, number: int) -> Row:
        """A row that `scan` has given before."""

    @abstractmethod
    def where(self, number: int) -> str:
        """The path of a row."""

    @abstractmethod
    def progress(self) -> tuple[int, int, str]:
        """How far `scan` has come: done, total, unit."""
