"""What a study looks for: a figure of one student on the validation split, and the size of its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.models.metrics import FIGURES, WATCHED, Figure, primary_figure
from apps.models.models import ModelVersion

BYTES = Figure("bytes", "File size", "count", "of the .tflite")
MINIMIZED = frozenset({"loss", "rmse", "mae", "hamming_loss", "calibration.ece", "bytes"})
LOSS = "loss"  # watched of every task


@dataclass(frozen=True)
class Watched:
    """The series of a running job that stands for a study's figure; `sign` -1: smaller is better where the other
    is better larger, or the other way round."""

    name: str
    sign: int


def figures_of(task: str) -> list[Figure]:
    """What a study of the task can look for, what models of it are compared by first."""
    primary = primary_figure(task)
    others = [one for one in FIGURES[task] if one.kind != "count" and one.name != primary.name]
    return [primary, *others, BYTES]


def figure_of(task: str, name: str) -> Figure:
    """The figure of this name; one that the task does not have is a number."""
    return next((one for one in figures_of(task) if one.name == name), Figure(name, name, "number"))


def usual_direction(metric: str) -> str:
    return "minimize" if metric in MINIMIZED else "maximize"


def watched_for(*, task: str, student: str, metric: str, direction: str) -> Watched:
    """The series that says while a student learns how good its figure will be: the same figure where it is measured,
    else the one that is measured of the task."""
    name = metric if metric == LOSS else WATCHED[task].name
    sign = 1 if metric == name or usual_direction(name) == direction else -1
    return Watched(f"validation/student:{student}/{name}", sign)


def value_of(version: ModelVersion, metric: str) -> float | None:
    """The figure of a trained version; None where it is undefined."""
    if metric == BYTES.name:
        return version.tflite_bytes
    found: Any = version.metrics.get("validation")
    for part in metric.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
