"""The one object of the package: what an application holds for as long as it runs."""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import httpx

from device_client._background import BackgroundTask
from device_client._events import EventQueue
from device_client._exceptions import ClientClosedError, ConfigurationError, StorageError
from device_client._http import Http
from device_client._installation import installation_id
from device_client._lock import FileLock
from device_client._managed import ManagedModel
from device_client._manifest import MODEL_NAME, Manifest
from device_client._model import Model
from device_client._probe import DeviceProbe
from device_client._sending import Sender
from device_client._store import ModelStore
from device_client._trust import Trust
from device_client._updating import Identity, Updater
from device_client._version import __version__

logger = logging.getLogger("device_client")

UPDATE_SECONDS = 3600.0
SEND_SECONDS = 30.0
MAX_EVENTS = 100_000
BACKGROUND_LOCK_SECONDS = 1.0
CLOSE_SECONDS = 2.0
ATTRIBUTE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,49}")
MAX_ATTRIBUTE_LENGTH = 200
MAX_ATTRIBUTES = 50


def initialize(
    *,
    server: str,
    api_key: str,
    app_version: str,
    user: Mapping[str, str | int | float | bool] | None = None,
    directory: str | os.PathLike[str] | None = None,
    bundled: Mapping[str, str | os.PathLike[str]] | None = None,
    trusted_root: bytes | None = None,
    probe: DeviceProbe | None = None,
    transport: httpx.BaseTransport | None = None,
    background: bool = True,
    send_events: bool = True,
    update_interval: float = UPDATE_SECONDS,
    send_interval: float = SEND_SECONDS,
    max_events: int = MAX_EVENTS,
) -> Client:
    """Start the client. Makes no request itself, so it is quick and works offline.

    Args:
        server: address of the Bantam server, for example "https://bantam.example.com".
        api_key: a device key of the project ("dk_…").
        app_version: of the application, for example "2.3.0"; rules on the server can ask about it.
        user: attributes of the user that rules can ask about, name → value.
        directory: where models, events and the installation's id are kept; made if absent. Several processes of one
            application may share it. By default a folder for this server and key in the user's data folder.
        bundled: model name → path of a .tflite that the application ships, used until a version was downloaded.
        trusted_root: the project's root metadata shipped with the application. Without it the first root that the
            server shows is trusted, and from then on only what follows from it.
        probe: tells what this device is and when it may download; replace it to tell more than DeviceProbe can see.
        transport: an httpx transport, for tests and special networks.
        background: whether threads update models and send events. Without them, call update() and flush().
        send_events: whether events may be sent; they are kept on the device either way. Can be set later.
        update_interval: seconds between two looks for new versions.
        send_interval: seconds between two deliveries of events.
        max_events: how many unsent events are kept.

    Raises:
        ConfigurationError: an argument can't be used.
        StorageError: the directory can't be made or written.
    """
    address = _checked_server(server)
    if not isinstance(api_key, str) or not api_key.startswith("dk_") or not api_key.isascii() or " " in api_key:
        raise ConfigurationError(
            f"api_key begins with {str(api_key)[:3]!r}; a device key, which begins with 'dk_', is accepted. "
            "A server key must never be on a device."
        )
    if not isinstance(app_version, str) or not 0 < len(app_version) <= 50:
        raise ConfigurationError(f"app_version is {app_version!r}; text of 1 to 50 characters is accepted")
    if update_interval <= 0 or send_interval <= 0 or max_events < 1:
        raise ConfigurationError(
            f"update_interval={update_interval!r}, send_interval={send_interval!r}, max_events={max_events!r}: "
            "all must be above 0"
        )
    folder = Path(directory) if directory is not None else default_directory(address, api_key)
    return Client(
        server=address,
        api_key=api_key,
        app_version=app_version,
        user=_checked_user(user or {}),
        directory=folder,
        bundled={_checked_name(name): Path(path) for name, path in (bundled or {}).items()},
        trusted_root=trusted_root,
        probe=probe or DeviceProbe(),
        transport=transport,
        background=background,
        send_events=send_events,
        update_interval=update_interval,
        send_interval=send_interval,
        max_events=max_events,
    )


