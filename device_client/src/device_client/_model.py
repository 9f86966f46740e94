"""One model as the application sees it."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device_client._events import EventQueue
from device_client._exceptions import (
    DeviceClientError,
    FeedbackError,
    FileMismatchError,
    ModelLoadError,
    ModelNotAvailableError,
    ServerError,
    StorageError,
    UntrustedError,
)
from device_client._interpreter import LoadedModel
from device_client._prediction import ModelVersion, Prediction
from device_client._runtime import litert_version
from device_client._store import LocalVersion, ModelStore, Refused

if TYPE_CHECKING:
    from device_client._client import Client

logger = logging.getLogger("device_client")


@dataclass(frozen=True)
class _InUse:
    model: LoadedModel
    version: ModelVersion


class Model:
    """A model of the project on this device. Made by `Client.model`; safe to use from several threads."""

    def __init__(
        self, *, client: Client, name: str, store: ModelStore, events: EventQueue, bundled: Path | None
    ) -> None:
        self.name = name
        self._client = client
        self.store = store
        self._events = events
        self._bundled = bundled
        self._in_use: _InUse | None = None
        self._proven: str | None = None
        self._lock = threading.RLock()
        self._last_failure: tuple[str | None, str, str] | None = None
        self._callbacks: list[Callable[[Model], object]] = []

    @property
    def ready(self) -> bool:
        """Whether predict() has a version to use."""
        return self._in_use is not None

    @property
    def version(self) -> ModelVersion | None:
        """The version that predict() uses; None when there is none yet."""
        in_use = self._in_use
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
        """What predict() accepts: input name → a description like "image: uint8 (8, 8, 1)".

        Raises:
            ModelNotAvailableError: there is no usable copy yet.
        """
        return {name: str(spec) for name, spec in self._usable().model.inputs.items()}

    def wait(self, timeout: float = 60.0) -> ModelVersion:
        """Block until there is a usable copy; at once when there already is one.

        Args:
            timeout: seconds.

        Raises:
            ModelNotAvailableError: none came within `timeout`; `__cause__` says what went wrong last.
            DeviceClientError: what waiting can't mend, such as InvalidKeyError or ModelNotAssignedError.
        """
        deadline = time.monotonic() + timeout
        pause = 0.25
        while True:
            in_use = self._in_use
            if in_use is not None:
                return in_use.version
            try:
                self._client._update([self], deadline=deadline, asked_for=True)
            except (ServerError, StorageError) as error:
                refused = getattr(error, "status", 500)
                if refused < 500 and refused != 429:
                    raise
                if time.monotonic() + pause >= deadline:
                    raise ModelNotAvailableError(
                        f"no copy of the model {self.name!r} came within {timeout:g} seconds: {error}"
                    ) from error
                time.sleep(pause)
                pause = min(pause * 2, 5.0)

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
            self.report_failure("predict", error, version)
            self._give_up(in_use, error)
            raise
        label = max(result.scores, key=result.scores.__getitem__)
        score = result.scores[label]
        event_id = self._events.add(
            "inferred",
            model=self.name,
            version=version,
            data={"latency_ms": round(result.latency_ms, 4), "label": label, "score": score},
        )
        if version is not None and self._proven != version:
            self._proven = version
            self._quietly(lambda: self.store.prove(version))
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

    # What the client does with it

    def add_callback(self, callback: Callable[[Model], object]) -> None:
        if callback not in self._callbacks:
            self._callbacks.append(callback)

    def load_local(self) -> None:
        """Load what is on this device: the version in use, else the one before it, else the bundled file."""
        with self._lock:
            if self._in_use is not None:
                return
            with self.store.locked():
                for local in self._candidates():
                    if self._try_local(local):
                        return
            self._load_bundled()

    def install(self, local: LocalVersion) -> None:
        """Use a version whose file is here and verified; the callbacks hear of it.

        Raises:
            FileMismatchError: the file is gone or changed.
            ModelLoadError: it can't be loaded or run; the version that was in use stays, this one is refused.
        """
        with self._lock, self.store.locked():
            self._load(local, source="download")
            self.store.use(local)
        for callback in self._callbacks:
            try:
                callback(self)
            except Exception:
                logger.exception("the callback of the model %r failed", self.name)

    def report_failure(self, stage: str, error: DeviceClientError, version: str | None) -> None:
        """Queue a `failed` event, once for a row of equal failures."""
        failure = (version, stage, error.code)
        if failure != self._last_failure:
            self._last_failure = failure
            self._events.add(
                "failed",
                model=self.name,
                version=version,
                data={"stage": stage, "code": error.code, "message": str(error)[:500]},
            )

    def _candidates(self) -> list[LocalVersion]:
        state = self.store.read()
        return [local for local in (state.current, state.previous) if local is not None]

    def _try_local(self, local: LocalVersion) -> bool:
        try:
            self._load(local, source="disk")
        except FileMismatchError as error:
            logger.warning("model %r: %s", self.name, error)
            self.report_failure("load", error, local.version)
            return False
        except ModelLoadError as error:
            logger.warning("model %r version %s is not used: %s", self.name, local.version, error)
            return False
        if self.store.read().current != local:
            self.store.use(local)
        return True

    def _load(self, local: LocalVersion, *, source: str) -> None:
        """Load and try a version. One that fails is refused; one that takes the process with it, too, the next time."""
        content = self.store.content(local)
        started = time.monotonic()
        try:
            if not local.proven and not self.store.begin_try(local.version):
                raise ModelLoadError("its first run ended the process, more than once")
            loaded = LoadedModel(content)
        except ModelLoadError as error:
            self.report_failure("load", error, local.version)
            self.store.refuse(local.version, Refused(error.code, str(error), litert_version()))
            raise
        if not local.proven:
            self.store.change(trying=None)
        self._proven = local.version if local.proven else None
        version = ModelVersion(id=local.version, number=local.number, sha256=local.sha256, length=local.length)
        self._swap(loaded, version, source=source, seconds=time.monotonic() - started)

    def _load_bundled(self) -> None:
        if self._bundled is None:
            return
        try:
            content = self._bundled.read_bytes()
            started = time.monotonic()
            loaded = LoadedModel(content)
        except (OSError, ModelLoadError) as error:
            logger.error("the bundled file %s of the model %r can't be used: %s", self._bundled, self.name, error)
            return
        version = ModelVersion(id=None, number=None, sha256=hashlib.sha256(content).hexdigest(), length=len(content))
        self._swap(loaded, version, source="bundled", seconds=time.monotonic() - started)

    def _swap(self, loaded: LoadedModel, version: ModelVersion, *, source: str, seconds: float) -> None:
        self._in_use = _InUse(loaded, version)
        self._last_failure = None
        self._events.add(
            "loaded",
            model=self.name,
            version=version.id,
            data={"source": source, "load_ms": round(seconds * 1000, 3), "litert": litert_version()},
        )

    def _give_up(self, in_use: _InUse, error: ModelLoadError) -> None:
        """Go back to the version before, if the one that just failed has never worked."""
        version = in_use.version.id
        with self._lock:
            if version is None or version == self._proven or self._in_use is not in_use:
                return
            self._in_use = None
            self.store.refuse(version, Refused(error.code, str(error), litert_version()))
            self.load_local()

    def _usable(self) -> _InUse:
        self._client._check_open()
        in_use = self._in_use
        if in_use is None:
            raise ModelNotAvailableError(
                f"there is no copy of the model {self.name!r} on this device yet; wait() blocks until there is one"
            )
        return in_use

    def _quietly(self, work: Callable[[], object]) -> None:
        """Housekeeping must not fail a prediction that succeeded."""
        try:
            work()
        except (OSError, DeviceClientError) as error:
            logger.warning("model %r: %s", self.name, error)


def stage_of(error: DeviceClientError) -> str:
    """The stage that a `failed` event names for an error of an update."""
    if isinstance(error, UntrustedError):
        return "verify"
    if isinstance(error, ModelLoadError):
        return "load"
    return "download" if isinstance(error, ServerError | StorageError) else "verify"
