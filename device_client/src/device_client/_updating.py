"""One update: root, manifest, files. The only code that asks the server what to run."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from device_client._download import download
from device_client._events import EventQueue
from device_client._exceptions import (
    DeviceClientError,
    FileMismatchError,
    ModelError,
    ModelLoadError,
    ModelNotAssignedError,
    RuntimeTooOldError,
    ServerRefusedError,
    StorageError,
    UntrustedError,
)
from device_client._http import Http
from device_client._lock import FileLock
from device_client._managed import ManagedModel
from device_client._manifest import Manifest, Target
from device_client._probe import DeviceProbe
from device_client._runtime import litert_version, runtime_version, satisfies
from device_client._store import LocalVersion, ModelStore
from device_client._trust import Trust

logger = logging.getLogger("device_client")

MANIFEST_PATH = "api/device/v1/manifest"
# The server refuses longer values; a device with a long name is to get its models all the same.
MAX_LENGTHS = {
    "platform": 50,
    "os_version": 50,
    "device_model": 100,
    "ram_mb": 10,
    "cpu_cores": 10,
    "language": 35,
    "country": 35,
}
ROOT_PATH = "api/device/v1/root/{number}"


@dataclass(frozen=True)
class Identity:
    """What the server hears about this installation besides what the probe sees."""

    installation: str
    app_version: str
    user: dict[str, str]


class Updater:
    def __init__(
        self,
        *,
        http: Http,
        trust: Trust,
        events: EventQueue,
        probe: DeviceProbe,
        identity: Identity,
        lock: FileLock,
    ) -> None:
        self._http = http
        self._trust = trust
        self._events = events
        self._probe = probe
        self._identity = identity
        self._lock = lock

    def update(
        self, models: Iterable[ManagedModel], *, asked_for: bool, lock_timeout: float, deadline: float | None = None
    ) -> list[ManagedModel]:
        """Bring `models` to what the server wants this device to have.

        Args:
            asked_for: somebody waits for it: the probe is not asked whether now is a good time.
            lock_timeout: seconds to wait for another process or thread that is updating.
            deadline: of `time.monotonic()`, for the downloads.

        Returns:
            the models that got another version.

        Raises:
            DeviceClientError: the manifest could not be had, or what went wrong with the first model that failed;
                the others have been updated all the same.
        """
        models = list(models)
        with self._lock.hold(lock_timeout):
            try:
                with _storage_errors():
                    manifest = self._manifest()
            except UntrustedError as error:
                for model in models:
                    model.report_failure("verify", error, None)
                raise
            changed: list[ManagedModel] = []
            first: DeviceClientError | None = None
            for model in models:
                try:
                    with _storage_errors():
                        got_another = self._update_one(model, manifest, asked_for=asked_for, deadline=deadline)
                    if got_another:
                        changed.append(model)
                except DeviceClientError as error:
                    logger.warning("model %r could not be updated: %s", model.name, error)
                    first = first or error
            if first is not None:
                raise first
            return changed

    def _manifest(self) -> Manifest:
        etag = self._trust.etag()
        headers = {"If-None-Match": etag} if etag else None
        response = self._http.get(MANIFEST_PATH, params=self._query(), headers=headers)
        if response.status_code == 304:
            return self._trust.current_manifest()
        # The root is walked before anything new is believed; an unchanged manifest needs no second request.
        self._trust.update_root(self._fetch_root)
        return self._trust.accept_manifest(response.content, response.headers.get("ETag"))

    def _fetch_root(self, number: int) -> bytes | None:
        try:
            return self._http.get(ROOT_PATH.format(number=number)).content
        except ServerRefusedError as error:
            if error.status == 404:
                return None
            raise

    def _query(self) -> dict[str, str]:
        attributes = self._probe.attributes()
        query = {
            "installation": self._identity.installation,
            "app_version": self._identity.app_version,
            "runtime_version": runtime_version(),
        }
        for name, longest in MAX_LENGTHS.items():
            value = getattr(attributes, name)
            if value is not None:
                query[name] = str(value).replace("\0", "")[:longest]
        query.update({f"user.{name}": value for name, value in self._identity.user.items()})
        return query

    def _update_one(self, model: ManagedModel, manifest: Manifest, *, asked_for: bool, deadline: float | None) -> bool:
        target = manifest.targets.get(model.name)
        if target is None:
            if model.in_use is not None:
                return False  # what was once here keeps working
            raise _not_offered(model.name, manifest)
        store = model.store
        self._note_assignment(store, target)
        in_use = model.in_use.version if model.in_use is not None else None
        if in_use is not None and (in_use.id, in_use.sha256) == (target.version, target.sha256):
            return False
        try:
            if not _can_run(model, target):
                return False
            local = self._local_copy(model, target, asked_for=asked_for, deadline=deadline)
            if local is None:
                return False
            model.install(local)
        except ModelLoadError:
            raise  # reported where it was found
        except DeviceClientError as error:
            model.report_failure(_stage_of(error), error, target.version)
            raise
        store.remove_leftovers(keep=target.version)
        return True

    def _local_copy(
        self, model: ManagedModel, target: Target, *, asked_for: bool, deadline: float | None
    ) -> LocalVersion | None:
        """The file of `target`, from the disk if it is there, else downloaded. None when now is no good time."""
        store = model.store
        local = LocalVersion.of(target)
        if store.path(target.version).exists():
            try:
                store.content(local)
                return local
            except FileMismatchError as error:
                logger.warning("%s; it is fetched again", error)
        if not asked_for and not self._probe.may_download(target.length):
            logger.info("model %r version %s waits for a better time to download", target.model, target.version)
            return None
        store.remove_leftovers(keep=target.version)
        result = download(self._http, target, store.path(target.version), deadline=deadline)
        self._events.add(
            "downloaded",
            model=target.model,
            version=target.version,
            data={"bytes": result.received, "seconds": round(result.seconds, 3), "resumed": result.resumed},
        )
        return local

    def _note_assignment(self, store: ModelStore, target: Target) -> None:
        assigned = [target.version, target.revision]
        if store.read().assigned == assigned:
            return
        self._events.add(
            "assigned",
            model=target.model,
            version=target.version,
            data={"rule": target.rule, "revision": target.revision, "routing": target.routing},
        )
        store.change(assigned=assigned)


@contextmanager
def _storage_errors() -> Iterator[None]:
    """Say a full or forbidden disk with an exception of this package."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"the directory of the client can't be written: {error}") from error


