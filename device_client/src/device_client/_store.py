"""The files of one model on this device and what is known about them.

    <folder>/state.json            which version is in use, which one is behind it, what was refused
    <folder>/<version>.tflite      one for each of the two
    <folder>/<version>.tflite.part a download that broke

state.json is replaced as a whole, under a lock that is held for moments only, never for a download.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from device_client._atomic import write_atomically
from device_client._exceptions import FileMismatchError
from device_client._lock import FileLock
from device_client._manifest import Target

logger = logging.getLogger("device_client")

LOCK_SECONDS = 60.0
# A version whose first run ended the process this often is not tried again. One such end may be a battery.
MAX_TRIES = 2
MAX_REFUSED = 20


@dataclass(frozen=True)
class LocalVersion:
    """A version whose file is here. `proven` once it has answered a real predict()."""

    version: str
    number: int | None
    sha256: str
    length: int
    proven: bool = False

    @staticmethod
    def of(target: Target) -> LocalVersion:
        return LocalVersion(target.version, target.number, target.sha256, target.length)


@dataclass(frozen=True)
class Refused:
    """Why a version is not tried again, and under which LiteRT that was found: a newer one gets another chance."""

    code: str
    message: str
    litert: str


@dataclass(frozen=True)
class State:
    """Attributes:
    current: the version in use. previous: the last good one, kept until `current` is proven.
    assigned: [version, revision] of the last `assigned` event.
    trying: version → how often a first run of it began and did not come back.
    """

    current: LocalVersion | None = None
    previous: LocalVersion | None = None
    assigned: list[Any] | None = None
    trying: dict[str, int] = field(default_factory=dict)
    refused: dict[str, Refused] = field(default_factory=dict)


class ModelStore:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._lock = FileLock(folder / "lock")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other threads and processes from changing state.json during the block."""
        with self._lock.hold(LOCK_SECONDS):
            yield

    def read(self) -> State:
        try:
            raw = json.loads((self.folder / "state.json").read_bytes())
            return State(
                current=LocalVersion(**raw["current"]) if raw["current"] else None,
                previous=LocalVersion(**raw["previous"]) if raw["previous"] else None,
                assigned=raw["assigned"],
                trying=raw["trying"],
                refused={version: Refused(**why) for version, why in raw["refused"].items()},
            )
        except FileNotFoundError:
            return State()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            logger.warning("%s can't be read (%r): this model is fetched again", self.folder / "state.json", error)
            return State()

    def change(self, **changes: Any) -> State:
        """Replace fields of the state. Returns the new state."""
        with self.locked():
            state = replace(self.read(), **changes)
            write_atomically(self.folder / "state.json", json.dumps(asdict(state), indent=1).encode())
        return state

    def path(self, version: str) -> Path:
        return self.folder / f"{version}.tflite"

    def content(self, local: LocalVersion) -> bytes:
        """The bytes of a version.

        Raises:
            FileMismatchError: they are gone or changed; what was left has been removed.
        """
        path = self.path(local.version)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise FileMismatchError(f"{path} is gone") from None
        digest = hashlib.sha256(content).hexdigest()
        if digest != local.sha256:
            path.unlink(missing_ok=True)
            raise FileMismatchError(f"{path} has changed on disk: SHA-256 {digest}, {local.sha256} was verified")
        return content

    def begin_try(self, version: str) -> bool:
        """Note that `version` is about to run for the first time. False if it has ended the process too often."""
        with self.locked():
            trying = self.read().trying
            times = trying.get(version, 0)
            if times >= MAX_TRIES:
                return False
            self.change(trying={**trying, version: times + 1})
            return True

    def end_try(self, version: str) -> None:
        """The first run of `version` came back."""
        with self.locked():
            trying = self.read().trying
            if version in trying:
                self.change(trying={other: times for other, times in trying.items() if other != version})

    def refuse(self, version: str, why: Refused) -> None:
        """Never use `version` again under this LiteRT, and drop its file."""
        with self.locked():
            state = self.read()
            refused = [*state.refused.items(), (version, why)]
            is_current = state.current is not None and state.current.version == version
            self.change(
                current=state.previous if is_current else state.current,
                previous=None if is_current else state.previous,
                trying={other: times for other, times in state.trying.items() if other != version},
                refused=dict(refused[-MAX_REFUSED:]),
            )
            self.path(version).unlink(missing_ok=True)

    def use(self, local: LocalVersion) -> None:
        """Make `local` the current version, and the one before it the fallback."""
        with self.locked():
            state = self.read()
            current = state.current
            if current is not None and current.version == local.version:
                previous = state.previous
                local = replace(local, proven=current.proven)
            else:
                previous = current if current is not None and self.path(current.version).exists() else state.previous
            if previous is not None and previous.version == local.version:
                previous = None
            self.change(current=local, previous=previous)

    def prove(self, version: str) -> None:
        """`version` has answered a real predict(): the one behind it is not needed any more."""
        with self.locked():
            state = self.read()
            if state.current is None or state.current.version != version or state.current.proven:
                return
            self.change(current=replace(state.current, proven=True), previous=None)
            if state.previous is not None:
                self.path(state.previous.version).unlink(missing_ok=True)

    def remove_leftovers(self, *, keep: str) -> None:
        """Remove what is neither current nor previous nor of the version `keep`. Callers hold the update lock, so
        that nobody is about to use a file that was just downloaded."""
        with self.locked():
            state = self.read()
            kept = {local.version for local in (state.current, state.previous) if local is not None} | {keep}
            for path in self.folder.glob("*.tflite*"):
                if path.name.split(".")[0] not in kept:
                    path.unlink(missing_ok=True)