class Client:
    """The connection of this installation to its project. Made by `initialize`; safe to use from several threads.

    Attributes:
        installation: the random id of this installation, a UUID.
        directory: where everything is kept.
        send_events: whether events may be sent; may be changed at any time.
    """

    def __init__(
        self,
        *,
        server: str,
        api_key: str,
        app_version: str,
        user: dict[str, str],
        directory: Path,
        bundled: dict[str, Path],
        trusted_root: bytes | None,
        probe: DeviceProbe,
        transport: httpx.BaseTransport | None,
        background: bool,
        send_events: bool,
        update_interval: float,
        send_interval: float,
        max_events: int,
    ) -> None:
        self.directory = directory
        self.send_events = send_events
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            (directory / "models").mkdir(exist_ok=True)
            (directory / "trust").mkdir(exist_ok=True)
            self.installation = installation_id(directory)
        except OSError as error:
            raise StorageError(f"the directory {directory} can't be used: {error}") from error
        self._bundled = bundled
        self._models: dict[str, tuple[ManagedModel, Model]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._trust = Trust(directory / "trust", bundled_root=trusted_root)
        self._http = Http(
            server=server, api_key=api_key, user_agent=f"bantam-device-client/{__version__}", transport=transport
        )
        self._events = EventQueue(directory / "events.sqlite3", max_events=max_events)
        self._updater = Updater(
            http=self._http,
            trust=self._trust,
            events=self._events,
            probe=probe,
            identity=Identity(self.installation, app_version, user),
            lock=FileLock(directory / "update.lock"),
        )
        self._sender = Sender(
            http=self._http,
            queue=self._events,
            installation=self.installation,
            lock=FileLock(directory / "send.lock"),
        )
        self._update_task = BackgroundTask("device-client-update", self._update_in_background, interval=update_interval)
        self._send_task = BackgroundTask("device-client-send", self._send_in_background, interval=send_interval)
        self._updates = _Updates(self._check_open, self._updater)
        self._background = background
        if background:
            self._send_task.start()
            self._update_task.start()

    def model(self, name: str, *, on_downloaded: Callable[[Model], object] | None = None) -> Model:
        """The model of this name. Its local copy is loaded before this returns; an update starts in the background.

        Args:
            name: the model's name in the project, for example "digits".
            on_downloaded: called with the Model, from the updating thread, whenever another version has been
                downloaded, tried and put to use.

        Raises:
            ConfigurationError: `name` can't be a model's name.
        """
        self._check_open()
        _checked_name(name)
        with self._lock:
            if name not in self._models:
                self._models[name] = self._make_model(name)
            managed, model = self._models[name]
        if on_downloaded is not None:
            managed.callbacks[on_downloaded] = lambda: on_downloaded(model)
        self._update_task.wake()
        return model

    @property
    def manifest(self) -> Manifest | None:
        """The newest manifest that this device has verified, expired or not; None before the first one."""
        return self._trust.stored_manifest()

    @property
    def pending_events(self) -> int:
        """How many events wait to be sent."""
        return len(self._events)

    def update(self, timeout: float = 300.0) -> list[Model]:
        """Look for new versions of the models in use now, and block until they are here.

        Args:
            timeout: seconds.

        Returns:
            the models that got another version.

        Raises:
            DeviceClientError: the server can't be reached or refuses, or a manifest, a file or a model is not usable.
                Models that were ready stay ready.
        """
        self._check_open()
        models = [managed for managed, _ in self._models.values()]
        changed = self._updater.update(
            models, asked_for=True, lock_timeout=timeout, deadline=time.monotonic() + timeout
        )
        return [self._models[managed.name][1] for managed in changed]

    def flush(self, timeout: float = 30.0) -> int:
        """Send all waiting events now.

        Args:
            timeout: seconds to wait for another thread or process that is sending.

        Returns:
            how many the server took; 0 while `send_events` is False.

        Raises:
            ServerError: the server can't be reached or refuses; the events stay on this device.
        """
        self._check_open()
        return self._sender.send_all(lock_timeout=timeout) if self.send_events else 0

    def close(self) -> None:
        """Stop the threads and close the files. Unsent events stay on this device and are sent the next time."""
        if self._closed:
            return
        self._closed = True
        self._http.stop()
        if self._background:
            self._update_task.stop(CLOSE_SECONDS)
            self._send_task.stop(CLOSE_SECONDS)
        self._http.close()
        self._events.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make_model(self, name: str) -> tuple[ManagedModel, Model]:
        folder = self.directory / "models" / name
        try:
            managed = ManagedModel(
                name=name, store=ModelStore(folder), events=self._events, bundled=self._bundled.get(name)
            )
            managed.load_local()
        except OSError as error:
            raise StorageError(f"the folder {folder} can't be used: {error}") from error
        return managed, Model(managed, updates=self._updates, events=self._events)

    def _update_in_background(self) -> None:
        models = [managed for managed, _ in list(self._models.values())]
        if models:
            self._updater.update(models, asked_for=False, lock_timeout=BACKGROUND_LOCK_SECONDS)

    def _send_in_background(self) -> None:
        if self.send_events and len(self._events):
            self._sender.send_all(lock_timeout=BACKGROUND_LOCK_SECONDS)

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosedError("the client was closed; initialize() makes a new one")


@dataclass(frozen=True)
class _Updates:
    """The client, as far as a model needs it."""

    check_open: Callable[[], None]
    updater: Updater

    def fetch(self, model: ManagedModel, deadline: float) -> None:
        self.check_open()
        left = max(deadline - time.monotonic(), 0.0)
        self.updater.update([model], asked_for=True, lock_timeout=left, deadline=deadline)


def default_directory(server: str, api_key: str) -> Path:
    """A folder of its own for a server and key, where the operating system wants an application's data."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "bantam-device-client" / hashlib.sha256(f"{server}\n{api_key}".encode()).hexdigest()[:16]


def _checked_server(server: str) -> str:
    try:
        url = httpx.URL(server)
    except (httpx.InvalidURL, TypeError) as error:
        raise ConfigurationError(f"server is {server!r}, which is no address: {error}") from error
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment or url.userinfo:
        raise ConfigurationError(
            f"server is {server!r}; an address like 'https://bantam.example.com', without user, query or fragment, "
            "is accepted"
        )
    if url.scheme == "http" and not _is_local(url.host):
        logger.warning("the server %s is asked without encryption: the key and the events can be read on the way", url)
    return str(url).rstrip("/") + "/"


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _checked_name(name: str) -> str:
    if not isinstance(name, str) or not MODEL_NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} can't be the name of a model; 1 to 100 letters, digits, - and _ are accepted"
        )
    return name


def _checked_user(user: Mapping[str, str | int | float | bool]) -> dict[str, str]:
    if len(user) > MAX_ATTRIBUTES:
        raise ConfigurationError(f"user has {len(user)} attributes; at most {MAX_ATTRIBUTES} are accepted")
    checked: dict[str, str] = {}
    for name, value in user.items():
        if not isinstance(name, str) or not ATTRIBUTE_NAME.fullmatch(name):
            raise ConfigurationError(
                f"user has the attribute {name!r}; names of 1 to 50 letters, digits and _ that begin with a letter "
                "are accepted"
            )
        if not isinstance(value, str | int | float):
            raise ConfigurationError(f"user[{name!r}] is {value!r}; text, a number, True or False is accepted")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if len(text) > MAX_ATTRIBUTE_LENGTH or "\0" in text:
            raise ConfigurationError(
                f"user[{name!r}] has {len(text)} characters; at most {MAX_ATTRIBUTE_LENGTH}, none of them NUL, are "
                "accepted"
            )
        checked[name] = text
    return checked
