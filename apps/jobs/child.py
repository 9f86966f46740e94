"""The process that does a job's work: in a session of its own, read line by line, ended with all that it started."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from django.conf import settings

from apps.jobs.handlers import Folder
from apps.jobs.sandbox.cgroup import Group
from apps.jobs.sandbox.limits import Limits
from apps.jobs.sandbox.plan import Method, launch
from apps.jobs.sandbox.usage import tree

# Where `python -m ml` finds the engine.
ENGINE_PATH: Path = settings.BASE_DIR / "platform"
# What the child may know of the worker's environment: where programs and libraries are, never an address or a secret.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")
# A child that floods its output is slowed down to this much a beat, so that it can't wear out the supervisor.
BYTES_A_BEAT = 256 * 1024
MAX_LINE = 256 * 1024


def command(arguments: Sequence[str]) -> list[str]:
    """The engine's command line; `arguments` are those of `python -m ml`."""
    # -P: a file that came with the data into the working folder must not be importable.
    return [sys.executable, "-P", "-m", "ml", *arguments, "--events"]


def environment(folder: Folder) -> dict[str, str]:
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return passed | {
        "PYTHONPATH": str(ENGINE_PATH),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder.work),
        "TMPDIR": str(folder.work),
        "TF_USE_LEGACY_KERAS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


class Lines:
    """Cuts a pipe's bytes into lines. A line longer than MAX_LINE is cut, the rest of it thrown away."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        *whole, self._rest = (self._rest + data).split(b"\n")
        if self._skipping and whole:
            whole, self._skipping = whole[1:], False
        if len(self._rest) > MAX_LINE:
            if not self._skipping:
                whole.append(self._rest[:MAX_LINE])
            self._rest, self._skipping = b"", True
        return whole

    def end(self) -> list[bytes]:
        last, self._rest = self._rest, b""
        return [last] if last and not self._skipping else []


class Child:
    """A running child. As a context it leaves nothing behind: the whole process group is killed at the end."""

    def __init__(
        self, arguments: Sequence[str], folder: Folder, *, method: Method, limits: Limits, group: Group | None
    ) -> None:
        """`method` confines the child, `group` is the control group that it joins."""
        self._guards = method.guards
        with ExitStack() as opened:
            started = launch(
                method,
                command(arguments),
                folder,
                engine=ENGINE_PATH,
                environment=environment(folder),
                limits=limits,
                opened=opened,
                cgroup=group.procs if group is not None else None,
            )
            with os.fdopen(started.plan_to, "wb") as pipe:
                self._process = subprocess.Popen(
                    started.command,
                    pass_fds=started.descriptors,
                    cwd=folder.work,
                    env=environment(folder),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    start_new_session=True,
                )
                with suppress(BrokenPipeError):  # it ended at once; its exit status says the rest
                    pipe.write(started.plan)
                    pipe.flush()
        self._allowance = BYTES_A_BEAT
        self._selector = selectors.DefaultSelector()
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._pipes = {pipe.fileno(): (pipe, Lines()) for pipe in (self._process.stdout, self._process.stderr)}
        for number in self._pipes:
            os.set_blocking(number, False)
            self._selector.register(number, selectors.EVENT_READ)

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.exit_status()
        for number in list(self._pipes):
            self._close(number)
        self._selector.close()

    def read(self, timeout_s: float) -> tuple[list[bytes], list[bytes]]:
        """Return the new lines of standard output and of standard error, waiting up to `timeout_s` for the first."""
        output: list[bytes] = []
        errors: list[bytes] = []
        if not self._pipes or self._allowance <= 0:
            deadline = time.monotonic() + timeout_s
            while not self.has_ended and (left := deadline - time.monotonic()) > 0:
                time.sleep(min(left, 0.02))
        if self._pipes and (self._allowance > 0 or self.has_ended):
            for key, _ in self._selector.select(timeout_s):
                lines = output if self._pipes[key.fd][0] is self._process.stdout else errors
                data = os.read(key.fd, 65536)
                self._allowance -= len(data)
                if data:
                    lines += self._pipes[key.fd][1].feed(data)
                else:
                    lines += self._pipes[key.fd][1].end()
                    self._close(key.fd)
        return output, errors

    def read_on(self) -> None:
        """Let the child say more: it is held to BYTES_A_BEAT between two calls."""
        self._allowance = BYTES_A_BEAT

    @property
    def has_ended(self) -> bool:
        """Whether the child itself is gone. It is not reaped yet, so its group's number can't become another's."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return self._process.returncode is not None or os.waitid(os.P_PID, self.pid, flags) is not None

    @property
    def is_silent(self) -> bool:
        """Whether both pipes are closed: nothing more will come."""
        return not self._pipes

    def terminate(self) -> None:
        """Ask the child and all that it started to end; what stands guard over them has to see them out."""
        if self._guards == 0:
            self._signal(signal.SIGTERM)
            return
        behind = [process.pid for process in tree(self.pid) if process.depth >= self._guards]
        for pid in behind:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGTERM)
        if not behind:
            self.kill()  # it has not begun: there is nothing to save

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def exit_status(self) -> int:
        """End whatever is left of the child's group; return its exit status, or -n where signal n ended it."""
        self.kill()
        status = self._process.wait()
        # A guard that can't end by a signal itself says it as a shell does; 143 is also the engine's own way to say it.
        return 128 - status if self._guards and status > 128 else status

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _close(self, number: int) -> None:
        self._selector.unregister(number)
        self._pipes.pop(number)[0].close()
