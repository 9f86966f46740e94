"""`make lint`: every check runs, also after one has failed, and the last lines name those that did."""

from __future__ import annotations

import subprocess
import time

from setup import ROOT
from setup.install import Installation

# What a deployment would set; `check --deploy` warns about everything that these leave open.
DEPLOYMENT = {
    "BASE_URL": "https://bantam.example",
    "HSTS_SUBDOMAINS": "1",
    "SECRET_KEY": "Kd7-mW2_xTq9vLz4Rb8nYc1Hs6Jf3GpAe5UoXi0ZtVwQyBkNrM",
    "DEBUG": "0",
    "DATA_DIR": str(ROOT / "var" / "assets"),
    "STATIC_ROOT": str(ROOT / "var" / "static"),
}
CHECKS = (
    ("ruff check", ["ruff", "check", "."]),
    ("ruff format", ["ruff", "format", "--check", "."]),
    ("mypy", ["mypy", "."]),
    ("import-linter", ["lint-imports"]),
    ("migrations", ["python", "manage.py", "makemigrations", "--check", "--dry-run"]),
    ("deployment", ["python", "manage.py", "check", "--deploy", "--fail-level", "WARNING"]),
)


def lint(installation: Installation) -> int:
    """Run all checks. Returns 0 when all pass, else 1."""
    environment = {**installation.environment, **DEPLOYMENT}
    for variable in ("DATABASE_URL", "REDIS_URL", "STORAGE_URL"):
        environment.pop(variable, None)
    failed = []
    for title, (program, *arguments) in CHECKS:
        started = time.monotonic()
        command = [str(installation.venv / "bin" / program), *arguments]
        status = subprocess.run(command, cwd=ROOT, env=environment).returncode
        print(f"{'ok    ' if status == 0 else 'FAILED'} {title} ({time.monotonic() - started:.1f} s)", flush=True)
        if status != 0:
            failed.append(title)
    print(f"Lint failed: {', '.join(failed)}" if failed else "Lint passed", flush=True)
    return 1 if failed else 0
