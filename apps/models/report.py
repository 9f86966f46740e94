"""A version's measured figures, arranged for its page. What was not measured, or is undefined, is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.models.metrics import FIGURES, Figure, task_of
from apps.models.models import ModelVersion
from apps.projects.quotas import in_words

# A larger matrix can't be read as a table; the pairs that are mixed up most are shown for any size.
MAX_MATRIX_CLASSES = 30
MAX_CONFUSIONS = 12
HEAT_STEPS = 9
SPLITS = ("train", "validation", "test")
CLASS_FIGURES = (
    Figure("precision", "Precision", digits=1),
    Figure("recall", "Recall", digits=1),
    Figure("f1", "F1", digits=1),
    Figure("roc_auc", "ROC AUC", digits=1),
    Figure("support", "Examples", "count"),
)
VALUE_FIGURES = tuple(figure for figure in FIGURES["regression"] if figure.name in ("rmse", "mae", "r2"))


@dataclass(frozen=True)
class Line:
    """One figure, as text for each split."""

    title: str
    note: str
    cells: list[str]


@dataclass(frozen=True)
class Table:
    """Figures of each class, or of each value of a regression."""

    title: str
    what: str
    columns: list[str]
    rows: list[Line]


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
    share: float | None


@dataclass(frozen=True)
class Report:
    """What was measured on the held-out examples; all but `lines` of the last of `splits`.

    `matrix` is empty where there are too many classes for a table; `charts` (for static/js/model-report.js) has
    `curves` and `bins`, each empty where there are none.
    """

    task: str
    splits: list[str]
    lines: list[Line]
    details: Table | None
    labels: list[str]
    matrix: list[MatrixRow]
    confusions: list[Confusion]
    charts: dict[str, list[dict[str, Any]]]
    num_ranked: int | None

    @property
    def unit(self) -> str:
        """What the matrix counts."""
        return "tokens" if self.task == "sequence" else "examples"


def report_of(version: ModelVersion) -> Report | None:
    """The report of the splits that were measured; None where nothing was, as in an upload."""
    splits = _measured(version)
    if not splits:
        return None
    measured = list(splits.values())[-1]
    task = task_of(measured)
    per_class = measured.get("per_class") or []
    labels = [row["label"] for row in per_class]
    counts = measured.get("confusion_matrix") or []
    rows = zip(labels, counts, strict=True) if counts else ()
    matrix = [MatrixRow(label, _cells(row, index)) for index, (label, row) in enumerate(rows)]
    return Report(
        task=task,
        splits=list(splits),
        lines=_lines(FIGURES[task], list(splits.values())),
        details=_table("By class", "Class", CLASS_FIGURES, per_class, labels)
        or _values(measured.get("per_value") or []),
        labels=labels,
        matrix=matrix if len(labels) <= MAX_MATRIX_CLASSES else [],
        confusions=_confusions(measured, labels, counts),
        charts={
            "curves": measured.get("curves") or [],
            "bins": [one for one in (measured.get("calibration") or {}).get("bins", []) if one["count"]],
        },
        num_ranked=measured.get("num_ranked"),
    )


@dataclass(frozen=True)
class Fact:
    """Something else that was measured of the file; `note` follows in small."""

    title: str
    text: str
    note: str = ""


AGREEMENT = {
    "top1_agreement": ("Same class as the trainer", True),
    "label_agreement": ("Same labels as the trainer", True),
    "token_agreement": ("Same class as the trainer, by token", True),
    "rmse": ("Distance from the trainer (RMSE)", False),
}


def facts_of(version: ModelVersion) -> list[Fact]:
    """What the training measured of the file besides its metrics: time, memory, operations, how true it is."""
    measured = version.measurements
    facts = []
    if latency := measured.get("latency_ms"):
        note = f"(95 %: {latency['p95']:.3f} ms)"
        facts.append(Fact("One inference on the training machine", f"{latency['p50']:.3f} ms", note))
    cost = measured.get("cost") or {}
    if memory := cost.get("memory"):
        facts.append(
            Fact("Memory of one inference", in_words(memory["peak_bytes"]), "at its peak, without the runtime")
        )
    if (flops := cost.get("flops")) is not None:
        facts.append(Fact("Operations of one inference", _large(flops), "FLOPs"))
    if (compressed := cost.get("compressed_bytes")) is not None:
        facts.append(Fact("Compressed for the download", in_words(compressed)))
    if agreement := measured.get("agreement"):
        title, is_share = AGREEMENT.get(agreement["measure"], (agreement["measure"], False))
        figure = Figure("", title, "share" if is_share else "number")
        facts.append(Fact(title, figure.text(agreement["value"]), f"on the {agreement['split']} split"))
    if parity := measured.get("parity"):
        facts.append(_parity(parity, task_of(next(reversed(_measured(version).values()), {}))))
    return facts


def _measured(version: ModelVersion) -> dict[str, dict[str, Any]]:
    """The metrics of each split that was measured, the test split last."""
    return {name: version.metrics[name] for name in SPLITS if name in version.metrics}


def _parity(parity: dict[str, Any], task: str) -> Fact:
    largest = f"{parity['max_abs']:.1e}"
    if task in ("regression", "multi_label"):
        return Fact("Largest difference from the trained network", largest)
    agreement = f"{parity['top1_agreement'] * 100:.1f} %"
    return Fact("Same answer as the trained network", agreement, f"(largest difference {largest})")


def _large(count: float) -> str:
    for unit in ("", " thousand", " million"):
        if count < 1000:
            return f"{count:.3g}{unit}"
        count /= 1000
    return f"{count:,.3g} billion"


def _lines(figures: Sequence[Figure], splits: Sequence[Mapping[str, Any]]) -> list[Line]:
    """A line for each figure that any split has."""
    values = [(figure, [_value(split, figure.name) for split in splits]) for figure in figures]
    return [
        Line(figure.title, figure.note, [figure.text(value) for value in found])
        for figure, found in values
        if any(value is not None for value in found)
    ]


def _value(measured: Mapping[str, Any], name: str) -> float | None:
    """The number at a dotted path; None where there is none."""
    found: Any = measured
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found if isinstance(found, int | float) else None


def _table(
    title: str, what: str, figures: Sequence[Figure], rows: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> Table | None:
    """Rows of figures, without the columns that none of them has."""
    if not rows:
        return None
    shown = [figure for figure in figures if any(_value(row, figure.name) is not None for row in rows)]
    lines = [
        Line(name, "", [figure.text(_value(row, figure.name)) for figure in shown])
        for name, row in zip(names, rows, strict=True)
    ]
    return Table(title, what, [figure.title for figure in shown], lines)


def _values(rows: Sequence[Mapping[str, Any]]) -> Table | None:
    """Of a regression of several values: one has nothing to add to the figures by split."""
    if len(rows) < 2:
        return None
    return _table("By value", "Value", VALUE_FIGURES, rows, [str(index) for index in range(1, len(rows) + 1)])


def _cells(row: list[int], right: int) -> list[Cell]:
    total = sum(row) or 1
    return [Cell(count, _heat(count / total), index == right) for index, count in enumerate(row)]


def _heat(share: float) -> int:
    """0 for nothing, else 1 … 9; the square root lets a few errors show beside many right answers."""
    return 0 if share == 0 else max(1, round(HEAT_STEPS * share**0.5))


def _confusions(measured: Mapping[str, Any], labels: list[str], counts: list[list[int]]) -> list[Confusion]:
    """As the engine lists them, which it does for any number of classes; else out of the matrix."""
    if "confusions" in measured:
        listed = measured["confusions"][:MAX_CONFUSIONS]
        return [Confusion(one["label"], one["predicted"], one["count"], one["share"]) for one in listed]
    found = [
        Confusion(labels[row], labels[column], count, count / sum(line))
        for row, line in enumerate(counts)
        for column, count in enumerate(line)
        if count and row != column
    ]
    return sorted(found, key=lambda confusion: (-confusion.count, confusion.label))[:MAX_CONFUSIONS]
