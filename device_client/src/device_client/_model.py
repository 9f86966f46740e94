"""One model as the application sees it."""

from __future__ import annotations

import time
from typing import Any, Protocol

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
from device_client._managed import InUse, ManagedModel
from device_client._prediction import ModelVersion, Prediction

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
        """The labels, in the order of the output. A model without labels in its file has "0", "1", …

        Raises:
            ModelNotAvailableError: there is no usable copy yet.
        """
        return self._usable().model.labels

    @property
    def inputs(self) -> dict[str, str]:
        """What predict() accepts: input name → dtype and shape, for example {"image": "uint8 (8, 8, 1)"}.

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
        """Classify one example on this device.

        Args:
            inputs: one array for each input of the model, by name. For an image input of shape (H, W, C): an array
                of shape (H, W, C), (1, H, W, C), or (H, W) if C is 1, with the raw pixels; the model normalises them.

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
        label = max(result.scores, key=result.scores.__getitem__)
        score = result.scores[label]
        event_id = self._events.add(
            "inferred",
            model=self.name,
            version=version,
            data={"latency_ms": round(result.latency_ms, 4), "label": label, "score": score},
        )
        self._managed.worked(version)
        return Prediction(
            label=label,
            score=score,
            scores=result.scores,
            latency_ms=result.latency_ms,
            model=self.name,
            version=version,
            id=event_id,
        )

    def feedback(self, prediction: Prediction, *, correct: str) -> None:
        """Say what the right label was. It is kept on this device and sent when events may be sent.

        Raises:
            FeedbackError: `prediction` is not one of this model, or `correct` is none of its labels.
        """
        self._updates.check_open()
        if not isinstance(prediction, Prediction):
            raise FeedbackError(
                f"feedback() got a {type(prediction).__name__}; the Prediction that predict() returned is accepted"
            )
        if prediction.model != self.name:
            raise FeedbackError(f"the prediction is of the model {prediction.model!r}; this one is {self.name!r}")
        if not isinstance(correct, str) or correct not in prediction.scores:
            raise FeedbackError(
                f"correct={correct!r} is no label of {self.name!r}; accepted are "
                f"{', '.join(repr(label) for label in prediction.scores)}"
            )
        self._events.add(
            "feedback",
            model=self.name,
            version=prediction.version,
            data={"prediction": prediction.id, "label": prediction.label, "correct": correct},
        )

    def _usable(self) -> InUse:
        self._updates.check_open()
        in_use = self._managed.in_use
        if in_use is None:
            raise ModelNotAvailableError(
                f"there is no copy of the model {self.name!r} on this device yet; wait() blocks until there is one"
            )
        return in_use
