"""The inner side of a model: which version is in use, and how one takes the place of another.

The outer side, which the application sees, is `device_client._model.Model`.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from device_client._events import EventQueue
from device_client._exceptions import DeviceClientError, FileMismatchError, ModelLoadError
from device_client._interpreter import LoadedModel
from device_client._prediction import ModelVersion
from device_client._runtime import litert_version
from device_client._store import LocalVersion, ModelStore, Refused

T = TypeVar("T")

logger = logging.getLogger("device_client")


@dataclass(frozen=True)
class InUse:
    model: LoadedModel
    version: ModelVersion


class ManagedModel:
    """One model of this device.

    A version is in use only after it has been verified, loaded and run once on zeros. The version before it stays on
    the disk until the new one has answered a real predict().
    """

    def __init__(self, *, name: str, store: ModelStore, events: EventQueue, bundled: Path | None) -> None:
        self.name = name
        self.store = store
        self.in_use: InUse | None = None
        # What the application gave → what is called. The same function given twice is called once.
        self.callbacks: dict[object, Callable[[], object]] = {}
        self._events = events
        self._bundled = bundled
        self._proven: str | None = None
        self._lock = threading.RLock()
        self._last_failure: tuple[str | None, str, str] | None = None

    def load_local(self) -> None:
        """Load what is on this device: the version in use, else the one before it, else the bundled file."""
        with self._lock:
            if self.in_use is not None:
                return
            with self.store.locked():
                state = self.store.read()
                for local in (state.current, state.previous):
                    if local is not None and self._try_local(local):
                        return
            self._load_bundled()

    def install(self, local: LocalVersion) -> None:
        """Put a version to use whose file is here and verified; the callbacks hear of it.

        Raises:
            FileMismatchError: the file is gone or changed.
            ModelLoadError: it can't be loaded or run; the version that was in use stays, this one is refused.
        """
        with self._lock, self.store.locked():
            self._load(local, source="download")
            self.store.use(local)
        for callback in list(self.callbacks.values()):
            try:
                callback()
            except Exception:
                logger.exception("the callback of the model %r failed", self.name)

    def worked(self, version: str | None) -> None:
        """A real predict() of `version` came back: the one before it is not needed any more."""
        if version is not None and version != self._proven:
            self._proven = version
            self._note(lambda: self.store.prove(version))

    def failed(self, in_use: InUse, error: ModelLoadError) -> None:
        """A real predict() failed in LiteRT: go back to the version before, if this one has never worked."""
        version = in_use.version.id
        self.report_failure("predict", error, version)
        with self._lock:
            if version is None or version == self._proven or self.in_use is not in_use:
                return
            self.in_use = None
            self._note(lambda: self.store.refuse(version, _refused(error)))
            self.load_local()

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
            self._note(lambda: self.store.use(local))
        return True

    def _load(self, local: LocalVersion, *, source: str) -> None:
        """Load and try a version. One that fails is refused; so is one that takes the process with it, next time."""
        content = self.store.content(local)
        started = time.monotonic()
        try:
            if not local.proven and self._note(lambda: self.store.begin_try(local.version)) is False:
                raise ModelLoadError("its first run ended the process, more than once")
            loaded = LoadedModel(content)
        except ModelLoadError as error:
            self.report_failure("load", error, local.version)
            refused = _refused(error)
            self._note(lambda: self.store.refuse(local.version, refused))
            raise
        if not local.proven:
            self._note(lambda: self.store.end_try(local.version))
        self._proven = local.version if local.proven else None
        version = ModelVersion(id=local.version, number=local.number, sha256=local.sha256, length=local.length)
        self._swap(loaded, version, source=source, seconds=time.monotonic() - started)

    def _load_bundled(self) -> None:
        if self._bundled is None:
            return
        started = time.monotonic()
        try:
            content = self._bundled.read_bytes()
            loaded = LoadedModel(content)
        except (OSError, ModelLoadError) as error:
            logger.error("the bundled file %s of the model %r can't be used: %s", self._bundled, self.name, error)
            return
        version = ModelVersion(id=None, number=None, sha256=hashlib.sha256(content).hexdigest(), length=len(content))
        self._swap(loaded, version, source="bundled", seconds=time.monotonic() - started)

    def _note(self, write: Callable[[], T]) -> T | None:
        """Write something down about a version; None when the disk refuses. A full disk must keep no model from
        loading, and no prediction that succeeded from being given."""
        try:
            return write()
        except (OSError, DeviceClientError) as error:
            logger.warning("model %r: %s", self.name, error)
            return None

    def _swap(self, loaded: LoadedModel, version: ModelVersion, *, source: str, seconds: float) -> None:
        self.in_use = InUse(loaded, version)
        self._last_failure = None
        self._events.add(
            "loaded",
            model=self.name,
            version=version.id,
            data={"source": source, "load_ms": round(seconds * 1000, 3), "litert": litert_version()},
        )


def _refused(error: ModelLoadError) -> Refused:
    return Refused(error.code, str(error), litert_version())
