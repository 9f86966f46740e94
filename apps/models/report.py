"""A version's measured figures, arranged for its page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.models.models import ModelVersion

# A larger matrix can't be read as a table; the pairs that are mixed up most are shown for any size.
MAX_MATRIX_CLASSES = 30
MAX_CONFUSIONS = 12
HEAT_STEPS = 9
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Cell:
    """Examples of the row's class that were taken for the column's. `heat`, 0 … 9, is their share of the row."""

    count: int
    heat: int
    is_right: bool


@dataclass(frozen=True)
class MatrixRow:
    label: str
    cells: list[Cell]


@dataclass(frozen=True)
class Confusion:
    """`count` examples of `label` were taken for `predicted`: `share` of all examples of `label`."""

    label: str
    predicted: str
    count: int
    share: float


@dataclass(frozen=True)
class Report:
    """What was measured on the held-out examples. `matrix` is empty where there are too many classes for a table."""

    splits: list[tuple[str, dict[str, Any]]]
    labels: list[str]
    per_class: list[dict[str, Any]]
    matrix: list[MatrixRow]
    confusions: list[Confusion]


def report_of(version: ModelVersion) -> Report | None:
    """The report of the test split, or of the last one measured; None where nothing was measured, as in an upload."""
    splits = [(name, version.metrics[name]) for name in SPLITS if name in version.metrics]
    if not splits:
        return None
    measured = splits[-1][1]
    per_class = measured.get("per_class", [])
    labels = [row["label"] for row in per_class]
    counts = measured.get("confusion_matrix", [])
    rows = [MatrixRow(label, _cells(row, index)) for index, (label, row) in enumerate(zip(labels, counts, strict=True))]
    return Report(
        splits=splits,
        labels=labels,
        per_class=per_class,
        matrix=rows if len(labels) <= MAX_MATRIX_CLASSES else [],
        confusions=_confusions(labels, counts),
    )


def _cells(row: list[int], right: int) -> list[Cell]:
    total = sum(row) or 1
    return [Cell(count, _heat(count / total), index == right) for index, count in enumerate(row)]


def _heat(share: float) -> int:
    """0 for nothing, else 1 … 9; the square root lets a few errors show beside many right answers."""
    return 0 if share == 0 else max(1, round(HEAT_STEPS * share**0.5))


def _confusions(labels: list[str], counts: list[list[int]]) -> list[Confusion]:
    found = [
        Confusion(labels[row], labels[column], count, count / sum(line))
        for row, line in enumerate(counts)
        for column, count in enumerate(line)
        if count and row != column
    ]
    return sorted(found, key=lambda confusion: (-confusion.count, confusion.label))[:MAX_CONFUSIONS]
