"""What predict() gives back."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Prediction:
    """One answer of a model. Can be kept and pickled, and handed to `Model.feedback` later.

    Attributes:
        label: the label with the highest score. Of the other tasks the whole answer in one text: multi_label "a|b",
            sequence "O O city", regression "0.25, 3".
        score: the score of `label`; multi_label: the highest of all; sequence: the mean of its steps; regression: 0.
        scores: label → score, in the order of the model's output; sequence: the highest in any step; regression: empty.
        latency_ms: how long the inference took, in milliseconds, without checking the input.
        model: the model's name.
        version: id of the version that answered; None for a bundled file.
        id: a UUID, also of the `inferred` event, which feedback refers to.
        task: classification, multi_label, regression or sequence.
        labels: classification: only `label`; multi_label: those with a score of at least 0.5, maybe none; sequence:
            one for each step (token) that was given; regression: none.
        label_scores: the score of each of `labels`.
        values: the numbers of a regression.
    """

    label: str
    score: float
    scores: dict[str, float] = field(hash=False)
    latency_ms: float
    model: str
    version: str | None
    id: str
    task: str = "classification"
    labels: tuple[str, ...] = ()
    label_scores: tuple[float, ...] = ()
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class ModelVersion:
    """Which version of a model is loaded.

    Attributes:
        id: a UUID given by the server; None for a file that the application bundled.
        number: the version's number in its model, or None.
        sha256: of the file, 64 hexadecimal digits.
        length: bytes of the file.
    """

    id: str | None
    number: int | None
    sha256: str
    length: int
