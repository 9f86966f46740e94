"""What predict() gives back."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Prediction:
    """One answer of a model. Can be kept and pickled, and handed to `Model.feedback` later.

    Attributes:
        label: the label with the highest score.
        score: that score.
        scores: label → score, in the order of the model's output.
        latency_ms: how long the inference took, in milliseconds, without checking the input.
        model: the model's name.
        version: id of the version that answered; None for a bundled file.
        id: a UUID, also of the `inferred` event, which feedback refers to.
    """

    label: str
    score: float
    scores: dict[str, float] = field(hash=False)
    latency_ms: float
    model: str
    version: str | None
    id: str


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