def _not_offered(name: str, manifest: Manifest) -> ModelError:
    withheld = manifest.withheld.get(name)
    if withheld is not None and withheld.reason.startswith("runtime_"):
        return RuntimeTooOldError(
            f"the server withholds version {withheld.version} of {name!r}: it needs the runtime "
            f"{withheld.min_runtime}; ai-edge-litert {litert_version()} implements {runtime_version()}"
        )
    if withheld is not None:
        return ModelNotAssignedError(f"the server withholds the model {name!r} from this device: {withheld.reason}")
    return ModelNotAssignedError(
        f"the server offers no version of the model {name!r} to this device; it offers "
        f"{', '.join(sorted(manifest.targets)) or 'none'}"
    )


def _can_run(model: ManagedModel, target: Target) -> bool:
    """Whether it makes sense to fetch `target`. If not: False when the model has another version to use, else raises.

    Raises:
        ModelLoadError: this device has tried it before, under the same LiteRT, and it failed.
        RuntimeTooOldError: the installed LiteRT is too old for it.
    """
    error: DeviceClientError
    refused = model.store.read().refused.get(target.version)
    if refused is not None and refused.litert == litert_version():
        error = ModelLoadError(
            f"version {target.version} of {target.model!r} is not tried again on this device: {refused.message}"
        )
    elif not satisfies(target.min_runtime, runtime_version()):
        error = RuntimeTooOldError(
            f"version {target.version} of {target.model!r} needs the runtime {target.min_runtime}; "
            f"ai-edge-litert {litert_version()} implements {runtime_version()}"
        )
        model.report_failure("verify", error, target.version)
    else:
        return True
    if model.in_use is None:
        raise error
    logger.warning("the model %r stays at its version: %s", model.name, error)
    return False


def _stage_of(error: DeviceClientError) -> str:
    return "verify" if isinstance(error, UntrustedError | RuntimeTooOldError) else "download"
