"""Runs several programs as one: their output in one stream, and all of them gone when one ends or a stop is asked for.

Each program runs in a session of its own, so a Ctrl-C in the terminal reaches only the supervisor, which then ends them
in order. On Linux the supervisor also adopts what its programs leave behind (`PR_SET_CHILD_SUBREAPER`) and is followed
into death (`PR_SET_PDEATHSIG`), so that no process outlives it, not even one that made a session of its own.

A supervisor ends all descendants of its process: give it a process of its own.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from setup.processes import belonging_to

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
COLOURS = (36, 33, 35, 32)


@dataclass(frozen=True)
class Program:
    """One long-running command. `name` stands before each line that it prints."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    cwd: Path


@dataclass
class _Running:
    program: Program
    process: subprocess.Popen[bytes]
    prefix: str
    rest: bytes = b""
    status: int | None = None


class Supervisor:
    """Runs `programs` in the foreground until one ends, a stop signal comes, or (if given) `lifeline` is closed.

    `grace_s` is how long programs may take to end after SIGTERM before they are killed. `lifeline` is a file descriptor
    whose end of file means that the process which wanted the programs is gone.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        grace_s: float = 10.0,
        lifeline: int | None = None,
        output: TextIO | None = None,
    ) -> None:
        self.programs = programs
        self.grace_s = grace_s
        self.lifeline = lifeline
        self.output = output or sys.stdout
        self.running: dict[int, _Running] = {}
        self.ended: _Running | None = None
        self.stops = 0
        self._selector = selectors.DefaultSelector()
        self._width = max(len(program.name) for program in programs)

    def run(self) -> int:
        """Start all programs, stay until they are to end, and leave no process behind.

        Returns 0 after a requested stop, else the exit status of the program that ended first (128 + n for signal n).
        """
        prctl = _prctl()
        if prctl is not None:
            prctl(PR_SET_CHILD_SUBREAPER, 1)
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        previous_wakeup = signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
        previous = {number: signal.signal(number, self._on_signal) for number in handled}
        self._selector.register(wake_read, selectors.EVENT_READ, lambda: os.read(wake_read, 4096))
        if self.lifeline is not None:
            self._selector.register(self.lifeline, selectors.EVENT_READ, self._on_lifeline)
        try:
            for index, program in enumerate(self.programs):
                if not self._start(index, program, prctl):
                    return 127
            while self.ended is None and not self.stops:
                self._turn(timeout=None)
            return 0 if self.ended is None else _exit_status(self.ended)
        finally:
            self._end_all()
            for number, handler in previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(previous_wakeup)
            self._selector.close()
            os.close(wake_read)
            os.close(wake_write)

    def _start(self, index: int, program: Program, prctl: Callable[[int, int], int] | None) -> bool:
        def die_with_the_supervisor() -> None:
            if prctl is not None:
                prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

        try:
            process = subprocess.Popen(
                list(program.command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(program.environment),
                cwd=str(program.cwd),
                start_new_session=True,
                preexec_fn=die_with_the_supervisor,
            )
        except OSError as error:
            self._write([f"{program.name} could not be started: {program.command[0]}: {error.strerror}"])
            return False
        prefix = f"{program.name:<{self._width}} | "
        if self.output.isatty() and not os.environ.get("NO_COLOR"):
            prefix = f"\x1b[{COLOURS[index % len(COLOURS)]}m{prefix}\x1b[0m"
        running = _Running(program, process, prefix)
        self.running[process.pid] = running
        assert process.stdout is not None
        self._selector.register(process.stdout, selectors.EVENT_READ, lambda: self._on_output(running))
        return True

    def _turn(self, timeout: float | None) -> None:
        """Handle what has happened, waiting up to `timeout` seconds (None: without limit) for something to happen."""
        for key, _ in self._selector.select(timeout):
            key.data()
        self._reap()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            running = self.running.get(pid)
            if running is not None:
                running.status = running.process.returncode = os.waitstatus_to_exitcode(status)
                if self.ended is None and not self.stops:
                    self.ended = running

    def _on_signal(self, number: int, _frame: object) -> None:
        if number != signal.SIGCHLD:
            self.stops += 1

    def _on_lifeline(self) -> None:
        assert self.lifeline is not None
        if not os.read(self.lifeline, 4096):
            self._selector.unregister(self.lifeline)
            self.stops += 1

    def _on_output(self, running: _Running) -> None:
        stream = running.process.stdout
        assert stream is not None
        chunk = os.read(stream.fileno(), 65536)
        *lines, running.rest = (running.rest + chunk).split(b"\n")
        if not chunk:
            self._selector.unregister(stream)
            stream.close()
            lines, running.rest = [running.rest] if running.rest else [], b""
        self._write([running.prefix + line.decode(errors="replace") for line in lines])

    def _end_all(self) -> None:
        """SIGTERM to the programs, which end their children; SIGTERM to what they leave; SIGKILL to what ignores it."""
        if self.ended is not None:
            self._write([f"{self.ended.program.name} ended with status {_exit_status(self.ended)}; ending the others"])
        stops = self.stops  # one more stop than this ends the patience
        deadline = time.monotonic() + self.grace_s
        self._signal({running.process.pid for running in self._alive()}, signal.SIGTERM)
        while self._alive() and self.stops == stops and time.monotonic() < deadline:
            self._turn(timeout=0.1)
        for running in self._alive():
            self._write([f"{running.program.name} has not ended within {self.grace_s:g} s; killing it"])
        self._signal(self._left() - {running.process.pid for running in self._alive()}, signal.SIGTERM)
        while self._left() and not self._alive() and self.stops == stops and time.monotonic() < deadline:
            self._turn(timeout=0.1)
        give_up = time.monotonic() + 10  # a process in an uninterruptible wait takes no signal
        while (left := self._left()) and time.monotonic() < give_up:
            self._signal(left, signal.SIGKILL)
            self._turn(timeout=0.05)
        self._turn(timeout=0)

    def _alive(self) -> list[_Running]:
        return [running for running in self.running.values() if running.status is None]

    def _left(self) -> set[int]:
        self._reap()
        return belonging_to(os.getpid(), groups=self.running.keys())

    def _signal(self, pids: set[int], number: int) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _write(self, lines: list[str]) -> None:
        with suppress(OSError):  # nobody may be reading any more, and the programs still have to be ended
            self.output.writelines(f"{line}\n" for line in lines)
            self.output.flush()


def _exit_status(running: _Running) -> int:
    status = running.status or 0
    return 128 - status if status < 0 else status


def _prctl() -> Callable[[int, int], int] | None:
    """Return Linux' prctl(option, value), looked up before any fork, or None elsewhere."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None, use_errno=True)

    def prctl(option: int, value: int) -> int:
        return int(library.prctl(option, value, 0, 0, 0))

    return prctl
