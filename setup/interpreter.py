"""Which Python may run the platform, and how to get to one that may.

This file, like `__main__.py`, has to run on Pythons that are too old for the rest, to be able to say so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from setup.failure import SetupError

# TensorFlow 2.21 has wheels for 3.10 to 3.13; the platform's own floor is 3.11.
ACCEPTED = ((3, 11), (3, 12), (3, 13))


def version_of(executable: str) -> tuple[int, int] | None:
    """Ask `executable` for its version; None when it does not run or does not answer."""
    try:
        answer = subprocess.run(
            [executable, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            timeout=20,
            check=True,
            text=True,
        ).stdout
        major, minor = answer.strip().split(".")
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def find_accepted(search_path: str | None = None) -> str | None:
    """Return the newest accepted `python3.N` on `search_path` (PATH by default) that runs, or None."""
    for version in sorted(ACCEPTED, reverse=True):
        executable = shutil.which(f"python{version[0]}.{version[1]}", path=search_path)
        if executable is not None and version_of(executable) == version:
            return executable
    return None


def require_accepted(
    arguments: Sequence[str],
    *,
    running: tuple[int, int] | None = None,
    search_path: str | None = None,
    replace_process: Callable[[str, list[str]], NoReturn] = os.execv,
) -> None:
    """Return when this Python is accepted; else start `setup` again, with `arguments`, under one that is.

    Raises SetupError naming the version found and those accepted when PATH has none.
    """
    version = running or (sys.version_info[0], sys.version_info[1])
    if version in ACCEPTED:
        return
    executable = find_accepted(search_path)
    found = f"Python {version[0]}.{version[1]}"
    if executable is None:
        judgement = "old" if version < ACCEPTED[0] else "new"
        accepted = ", ".join(f"{major}.{minor}" for major, minor in ACCEPTED)
        raise SetupError(
            f"{found} is too {judgement}: Bantam runs on {accepted} (TensorFlow 2.21 has no "
            "package for others), and PATH has none of these. Install one, or name one: "
            "make PYTHON=/path/to/python3.12 …"
        )
    print(f"{found} is not one that Bantam runs on; going on with {executable}.", flush=True)
    replace_process(executable, [executable, "-m", "setup", *arguments])


def base_executable() -> str:
    """Return the interpreter that made this process's virtual environment, or this one: it survives a new `.venv`."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)
