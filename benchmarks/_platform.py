"""The platform as it runs, for benchmarks of jobs: real web server and workers, whose jobs play scripts.

On SQLite in a folder of its own, or on a fresh database of the server that DATABASE_URL names.
"""

from __future__ import annotations

import argparse
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.jobs.processes import Platform

ROOT = Path(__file__).resolve().parents[1]
# As people run it, and not as tests do that can't wait.
USUAL = {"JOB_LEASE_S": "30", "JOB_RETRY_S": "2", "JOB_CANARY_S": "60", "LOG_LEVEL": "WARNING"}


def is_quick(description: str | None) -> bool:
    """Whether --quick was given to a benchmark whose module says `description`."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="not used: this benchmark makes its own jobs")
    parser.add_argument("--quick", action="store_true", help="a smoke run: the figures mean nothing")
    return bool(parser.parse_args().quick)


@contextmanager
def running_platform(**settings: str) -> Iterator[Platform]:
    """A web server on an empty database; workers are the caller's to start. `settings`: environment variables."""
    (ROOT / "var").mkdir(exist_ok=True)
    before = dict(os.environ)
    os.environ.update(USUAL | {"SECRET_KEY": secrets.token_urlsafe(50)} | settings)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "var") as folder:
            platform = Platform(Path(folder), "tests.jobs.scripted.settings")
            try:
                yield platform
            finally:
                platform.close()
    finally:
        os.environ.clear()
        os.environ.update(before)


def database_name() -> str:
    return "PostgreSQL" if os.environ.get("DATABASE_URL", "").startswith("postgres") else "SQLite"
