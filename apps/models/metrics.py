"""The figures that the engine measures of a model, by task: what they are called and how they are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

# By which models of a task are compared; see `ml.evaluation.metrics.primary_metric`.
PRIMARY = {
    "multi_label": "micro_f1",
    "regression": "rmse",
    "sequence": "token_f1",
    "classification": "accuracy",
}


@dataclass(frozen=True)
class Figure:
    """`name` is its key in the metrics of a split; a share is written in percent. `note` says what it means."""

    name: str
    title: str
    kind: Literal["share", "number", "count"] = "share"
    note: str = ""
    digits: int = 2  # of a share

    def text(self, value: float | None) -> str:
        """The value for people; "–" for none."""
        if value is None:
            return "–"
        if self.kind == "share":
            return f"{value * 100:.{self.digits}f} %"
        return f"{value:,}" if self.kind == "count" else f"{value:,.4g}"


_EXAMPLES = Figure("num_examples", "Examples", "count")
_LOSS = Figure("loss", "Loss", "number", "cross-entropy in nats")
_AUC = Figure("macro_roc_auc", "ROC AUC", "share", "mean of the classes")
_AVERAGE_PRECISION = Figure("macro_average_precision", "Average precision", "share", "mean of the classes")
_MACRO_F1 = Figure("macro_f1", "F1, macro", "share", "mean of the classes")

FIGURES: dict[str, tuple[Figure, ...]] = {
    "classification": (
        _EXAMPLES,
        Figure("accuracy", "Accuracy"),
        Figure("top5_accuracy", "Top-5 accuracy", "share", "right class among the first five"),
        _MACRO_F1,
        _AUC,
        _AVERAGE_PRECISION,
        Figure("calibration.ece", "Calibration error (ECE)", "share", "confidence away from accuracy"),
        _LOSS,
    ),
    "multi_label": (
        _EXAMPLES,
        Figure("micro_f1", "F1, micro", "share", "all labels together"),
        _MACRO_F1,
        Figure("subset_accuracy", "All labels right", "share", "of an example"),
        Figure("hamming_loss", "Wrong labels", "share", "of all yes or no"),
        _AUC,
        _AVERAGE_PRECISION,
        _LOSS,
    ),
    "regression": (
        _EXAMPLES,
        Figure("rmse", "RMSE", "number", "root of the mean squared error"),
        Figure("mae", "MAE", "number", "mean absolute error"),
        Figure("r2", "R²", "number", "1 is perfect, 0 as good as the mean"),
    ),
    "sequence": (
        _EXAMPLES,
        Figure("num_tokens", "Tokens", "count"),
        Figure("token_f1", "Token F1", "share", "all but the class O together"),
        Figure("macro_f1", "F1, macro", "share", "mean of the classes but O"),
        Figure("accuracy", "Right tokens"),
        Figure("sequence_accuracy", "Whole sequences right"),
        _LOSS,
    ),
}
# What feedback from devices can be held against: a whole answer is right or wrong there, or so far off.
ANSWERED = {
    "classification": "accuracy",
    "multi_label": "subset_accuracy",
    "regression": "mae",
    "sequence": "sequence_accuracy",
}
# What the engine measures of each network while it learns: the last part of the names of a run's metrics.
WATCHED = {
    "classification": Figure("accuracy", "Accuracy"),
    "multi_label": Figure("accuracy", "All labels right"),
    "regression": Figure("mae", "Mean absolute error", "number"),
    "sequence": Figure("accuracy", "Right tokens"),
}


@dataclass(frozen=True)
class Headline:
    """A figure of a model that stands for all others."""

    name: str
    title: str
    value: float
    text: str


def task_of(measured: Mapping[str, Any]) -> str:
    """The task whose figures the metrics of a split are."""
    return next((task for task, name in PRIMARY.items() if name in measured), "classification")


def primary_figure(task: str) -> Figure:
    """The figure by which models of a task are compared."""
    return next(figure for figure in FIGURES[task] if figure.name == PRIMARY[task])


def answered_of(measured: Mapping[str, Any]) -> Headline | None:
    """The figure of the metrics of a split that says how good whole answers are; None where it was not measured."""
    task = task_of({name: value for name, value in measured.items() if value is not None})
    value = measured.get(ANSWERED[task])
    if not isinstance(value, int | float):
        return None
    figure = next(figure for figure in FIGURES[task] if figure.name == ANSWERED[task])
    return Headline(figure.name, figure.title, value, figure.text(value))


def headline_of(measured: Mapping[str, Any]) -> Headline | None:
    """The headline of the metrics of a split; None where it was not measured, or is undefined."""
    for task, name in PRIMARY.items():
        value = measured.get(name)
        if isinstance(value, int | float):
            figure = primary_figure(task)
            return Headline(name, figure.title, value, figure.text(value))
    return None
