"""What a study's page shows of it: its parameters by short names, its best trials, the data of its charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.models.metrics import Figure
from apps.training.models import Study, Trial
from apps.training.studies.objective import figure_of
from apps.training.studies.space import Parameter, restored, shown
from ml.spec_text import read_yaml

SHOWN_AS_BEST = 8  # of a study with several best trades


@dataclass(frozen=True)
class Column:
    """A parameter as a column of the table: `label` is short and told from all others by itself."""

    path: str
    label: str
    words: str


@dataclass(frozen=True)
class Line:
    """A trial as a line of the table."""

    trial: Trial
    value: str
    values: list[tuple[Column, str]]
    is_best: bool


def columns_of(study: Study) -> list[Column]:
    """The parameters of a study."""
    ids = _ids(study.spec_yaml)
    return [Column(one.path, _label(one.path, ids), one.words()) for one in restored(study.space)]


def figure(study: Study) -> Figure:
    return figure_of(study.dataset_version.task["type"], study.metric)


def lines_of(study: Study, trials: Sequence[Trial], columns: Sequence[Column], best: Sequence[Trial]) -> list[Line]:
    of, winners = figure(study), {trial.pk for trial in best}
    return [
        Line(
            trial,
            of.text(_reached(trial)),
            [(column, shown(trial.params[column.path])) for column in columns],
            trial.pk in winners,
        )
        for trial in trials
    ]


def best_of(study: Study, rows: Any) -> list[Trial]:
    """The best trial, or of a study for small files as well those that no other one beats in both, smallest first.

    `rows`: the trials of the study, as a QuerySet. One query.
    """
    ordered = rows.filter(study=study).best_first(is_maximized=study.is_maximized)
    if not study.also_smallest:
        return list(ordered.for_page()[:1])
    front: list[Trial] = []
    for trial in ordered.for_page():  # from the best figure down: each on the front is smaller than all before it
        if not front or (trial.bytes or 0) < (front[-1].bytes or 0):
            front.append(trial)
    return front[::-1]


def charts_of(study: Study, rows: Any, best: Sequence[Trial]) -> dict[str, Any]:
    """For the page's script. One query."""
    of, columns, space = figure(study), columns_of(study), restored(study.space)
    fields = ("number", "state", "value", "bytes", "is_feasible", "params", "intermediate")
    trials = rows.filter(study=study).exclude(state=Trial.State.OPEN).order_by("number").only(*fields)
    winners = {trial.number for trial in best}
    return {
        "figure": {"title": of.title, "isShare": of.kind == "share", "isMaximized": study.is_maximized},
        "maxBytes": study.max_bytes,
        "parameters": [
            {
                "label": column.label,
                "log": one.log,
                "choices": [shown(choice) for choice in one.choices] if one.kind == "categorical" else None,
            }
            for column, one in zip(columns, space, strict=True)
        ],
        "importance": [
            {"label": column.label, "share": study.importance[column.path]}
            for column in sorted(columns, key=lambda one: -study.importance.get(one.path, 0))
            if column.path in study.importance
        ],
        "trials": [
            {
                "number": trial.number,
                "state": trial.state,
                "value": trial.value,
                "reached": _reached(trial),
                "bytes": trial.bytes,
                "counts": trial.state == Trial.State.COMPLETE and trial.is_feasible,
                "isBest": trial.number in winners,
                "params": [_plotted(one, trial.params[one.path]) for one in space],
            }
            for trial in trials
        ],
    }


def _plotted(parameter: Parameter, value: Any) -> Any:
    """A number, or the place of a choice among all."""
    if parameter.kind != "categorical":
        return value
    return next(index for index, choice in enumerate(parameter.choices) if shown(choice) == shown(value))


def _reached(trial: Trial) -> float | None:
    """The value of a trial, or the last one that a trial had which was stopped."""
    if trial.state != Trial.State.PRUNED or not trial.intermediate:
        return trial.value
    last: float = trial.intermediate[max(trial.intermediate, key=int)]
    return abs(last)  # a figure that is told by another one stands the other way round


def _ids(spec_yaml: str) -> list[str]:
    data = read_yaml(spec_yaml)
    students = data.get("students") if isinstance(data, Mapping) else None
    return [str(one.get("id")) for one in students or [] if isinstance(one, Mapping)]


def _label(path: str, ids: Sequence[str]) -> str:
    """ "hyperparameters.loss_weights.cross" → "loss_weights.cross", "students[0].params.bits" → "small: bits"."""
    where, _, rest = path.partition(".")
    rest = rest.removeprefix("params.")
    if where == "hyperparameters":
        return rest
    name = where
    if where.startswith("students["):
        index = int(where[len("students[") : -1])
        name = ids[index] if index < len(ids) else where
    return f"{name}: {rest}" if rest else name
