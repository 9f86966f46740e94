"""`make test`: the suite on the embedded default, then its platform part again on PostgreSQL, Redis and an S3 server.

REQUIRE=services,browser,sandbox makes the absence of one of these an error; without it, what needs them is left out and
said so. Arguments go to pytest, on the embedded default only: `make test ARGS="tests/setup -k port"`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from setup import ROOT
from setup.failure import SetupError
from setup.services import s3_server, service_urls, unreachable

REQUIRABLE = ("services", "browser", "sandbox", "ray")
EXECUTABLES = {"browser": ("chromium", "chromium-browser", "google-chrome"), "sandbox": ("bwrap",)}
PACKAGES = {"browser": "chromium", "sandbox": "bubblewrap"}
# Files are given out in the order of tests/conftest.py; pytest-xdist would leave those with few tests for last.
PYTEST = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
EMBEDDED = ["-m", "not services"]
# What has nothing to do with where the platform keeps its rows and files is run once: the engine by itself, the device
# client, these commands. A real training run through the worker (tests/training) is part of both, and one that is
# resumed from the storage; other real runs are not. A browser meets the services where they differ for it: the storage
# is another origin, and what is live comes by way of Redis.
ON_SERVICES = ["-m", "(not browser or services) and not sandbox"]
ON_SERVICES += ["--ignore=tests/ml", "--ignore=tests/setup", "--ignore=tests/device_client"]
ON_SERVICES += [f"--ignore=tests/training/test_end_to_end_{name}.py" for name in ("files", "tokens")]


def required(environment: Mapping[str, str]) -> set[str]:
    """Return what REQUIRE names. Raises SetupError for a name that is none of REQUIRABLE, and for what is not there."""
    names = {name.strip() for name in environment.get("REQUIRE", "").split(",") if name.strip()}
    unknown = names - set(REQUIRABLE)
    if unknown:
        raise SetupError(f"REQUIRE accepts {', '.join(REQUIRABLE)}. Received: {', '.join(sorted(unknown))}")
    for name, executables in EXECUTABLES.items():
        if name in names and not any(shutil.which(executable) for executable in executables):
            raise SetupError(
                f"REQUIRE={name}, and PATH has no {executables[0]}. On Debian: apt-get install {PACKAGES[name]}"
            )
    return names


def main(arguments: Sequence[str]) -> int:
    try:
        names = required(os.environ)
        environment = dict(os.environ)
        for variable in ("DATABASE_URL", "REDIS_URL", "STORAGE_URL", "DEBUG", "BASE_URL", "DATA_DIR", "STATIC_ROOT"):
            environment.pop(variable, None)
        if arguments:
            return _pytest("embedded: SQLite, local files", list(arguments), environment)
        embedded = _pytest("embedded: SQLite, local files", EMBEDDED, environment)
        missing = unreachable(service_urls(os.environ))
        if missing:
            if "services" in names:
                raise SetupError(f"REQUIRE=services, and {missing}")
            print(f"Left out the run on services: {missing}", flush=True)
            return embedded
        with s3_server() as storage_url:
            environment.update(service_urls(os.environ), STORAGE_URL=storage_url)
            services = _pytest("services: PostgreSQL, Redis, S3", ON_SERVICES, environment)
        return embedded or services
    except SetupError as error:
        print(f"bantam: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _pytest(title: str, arguments: list[str], environment: Mapping[str, str]) -> int:
    print(f"\n=== Tests, {title} ===", flush=True)
    started = time.monotonic()
    status = subprocess.run([*PYTEST, *arguments], cwd=ROOT, env=dict(environment), stdin=subprocess.DEVNULL).returncode
    outcome = "passed" if status == 0 else f"failed with status {status}"
    print(f"=== Tests, {title}: {outcome} after {time.monotonic() - started:.0f} s ===", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
