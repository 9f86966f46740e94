"""How strongly children are confined on this machine: found out by trying, said in words, kept for the process."""

from __future__ import annotations

import enum
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from django.conf import settings

from apps.jobs.handlers import Folder
from apps.jobs.sandbox import landlock, seccomp
from apps.jobs.sandbox.folder import hand_over
from apps.jobs.sandbox.limits import Limits
from apps.jobs.sandbox.plan import Method, launch

logger = logging.getLogger(__name__)

PROBE_SECONDS = 20.0
PROBE_LIMITS = Limits(time_s=20, cpu_s=20, memory_bytes=2**30, disk_bytes=2**20, file_bytes=2**20, files=100, tasks=100)
# Run inside: says what it could do although it must not, or could not although it must.
PROBE = """
import os, socket, sys
said = []
work, out, given, secret, program, engine = sys.argv[1:]
def tries(what, do, may):
    try:
        do()
    except OSError as error:
        if may:
            said.append(f"can't {what} ({error.strerror})")
    else:
        if not may:
            said.append(f"can {what}")
tries("write results", lambda: open(os.path.join(out, "a"), "w").close(), True)
tries("write in its working folder", lambda: os.mkdir(os.path.join(work, "a")), True)
tries("read its input", lambda: open(os.path.join(given, "a")).close(), True)
tries("run Python", lambda: open(program, "rb").close(), True)
tries("read the engine", lambda: os.listdir(engine), True)
tries("write its input", lambda: open(os.path.join(given, "a"), "a").close(), False)
tries("read beside its folders", lambda: open(secret).close(), False)
tries("open a socket", lambda: socket.socket().close(), False)
print("; ".join(said) or "confined")
"""
INSTALL = (
    "Install bubblewrap (Debian, Ubuntu: apt-get install bubblewrap; Fedora: dnf install bubblewrap), or run on Linux "
    "5.19 or newer with Landlock switched on, on x86-64 or arm64. For development with nothing but your own files, "
    "SANDBOX=off runs jobs without a sandbox. See docs/guides/sandbox.md."
)


class Level(enum.StrEnum):
    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    OFF = "off"
    NONE = "none"


@dataclass(frozen=True)
class Standing:
    """`why`: a sentence for operators. `tried`: what did not work, strongest first. At NONE no job may run."""

    level: Level
    method: Method
    why: str
    tried: tuple[str, ...] = field(default=())

    @property
    def is_confining(self) -> bool:
        return self.level in {Level.BUBBLEWRAP, Level.LANDLOCK}

    @property
    def is_refusing(self) -> bool:
        return self.level is Level.NONE


def standing() -> Standing:
    """The strongest level that works here and that `settings.SANDBOX` allows; tried once for each folder of jobs."""
    return _standing(settings.SANDBOX, str(settings.JOBS_DIR))


@cache
def _standing(wanted: str, jobs: str) -> Standing:
    if wanted == "off":
        why = "SANDBOX=off: jobs run without a sandbox, with all that this user may do. For development only."
        found = Standing(Level.OFF, Method(), why)
        logger.warning("%s", why)
        return found
    tried: list[str] = []
    for method in _methods(wanted):
        fault = _fault(method, Path(jobs))
        if fault is None:
            level = Level.BUBBLEWRAP if method.bwrap else Level.LANDLOCK
            found = Standing(level, method, _words(method), tuple(tried))
            logger.info("Jobs run in a sandbox: %s", found.why)
            return found
        tried.append(f"{_words(method)} {fault}")
    if wanted != "landlock" and _bwrap() is None:
        tried.insert(0, "bubblewrap is not installed.")
    if wanted != "bubblewrap":
        tried += _landlock_is_missing()
    found = Standing(Level.NONE, Method(), f"There is no sandbox on this machine. {' '.join(tried)} {INSTALL}")
    logger.error("No job will run here. %s", found.why)
    return found


def _methods(wanted: str) -> Iterator[Method]:
    """What may work, strongest first."""
    if sys.platform != "linux" or not seccomp.is_known_machine():
        return
    is_root = os.getuid() == 0
    users = [settings.SANDBOX_UID, None] if is_root else [None]
    bwrap = _bwrap()
    if wanted != "landlock" and bwrap is not None:
        yield from (Method(bwrap=bwrap, uid=uid) for uid in users)
    if wanted != "bubblewrap" and landlock.abi() >= landlock.OLDEST:
        namespaces = ["root", ""] if is_root else ["user", ""]
        for uid in users:
            yield from (Method(landlock_abi=landlock.abi(), uid=uid, namespaces=name) for name in namespaces)


def _bwrap() -> str | None:
    return shutil.which("bwrap")


def _landlock_is_missing() -> list[str]:
    if sys.platform != "linux":
        return [f"Landlock is part of Linux; this is {sys.platform}."]
    if not seccomp.is_known_machine():
        return [f"The filter of system calls does not know this processor ({os.uname().machine})."]
    if landlock.abi() < landlock.OLDEST:
        return [f"Landlock is not part of this kernel ({os.uname().release}), too old, or switched off."]
    return []


def _words(method: Method) -> str:
    if method.bwrap:
        what = "bubblewrap (namespaces, only its own files), a filter of system calls, limits"
    else:
        network = ", a network namespace" if method.namespaces else ""
        what = f"Landlock (version {method.landlock_abi}), a filter of system calls{network}, limits"
    user = f"as user {method.uid}" if method.uid is not None else "as the worker's user without capabilities"
    return f"{what}; {user}."


def _fault(method: Method, jobs: Path) -> str | None:
    """Run a tiny command that way; None where it could do what it must and could not do what it must not."""
    jobs.mkdir(parents=True, exist_ok=True)
    engine = settings.BASE_DIR / "platform"
    with tempfile.TemporaryDirectory(prefix="probe-", dir=jobs) as name, ExitStack() as opened:
        folder = Folder(Path(name))
        for path in (folder.in_, folder.out, folder.work):
            path.mkdir()
        secret = folder.root / "secret"
        for path in (secret, folder.in_ / "a"):
            path.write_text("x")
        arguments = [folder.work, folder.out, folder.in_, secret, sys.executable, engine / "ml"]
        command = [sys.executable, "-I", "-S", "-c", PROBE, *map(str, arguments)]
        try:
            hand_over(folder, method.uid)
            started = launch(method, command, folder, engine=engine, environment={}, limits=PROBE_LIMITS, opened=opened)
            return _tried(started.command, started.descriptors, started.plan_to, started.plan)
        except OSError as error:
            return f"It could not be started: {error}."


def _tried(command: list[str], descriptors: tuple[int, ...], plan_to: int, plan: bytes) -> str | None:
    with subprocess.Popen(
        command, pass_fds=descriptors, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={}
    ) as process:
        try:
            with os.fdopen(plan_to, "wb") as pipe:
                pipe.write(plan)
        except BrokenPipeError:
            pass  # it ended before it read; what it said follows
        try:
            output, errors = process.communicate(timeout=PROBE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return f"It did not answer within {PROBE_SECONDS:g} seconds."
    said = output.decode(errors="replace").strip()
    if process.returncode == 0 and said == "confined":
        return None
    lines = errors.decode(errors="replace").strip().splitlines()
    return f"It {said}." if said else f"It failed: {lines[-1] if lines else f'status {process.returncode}'}."
