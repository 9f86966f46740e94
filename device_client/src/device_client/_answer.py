"""From the numbers that a model gives to an answer, by its task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

TASKS = ("classification", "multi_label", "regression", "sequence")
THRESHOLD = 0.5

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """One inference; what a task does not give is empty. `latency_ms` is how long LiteRT took.

    Attributes:
        scores: label → score, in the order of the output; of a sequence the highest in any step.
        labels: classification: the one with the highest score; multi_label: those with a score of at least 0.5;
            sequence: one for each step.
        label_scores: the score of each of `labels`.
        values: the numbers of a regression.
    """

    scores: dict[str, float]
    labels: tuple[str, ...]
    label_scores: tuple[float, ...]
    values: tuple[float, ...]
    latency_ms: float


def read_answer(task: str, output: Numbers, labels: tuple[str, ...], *, steps: int | None, latency_ms: float) -> Answer:
    """The answer in `output`: [labels], [values], or [steps, labels], of which the first `steps` count (None: all)."""
    if task == "regression":
        return Answer({}, (), (), tuple(output.reshape(-1).tolist()), latency_ms)
    if task == "sequence":
        best = output.argmax(axis=1)[:steps]
        highest = dict(zip(labels, output[:steps].max(axis=0, initial=0.0).tolist(), strict=True))
        of_steps = tuple(output[index, label] for index, label in enumerate(best))
        return Answer(highest, tuple(labels[label] for label in best), tuple(map(float, of_steps)), (), latency_ms)
    found = output.reshape(-1).tolist()
    scores = dict(zip(labels, found, strict=True))
    if task == "multi_label":
        given = tuple(label for label in labels if scores[label] >= THRESHOLD)
    else:
        given = (max(scores, key=scores.__getitem__),)
    return Answer(scores, given, tuple(scores[label] for label in given), (), latency_ms)


def answer_text(task: str, labels: tuple[str, ...], values: tuple[float, ...]) -> str:
    """An answer in one text, as events carry it: labels as tables write them, numbers with six digits."""
    if task == "regression":
        return ", ".join(f"{value:.6g}" for value in values)
    return {"multi_label": "|", "sequence": " "}.get(task, "").join(labels)
