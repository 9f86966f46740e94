"""The commands as a person types them: what is wrong is one sentence, never a traceback."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from setup import ROOT


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    # The tests may have been started by make, whose variables are not for this one.
    environment = {
        name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}
    }
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, env=environment, check=False
    )


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a failed command printed besides make's own."""
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_help_lists_every_target():
    listed = set(re.findall(r"^  make ([a-z]+) ", make("help").stdout, flags=re.M))
    phony = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), flags=re.M)
    assert phony is not None
    assert listed == set(phony[1].split())


@pytest.mark.parametrize("target", ["demo", "run"])
def test_a_port_that_is_none_is_refused(target):
    assert complaint(make(target, "PORT=http")) == "bantam: PORT must be a number from 1 to 65535. Received: 'http'"


@pytest.mark.parametrize("target", ["demo", "run"])
def test_a_taken_port_is_refused(target):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert f"Port {port} on 127.0.0.1 is taken by another program" in complaint(make(target, f"PORT={port}"))


def make_with_path(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("make")
    assert program is not None
    return subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True, env={"PATH": str(path)})


def test_a_python_that_is_too_old_is_refused(tmp_path):
    """This Python, saying that it is 3.9, and no other one on PATH."""
    pretend = "import runpy, sys; sys.version_info = (3, 9, 2); sys.argv = ['setup', 'install']"
    python = tmp_path / "python3"
    python.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c \"{pretend}; runpy.run_module('setup', run_name='__main__')\"\n"
    )
    python.chmod(0o755)
    message = complaint(make_with_path(tmp_path, "install"))
    assert message.startswith("bantam: Python 3.9 is too old: Bantam runs on 3.11, 3.12, 3.13")


def test_without_any_python_make_says_what_it_needs(tmp_path):
    done = make_with_path(tmp_path, "install")
    assert done.returncode != 0
    assert "Bantam needs Python 3.11, 3.12 or 3.13, and PATH has no python3" in done.stderr


def test_an_unknown_benchmark_is_refused_with_the_known_ones():
    assert "make bench needs BENCH=<name>. Received: 'nothing'" in complaint(make("bench", "BENCH=nothing"))
