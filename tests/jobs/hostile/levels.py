"""The levels of the sandbox as parameters of a test, skipped where they do not work, unless REQUIRE=sandbox."""

from __future__ import annotations

import os
import shutil

import pytest

from apps.jobs.sandbox.levels import Level, Standing, standing

LEVELS = (Level.BUBBLEWRAP, Level.LANDLOCK)


def demand(settings, level: Level) -> Standing:
    """Set the level. Skips the test where it does not work here and bubblewrap is not required."""
    settings.SANDBOX = str(level)
    if level is Level.BUBBLEWRAP and shutil.which("bwrap") is None:
        _miss("bwrap is not on PATH (Debian: apt-get install bubblewrap)")
    found = standing()
    if found.level is not level:
        _miss(found.why)
    return found


def _miss(reason: str) -> None:
    if "sandbox" in os.environ.get("REQUIRE", ""):
        pytest.fail(f"REQUIRE=sandbox, and {reason}")
    pytest.skip(reason)
