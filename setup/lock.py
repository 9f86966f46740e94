"""`make lock`: the lock files from the declarations. They carry hashes and no registry's address."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from setup import ROOT
from setup.failure import SetupError
from setup.install import Installation

# `--universal`: one file for every accepted Python and system.
COMPILE = [
    "--universal",
    "--generate-hashes",
    "--no-emit-index-url",
    "--quiet",
    "--custom-compile-command",
    "make lock",
]

# Extras of every installation; `ray` has a lock file of its own.
INSTALLED = ("ml", "server", "demo", "dev")


def lock(installation: Installation, *, upgrade: bool) -> int:
    """Write all lock files anew, keeping pinned versions where they still fit unless `upgrade`. Raises SetupError."""
    renew = ["--upgrade"] if upgrade else []
    compile_ = [str(installation.venv / "bin" / "uv"), "pip", "compile", *COMPILE]
    extras = [option for name in INSTALLED for option in ("--extra", name)]
    everything = ["pyproject.toml", *extras, "--python-version", "3.11", "-o", "requirements/all.txt"]
    _run([*compile_, *renew, *everything], installation.environment)
    # What is installed beside it, where it is wanted, in the versions that are there already.
    ray = ["pyproject.toml", "--extra", "ray", "-c", "requirements/all.txt", "--python-version", "3.11"]
    _run([*compile_, *renew, *ray, "-o", "requirements/ray.txt"], installation.environment)
    # The installer is the uv that everything else is installed with.
    bootstrap = ["requirements/bootstrap.in", "-c", "requirements/all.txt", "--python-version", "3.11"]
    _run([*compile_, *bootstrap, "-o", "requirements/bootstrap.txt"], installation.environment)
    device = ["pyproject.toml", "--python-version", "3.10", "-o", "requirements.txt"]
    _run([*compile_, *renew, *device], installation.environment, cwd=ROOT / "device_client")
    action = "update" if upgrade else "install"
    npm = [
        str(installation.venv / "bin" / "npm"),
        action,
        "--package-lock-only",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    ]
    _run(npm, installation.environment)
    return 0


def _run(command: Sequence[str], environment: Mapping[str, str], *, cwd: Path = ROOT) -> None:
    target = command[command.index("-o") + 1] if "-o" in command else "package-lock.json"
    print(f"  {os.path.relpath(cwd / target, ROOT)}", flush=True)
    status = subprocess.run(list(command), cwd=cwd, env=dict(environment), stdin=subprocess.DEVNULL).returncode
    if status != 0:
        raise SetupError(
            f"{target} could not be written: {Path(command[0]).name} ended with status {status} (its output is above)."
        )
