"""One installation step: one line on the screen, everything in the log."""

from __future__ import annotations

import os
import sys

import pytest

from setup.failure import SetupError
from setup.steps import run_step


def step(log, code: str) -> None:
    run_step("Packages", [sys.executable, "-c", code], log=log, environment=dict(os.environ))


def test_output_goes_to_the_log_and_the_time_to_the_screen(tmp_path, capsys):
    log = tmp_path / "var" / "packages.log"
    step(log, "print('many lines')")
    step(log, "import sys; print('and errors', file=sys.stderr)")
    assert "many lines\n" in log.read_text()
    assert "and errors\n" in log.read_text()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("  Packages … ")


def test_a_known_failure_is_explained_and_the_log_named(tmp_path):
    log = tmp_path / "packages.log"
    with pytest.raises(SetupError, match=r"Packages failed: the disk is full.*packages\.log") as caught:
        step(log, "import sys; sys.exit('No space left on device')")
    assert "\n" not in str(caught.value)


def test_an_unknown_failure_tells_the_status_and_the_last_words(tmp_path):
    with pytest.raises(SetupError, match="ended with status 3, saying 'no such module'"):
        step(tmp_path / "packages.log", "print('first'); print('no such module'); raise SystemExit(3)")


def test_an_earlier_failure_in_the_same_log_explains_nothing(tmp_path):
    log = tmp_path / "packages.log"
    log.write_text("No space left on device\n")
    with pytest.raises(SetupError, match="ended with status 3"):
        step(log, "raise SystemExit(3)")


def test_a_program_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SetupError, match="/no/such/program could not be started"):
        run_step("Packages", ["/no/such/program"], log=tmp_path / "log", environment={})
