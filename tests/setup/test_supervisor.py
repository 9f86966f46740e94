"""The supervisor in a process of its own, over real programs; every test ends with looking for what is left of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from setup import ROOT

RUN = """
import json, os, sys
from pathlib import Path
from setup.supervisor import Program, Supervisor
given = json.loads(sys.argv[1])
programs = [Program(name, command, os.environ, Path.cwd()) for name, command in given["programs"].items()]
lifeline = sys.stdin.fileno() if given["lifeline"] else None
sys.exit(Supervisor(programs, grace_s=given["grace_s"], lifeline=lifeline).run())
"""

# Programs in the shell's language. `$PIDS/<name>` tells a test which process to look for.
STAYS = 'echo $$ >"$PIDS/stays"; echo ready; exec sleep 300'
IGNORES_TERM = 'trap "" TERM; echo $$ >"$PIDS/stubborn"; echo ready; while :; do sleep 0.1; done'
LEAVES_A_SESSION = (
    'setsid sh -c \'echo $$ >"$PIDS/grandchild"; exec sleep 300\' & echo $$ >"$PIDS/parent"; echo ready; wait'
)


class Running:
    def __init__(self, process: subprocess.Popen[str], pids: Path) -> None:
        self.process, self._pids = process, pids
        self.lines: list[str] = []

    def read_until(self, text: str, times: int = 1) -> None:
        assert self.process.stdout is not None
        while sum(text in line for line in self.lines) < times:
            line = self.process.stdout.readline()
            assert line, f"the supervisor ended after {self.lines}"
            self.lines.append(line.rstrip("\n"))

    def finish(self, timeout: float = 20) -> int:
        rest, _ = self.process.communicate(timeout=timeout)
        self.lines += rest.splitlines()
        return self.process.returncode

    def pid(self, name: str) -> int:
        deadline = time.monotonic() + 10
        while not ((path := self._pids / name).exists() and path.read_text().strip()):
            assert time.monotonic() < deadline, f"{name} did not start"
            time.sleep(0.02)
        return int(path.read_text())

    def is_alive(self, name: str) -> bool:
        return Path(f"/proc/{self.pid(name)}").exists()

    def wait_gone(self, name: str) -> None:
        deadline = time.monotonic() + 10
        while self.is_alive(name):
            assert time.monotonic() < deadline, f"{name} is still there"
            time.sleep(0.02)


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start(name=shell script, …)` runs the scripts under a supervisor."""
    started: list[subprocess.Popen[str]] = []

    def start_(*, grace_s: float = 5, lifeline: bool = False, **scripts: str) -> Running:
        given = {"programs": {name: ["sh", "-c", script] for name, script in scripts.items()}}
        arguments = json.dumps({**given, "grace_s": grace_s, "lifeline": lifeline})
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, arguments],
            cwd=ROOT,
            env={**os.environ, "PIDS": str(tmp_path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return Running(process, tmp_path)

    yield start_
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def test_every_line_carries_the_name_of_its_program(start: Start):
    running = start(
        web='while [ ! -e "$PIDS/stays" ]; do sleep 0.05; done; echo one; echo two >&2; sleep 0.2; printf three',
        worker=STAYS,
    )
    assert running.finish() == 0
    assert {"web    | one", "web    | two", "web    | three", "worker | ready"} <= set(running.lines)


def test_when_one_program_dies_all_end_with_its_status(start: Start):
    running = start(web=STAYS, worker='while [ ! -e "$PIDS/stays" ]; do sleep 0.05; done; exit 7')
    assert running.finish() == 7
    assert "worker ended with status 7; ending the others" in running.lines
    assert not running.is_alive("stays")


def test_a_program_ended_by_a_signal_counts_as_failed(start: Start):
    running = start(web=STAYS, worker="kill -9 $$")
    assert running.finish() == 128 + signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_that_was_asked_for_ends_everything_and_is_no_failure(start: Start, number):
    running = start(web=STAYS, worker=LEAVES_A_SESSION)
    running.read_until("ready", times=2)
    grandchild = running.pid("grandchild")
    running.process.send_signal(number)
    assert running.finish() == 0
    assert not Path(f"/proc/{grandchild}").exists()
    assert not running.is_alive("stays")
    assert not running.is_alive("parent")


def test_a_program_that_ignores_the_signal_is_killed_after_the_grace(start: Start):
    running = start(grace_s=0.5, web=IGNORES_TERM)
    running.read_until("ready")
    started = time.monotonic()
    running.process.terminate()
    assert running.finish() == 0
    assert 0.5 <= time.monotonic() - started < 10
    assert "web has not ended within 0.5 s; killing it" in running.lines
    assert not running.is_alive("stubborn")


def test_a_second_stop_does_not_wait_for_the_grace(start: Start):
    running = start(grace_s=60, web=IGNORES_TERM)
    running.read_until("ready")
    running.process.terminate()
    time.sleep(0.3)
    running.process.terminate()
    assert running.finish(timeout=20) == 0
    assert not running.is_alive("stubborn")


def test_what_a_dead_program_left_behind_is_ended_too(start: Start):
    running = start(web=LEAVES_A_SESSION.replace("wait", "sleep 0.3; exit 4"))
    grandchild = running.pid("grandchild")
    assert running.finish() == 4
    assert not Path(f"/proc/{grandchild}").exists()


def test_everything_ends_when_the_process_that_wanted_it_closes_its_end(start: Start):
    running = start(lifeline=True, web=STAYS)
    running.read_until("ready")
    assert running.process.stdin is not None
    running.process.stdin.close()
    running.process.stdin = None
    assert running.finish() == 0
    assert not running.is_alive("stays")


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux'")
def test_programs_do_not_outlive_a_killed_supervisor(start: Start):
    running = start(web=STAYS)
    running.read_until("ready")
    running.process.kill()
    running.process.wait()
    running.wait_gone("stays")


def test_a_program_that_cannot_be_started_ends_the_others_with_a_sentence(start: Start, tmp_path: Path):
    arguments = {"programs": {"web": ["sleep", "300"], "worker": ["/no/such/program"]}, "grace_s": 5, "lifeline": False}
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(arguments)], cwd=ROOT, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 127
    assert done.stdout == "worker could not be started: /no/such/program: No such file or directory\n"
