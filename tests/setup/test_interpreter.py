"""Which Python goes on, told from real (if tiny) interpreters on a PATH of their own."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from setup import ROOT
from setup.failure import SetupError
from setup.interpreter import ACCEPTED, find_accepted, require_accepted, version_of


@pytest.fixture
def search_path(tmp_path: Path) -> Path:
    return tmp_path


def put_interpreter(folder: Path, name: str, version: str) -> Path:
    """A program that answers the question for its version and repeats every other command line."""
    path = folder / name
    path.write_text(f'#!/bin/sh\nif [ "$1" = -c ]; then echo {version}; else echo "{name} was given: $*"; fi\n')
    path.chmod(0o755)
    return path


def test_an_accepted_python_goes_on():
    require_accepted(["install"], running=(3, 12), search_path="/nowhere")


def test_this_python_is_accepted():
    assert sys.version_info[:2] in ACCEPTED


@pytest.mark.parametrize(("running", "judgement"), [((3, 8), "old"), ((3, 10), "old"), ((3, 14), "new")])
def test_without_an_accepted_python_the_message_names_what_was_found_and_what_is_accepted(
    running, judgement, search_path
):
    with pytest.raises(SetupError) as caught:
        require_accepted(["install"], running=running, search_path=str(search_path))
    message = str(caught.value)
    assert f"Python {running[0]}.{running[1]} is too {judgement}" in message
    assert "3.11, 3.12, 3.13" in message


def test_the_newest_accepted_python_on_the_path_is_found(search_path):
    put_interpreter(search_path, "python3.11", "3.11")
    newest = put_interpreter(search_path, "python3.13", "3.13")
    put_interpreter(search_path, "python3.14", "3.14")
    assert find_accepted(str(search_path)) == str(newest)


def test_a_python_that_does_not_start_or_is_another_version_is_passed_over(search_path):
    broken = search_path / "python3.13"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    put_interpreter(search_path, "python3.12", "3.9")
    working = put_interpreter(search_path, "python3.11", "3.11")
    assert version_of(str(broken)) is None
    assert find_accepted(str(search_path)) == str(working)


def test_the_same_command_goes_on_under_the_python_that_was_found(search_path):
    put_interpreter(search_path, "python3.12", "3.12")
    program = (
        "from setup.interpreter import require_accepted\n"
        f"require_accepted(['demo', '--exit'], running=(3, 9), search_path={str(search_path)!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"Python 3.9 is not one that Bantam runs on; going on with {search_path}/python3.12.",
        "python3.12 was given: -m setup demo --exit",
    ]


@pytest.mark.parametrize("name", ["__init__", "__main__", "failure", "interpreter"])
def test_what_refuses_an_old_python_can_be_read_by_it(name):
    ast.parse((ROOT / "setup" / f"{name}.py").read_text(), feature_version=(3, 8))
