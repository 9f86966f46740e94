"""One model as the application sees it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Sequence
from typing import Any, Protocol

from device_client._answer import Answer, answer_text
from device_client._events import EventQueue
from device_client._exceptions import (
    FeedbackError,
    InvalidKeyError,
    ModelLoadError,
    ModelNotAvailableError,
    ServerError,
    ServerRefusedError,
    StorageError,
)
from device_client._feedback import correct_text
from device_client._managed import InUse, ManagedModel
from device_client._prediction import ModelVersion, Prediction

# The server takes no longer texts in an event.
MAX_TEXT = 2000
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 5.0


class Updates(Protocol):
    """What a model asks of its client."""

    def check_open(self) -> None:
        """Raise ClientClosedError after close()."""

    def fetch(self, model: ManagedModel, deadline: float) -> None:
        """Bring `model` up to date, or raise; `deadline` is of `time.monotonic()`."""


class Model:
    """A model of the project on this device. Made by `Client.model`; safe to use from several threads."""

    def __init__(self, managed: ManagedModel, *, updates: Updates, events: EventQueue) -> None:
        self._managed = managed
        self._updates = updates
        self._events = events

    def __repr__(self) -> str:
        return f"<Model {self.name!r} {self.version}>"

    @property
    def name(self) -> str:
        return self._managed.name

    @property
    def ready(self) -> bool:
        """Whether predict() has a version to use."""
        return self._managed.in_use is not None

    @property
    def version(self) -> ModelVersion | None:
        """The version that predict() uses; None when there is none yet."""
        in_use = self._managed.in_use
        return in_use.version if in_use else None

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the output; "0", "1", … where the file has none. A regression has no labels.

        Raises:
            ModelNotAvailableError: there is no usable copy yet.
        """
        return self._usable().model.labels

    @property
    def inputs(self) -> dict[str, str]:
        """What predict() accepts, in words, for example {"image": "uint8 (8, 8, 1)"}.

        Raises:
            ModelNotAvailableError: there is no usable copy yet.
        """
        return {name: spec.accepted for name, spec in self._usable().model.inputs.items()}

    def wait(self, timeout: float = 60.0) -> ModelVersion:
        """Block until there is a usable copy; at once when there already is one.

        Args:
            timeout: seconds.

        Raises:
            ModelNotAvailableError: none came within `timeout`; `__cause__` says what went wrong last.
            DeviceClientError: what waiting can't mend, such as InvalidKeyError or ModelNotAssignedError.
        """
        deadline = time.monotonic() + timeout
        pause = FIRST_PAUSE_SECONDS
        while True:
            in_use = self._managed.in_use
            if in_use is not None:
                return in_use.version
            try:
                self._updates.fetch(self._managed, deadline)
            except (ServerError, StorageError) as error:
                wanted = pause
                if isinstance(error, ServerRefusedError):
                    if isinstance(error, InvalidKeyError) or error.status == 400:
                        raise
                    # A file that is gone (404) was replaced a moment ago: the next manifest names another.
                    wanted = max(pause, error.retry_after or 0.0)
                if time.monotonic() + wanted >= deadline:
                    raise ModelNotAvailableError(
                        f"no copy of the model {self.name!r} came within {timeout:g} seconds: {error}"
                    ) from error
                time.sleep(wanted)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def predict(self, **inputs: Any) -> Prediction:
        """Answer for one example on this device.

        Args:
            inputs: one for each input of the model, by name. An image of shape (H, W, C): an array of shape (H, W, C),
                (1, H, W, C), or (H, W) if C is 1, with the raw pixels; the model normalises them. Text: a str, or a
                list of str where it takes tokens. Audio: int16 samples at the model's sample rate. Sensor: steps of
                channels. Audio and sensor may be shorter than the shape.

        Raises:
            ModelNotAvailableError: there is no usable copy yet.
            InputError: an input is missing, unknown, or has a shape, dtype or value that the model does not accept.
            ModelLoadError: LiteRT failed. If the version was new, the one before it is in use again.
        """
        in_use = self._usable()
        version = in_use.version.id
        try:
            result = in_use.model.run(inputs)
        except ModelLoadError as error:
            self._managed.failed(in_use, error)
            raise
        task = in_use.model.task
        label = answer_text(task, result.labels, result.values)
        score = _score(task, result)
        about: dict[str, Any] = {"latency_ms": round(result.latency_ms, 4), "label": _shortened(label)}
        if task != "regression":
            about["score"] = score
        event_id = self._events.add("inferred", model=self.name, version=version, data=about)
        self._managed.worked(version)
        return Prediction(
            label=label,
            score=score,
            scores=result.scores,
            latency_ms=result.latency_ms,
            model=self.name,
            version=version,
            id=event_id,
            task=task,
            labels=result.labels,
            label_scores=result.label_scores,
            values=result.values,
        )

    def feedback(self, prediction: Prediction, *, correct: str | Collection[str] | float | Sequence[float]) -> None:
        """Say what was right. It is kept on this device and sent when events may be sent.

        Args:
            correct: classification: a label; multi_label: all labels that hold; sequence: a label for each step of the
                prediction; regression: a number, or as many as the prediction has.

        Raises:
            FeedbackError: `prediction` is not one of this model, or `correct` can't be an answer of it.
        """
        self._updates.check_open()
        if not isinstance(prediction, Prediction):
            raise FeedbackError(
                f"feedback() got a {type(prediction).__name__}; the Prediction that predict() returned is accepted"
            )
        if prediction.model != self.name:
            raise FeedbackError(f"the prediction is of the model {prediction.model!r}; this one is {self.name!r}")
        right = correct_text(prediction, correct)
        about = {"prediction": prediction.id, "label": _shortened(prediction.label), "correct": _shortened(right)}
        self._events.add("feedback", model=self.name, version=prediction.version, data=about)

    def _usable(self) -> InUse:
        self._updates.check_open()
        in_use = self._managed.in_use
        if in_use is None:
            raise ModelNotAvailableError(
                f"there is no copy of the model {self.name!r} on this device yet; wait() blocks until there is one"
            )
        return in_use


def _score(task: str, answer: Answer) -> float:
    """One score for the whole answer; see Prediction."""
    if task == "regression":
        return 0.0
    if task == "multi_label":
        return max(answer.scores.values())
    return sum(answer.label_scores) / max(len(answer.label_scores), 1)


def _shortened(text: str) -> str:
    """What an event can carry: a long text ends in its hash, so that two of them are equal only if they are."""
    if len(text) <= MAX_TEXT:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text[: MAX_TEXT - len(digest) - 1]}…{digest}"
