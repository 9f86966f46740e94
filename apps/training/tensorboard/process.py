"""One TensorBoard as a process: in the sandbox of jobs, on a socket that only this platform's user can open."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from contextlib import ExitStack, suppress
from pathlib import Path

from django.conf import settings

from apps.jobs.child import ENGINE_PATH, environment
from apps.jobs.handlers import Folder
from apps.jobs.sandbox.folder import hand_over, remove
from apps.jobs.sandbox.levels import standing
from apps.jobs.sandbox.limits import Limits
from apps.jobs.sandbox.plan import launch
from apps.jobs.sandbox.usage import memory_of, tree
from apps.training.tensorboard import serve
from apps.training.tensorboard.sockets import named

PROGRAM = Path(serve.__file__).read_text()
LINES_KEPT = 20
FOREVER_S = 10 * 365 * 24 * 3600
WAITING = 64  # connections that it has not taken yet
LOCK = ".lock"


class CannotStartError(Exception):
    """The message says why, for people."""


class Process:
    """A TensorBoard on the logs in `folder.in_`. `state`: "starting", "ready" or "ended"; `said`: its last lines."""

    def __init__(self, project: str) -> None:
        """Make its folder and its socket. Nothing runs yet."""
        self.state = "starting"
        self.said: deque[str] = deque(maxlen=LINES_KEPT)
        self.pid = 0
        top = Path(settings.DATA_DIR) / "tensorboard"
        top.mkdir(parents=True, exist_ok=True)
        self.folder = Folder(Path(tempfile.mkdtemp(prefix=f"{project}-", dir=top)))
        self._lock = (self.folder.root / LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)  # as long as this process lives: see `remove_left_folders`
        for path in (self.folder.in_, self.folder.out, self.folder.work):
            path.mkdir(mode=0o755)
        self.socket = self.folder.root / "socket" / "tensorboard"
        self.socket.parent.mkdir(mode=0o700)  # the user that the sandbox may run as does not get this one
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it. The thread that calls must live on: the process ends with it. Raises CannotStartError."""
        sandbox = standing()
        if sandbox.is_refusing:
            raise CannotStartError(sandbox.why)
        with ExitStack() as opened:
            listening = opened.enter_context(socket.socket(socket.AF_UNIX))
            with named(self.socket) as name:
                listening.bind(name)
            listening.listen(WAITING)
            hand_over(self.folder, sandbox.method.uid)
            # Relative to `work`, where it begins: it tells its page where the logs are.
            arguments = [str(listening.fileno()), "../in"]
            started = launch(
                sandbox.method,
                [sys.executable, "-P", "-c", PROGRAM, *arguments],
                self.folder,
                engine=ENGINE_PATH,
                environment=environment(self.folder),
                limits=_limits(),
                opened=opened,
            )
            with os.fdopen(started.plan_to, "wb") as plan:
                self._process = subprocess.Popen(
                    started.command,
                    pass_fds=(*started.descriptors, listening.fileno()),
                    cwd=self.folder.work,
                    env=environment(self.folder),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                self.pid = self._process.pid
                with suppress(BrokenPipeError):  # it ended at once; what it said follows
                    plan.write(started.plan)
                    plan.flush()
        threading.Thread(target=self._listen, name="tensorboard-output", daemon=True).start()

    def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as output:
            while line := output.readline(4096):
                text = line.decode(errors="replace").rstrip()
                if text == serve.READY:
                    self.state = "ready"
                elif text:
                    self.said.append(text)
        self.state = "ended"

    @property
    def needs_too_much_memory(self) -> bool:
        return bool(self.pid) and memory_of(tree(self.pid), settings.TENSORBOARD_MEMORY_BYTES) > (
            settings.TENSORBOARD_MEMORY_BYTES
        )

    def stop(self) -> None:
        """End it and remove what it read. Fine when that has happened before."""
        self.end()
        self.remove()

    def end(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        self.state = "ended"

    def remove(self) -> None:
        """Remove what it read. Nobody may be writing there."""
        remove(self.folder.root)
        self._lock.close()


def remove_left_folders() -> None:
    """Remove the folders of TensorBoards whose platform was killed before it could: nobody holds their lock."""
    top = Path(settings.DATA_DIR) / "tensorboard"
    for folder in [path for path in top.iterdir() if path.is_dir()] if top.is_dir() else []:
        with suppress(OSError), (folder / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(folder)


def _limits() -> Limits:
    memory = settings.TENSORBOARD_MEMORY_BYTES
    return Limits(
        time_s=FOREVER_S,
        cpu_s=FOREVER_S,
        memory_bytes=memory,
        disk_bytes=2**20,
        file_bytes=2**20,  # it writes nothing that anybody needs
        files=100,
        tasks=256,
    )
