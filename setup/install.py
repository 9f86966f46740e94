"""What has to be there before anything runs, each part made once for the lock files it was made from.

A part is current when the stamp in it carries the key of what it would be made from now: a second run compares five
short strings and installs nothing. `make clean` or deleting a folder makes it be made again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from setup import ROOT
from setup.environment import package_environment
from setup.interpreter import base_executable, version_of
from setup.preflight import FRESH_BYTES, UPDATE_BYTES, require_disks, require_venv_module
from setup.steps import run_step

# A second API reader that no page loads. Hashing and compressing it would take most of the time.
UNUSED_ASSETS = ("redoc",)


@dataclass(frozen=True)
class Part:
    """One folder that an installation makes: `make` fills it, `stamp` remembers the `key` that it was made from."""

    title: str
    folder: Path
    stamp: Path
    key: str
    make: Callable[[], None]

    def is_current(self) -> bool:
        try:
            return self.folder.is_dir() and self.stamp.read_text() == self.key
        except OSError:
            return False


class Installation:
    """The platform's installed parts under `root`; `environment` is the caller's, for the package managers."""

    def __init__(self, root: Path = ROOT, environment: Mapping[str, str] = os.environ) -> None:
        self.root = root
        self.venv = root / ".venv"
        self.device_venv = root / ".venv-device"
        self.static = root / "var" / "static"
        self.python = self.venv / "bin" / "python"
        self.environment = package_environment(environment, self.venv / "bin")

    def ensure(self, *, assets: bool = True) -> bool:
        """Make what is missing or older than its lock file. Return whether anything was made. Raises SetupError."""
        if not self._pending(assets):
            return False
        with self._alone():
            pending = self._pending(assets)
            if any(part.folder in {self.venv, self.device_venv} for part in pending):
                fresh = not self.venv.is_dir()
                require_disks(self.root, self.environment, needed=FRESH_BYTES if fresh else UPDATE_BYTES)
                require_venv_module()
            for part in pending:
                print(f"Installing: {part.title}", flush=True)
                part.stamp.unlink(missing_ok=True)
                part.make()
                part.stamp.parent.mkdir(parents=True, exist_ok=True)
                part.stamp.write_text(part.key)
        return True

    def _pending(self, assets: bool) -> list[Part]:
        parts = [part for part in self.parts() if not part.is_current()]
        return [part for part in parts if assets or part.folder != self.static]

    def parts(self) -> Iterator[Part]:
        # A virtual environment names its Python and its own path in every script, so both are part of its key.
        place = f"{sys.version_info[0]}.{sys.version_info[1]} {self.root}"
        lock, bootstrap = self.root / "requirements" / "all.txt", self.root / "requirements" / "bootstrap.txt"
        packages = _key(place, files=[lock, bootstrap, self.root / "pyproject.toml"])
        yield Part("Python packages", self.venv, self.venv / "installed", packages, self._python_packages)

        client = self.root / "device_client"
        sources = [client / "pyproject.toml", client / "requirements.txt", *sorted((client / "src").rglob("*.py"))]
        device = _key(place, files=sources)
        yield Part("device client", self.device_venv, self.device_venv / "installed", device, self._device_client)

        modules = self.root / "node_modules"
        front_end = _key(files=[self.root / "package.json", self.root / "package-lock.json"])
        yield Part("front-end packages", modules, modules / ".installed", front_end, self._front_end_packages)

        own = [self.root / "static", *sorted(self.root.glob("apps/*/static"))]
        files = sorted(path for folder in own for path in folder.rglob("*") if path.is_file())
        times = [f"{path.relative_to(self.root)} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
        assets = _key(packages, front_end, *times, files=[self.root / "platform" / "config" / "settings.py"])
        stamp = self.static.with_suffix(".installed")
        yield Part("static assets", self.static, stamp, assets, self._static_assets)

    def _python_packages(self) -> None:
        log = self._log("python-packages")
        running = (sys.version_info[0], sys.version_info[1])
        if self.venv.is_dir() and (version_of(str(self.python)) != running or not self._is_at_home()):
            shutil.rmtree(self.venv)
        if not (self.venv / "bin" / "uv").exists():
            command = [base_executable(), "-m", "venv", str(self.venv)]
            run_step("Virtual environment", command, log=log, environment=self.environment)
            bootstrap = self.root / "requirements" / "bootstrap.txt"
            command = [str(self.python), "-m", "pip", "install", "--require-hashes", "-r", str(bootstrap)]
            run_step("Installer (uv)", command, log=log, environment=self.environment)
        lock = self.root / "requirements" / "all.txt"
        command = [*self._uv("sync", self.python), "--require-hashes", str(lock)]
        run_step("Python packages, about 3 GB", command, log=log, environment=self.environment)
        command = [*self._uv("install", self.python), "--no-deps", "--no-build-isolation", "--editable", str(self.root)]
        run_step("Bantam itself", command, log=log, environment=self.environment)

    def _is_at_home(self) -> bool:
        """A moved folder leaves a virtual environment whose scripts start a Python that is no longer there."""
        activate = self.venv / "bin" / "activate"
        return activate.is_file() and str(self.venv) in activate.read_text()

    def _device_client(self) -> None:
        log = self._log("device-client")
        client, wheels = self.root / "device_client", self.root / "var" / "wheels"
        shutil.rmtree(self.device_venv, ignore_errors=True)
        shutil.rmtree(wheels, ignore_errors=True)
        # As on a device: the built package and its locked dependencies, nothing of the platform.
        command = [str(self.venv / "bin" / "uv"), "venv", "--python", str(self.python), str(self.device_venv)]
        run_step("Device: virtual environment", command, log=log, environment=self.environment)
        device_python = self.device_venv / "bin" / "python"
        command = [*self._uv("sync", device_python), "--require-hashes", str(client / "requirements.txt")]
        run_step("Device: packages", command, log=log, environment=self.environment)
        command = [str(self.python), "-m", "hatchling", "build", "--target", "wheel", "--directory", str(wheels)]
        run_step("Device: client package", command, log=log, environment=self.environment, cwd=client)
        built = [str(path) for path in wheels.glob("*.whl")]
        command = [*self._uv("install", device_python), "--no-deps", "--no-index", *built]
        run_step("Device: client", command, log=log, environment=self.environment)

    def _front_end_packages(self) -> None:
        command = [str(self.venv / "bin" / "npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        log = self._log("front-end-packages")
        run_step("Front-end packages", command, log=log, environment=self.environment, cwd=self.root)

    def _static_assets(self) -> None:
        # What is collected depends on no service and no secret, so none of the caller's is asked for.
        environment = dict(self.environment)
        for variable in (
            "DATABASE_URL",
            "REDIS_URL",
            "STORAGE_URL",
            "DEBUG",
            "STATIC_HASHED",
            "DJANGO_SETTINGS_MODULE",
        ):
            environment.pop(variable, None)
        environment.update(
            DATA_DIR=str(self.root / "var" / "assets"),
            STATIC_ROOT=str(self.static),
            SECRET_KEY="used by no request: only files are collected",  # noqa: S106
        )
        command = [str(self.python), "manage.py", "collectstatic", "--no-input", "--clear", "--verbosity", "0"]
        command += [option for pattern in UNUSED_ASSETS for option in ("--ignore", pattern)]
        log = self._log("static-assets")
        run_step("Static assets", command, log=log, environment=environment, cwd=self.root)

    def _uv(self, action: str, python: Path) -> list[str]:
        return [str(self.venv / "bin" / "uv"), "pip", action, "--python", str(python)]

    def _log(self, name: str) -> Path:
        return self.root / "var" / "log" / f"setup-{name}.log"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two commands started at once must not fill one folder: the second one waits, then finds it done."""
        path = self.root / "var" / "setup.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("Another command is installing; waiting for it …", flush=True)
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _key(*texts: str, files: Iterable[Path] = ()) -> str:
    """Return one SHA-256 over `texts` and the names and contents of `files`; a missing file counts as missing."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode() + b"\0")
    for path in files:
        content = path.read_bytes() if path.is_file() else b"missing"
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()
