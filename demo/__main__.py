"""`make demo`: starts an empty platform, walks through the main job, and leaves the console up."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
from rich.markup import escape

from demo.journey import EMAIL, PASSWORD, Journey
from demo.screen import CheckError, console
from setup.failure import SetupError
from setup.stack import Stack, fresh_data_dir, platform_environment

# The platform of the demo is an empty one of its own, as it is without any setting: services that happen to be
# configured here are left alone, nothing is mailed, and no limit or address of another installation applies.
NOT_OF_THE_DEMO = {
    *("DATABASE_URL", "REDIS_URL", "STORAGE_URL", "SECRET_KEY", "SECRET_KEY_FALLBACKS", "DATA_DIR"),
    *("BASE_URL", "ALLOWED_HOSTS", "BEHIND_PROXY", "SSL_REDIRECT", "HSTS_SECONDS", "HSTS_SUBDOMAINS"),
    *("EMAIL_URL", "EMAIL_VERIFICATION", "DEFAULT_FROM_EMAIL"),
    *("DEFAULT_QUOTA_BYTES", "MAX_UPLOAD_BYTES", "DEVICE_REQUESTS_PER_MINUTE", "JOB_LEASE_S", "JOB_MAX_SECONDS"),
    *("JOB_SAVED_WORK_MB", "JOB_SAVED_WORK_DAYS", "RAY_ADDRESS", "RAY_CPUS_PER_JOB"),
}


def embedded_default(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without the settings of another installation."""
    return {name: value for name, value in environ.items() if name not in NOT_OF_THE_DEMO}


def in_words(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"The device process did not end within {error.timeout:g} s. A busy machine may need another try."
    if isinstance(error, KeyError):
        return f"An answer of the platform has no {error}. Its log, above, may say why."
    return str(error)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--exit", action="store_true", help="stop when the journey is over instead of staying up")
    parser.add_argument("--device-python", type=Path, default=Path(".venv-device/bin/python"))
    options = parser.parse_args()
    started = time.monotonic()
    console.print("Starting an empty platform …")
    try:
        environment = platform_environment(
            embedded_default(os.environ), data_dir=fresh_data_dir("demo"), port=options.port
        )
        with Stack(environment, port=options.port) as stack:
            stack.wait_ready()
            console.print(f"The platform is up at {stack.address} ({time.monotonic() - started:.1f} s)")
            journey = Journey(server=stack.address, device_python=options.device_python.absolute())
            journey.run()
            console.print(
                f"[bold green]Every step's result was checked.[/bold green] {time.monotonic() - started:.1f} s"
            )
            console.print(f"Console: {stack.address}{journey.project_path}")
            console.print(f"Login:   {EMAIL} / {PASSWORD}")
            if not options.exit:
                console.print("It stays up until Ctrl-C.")
                return stack.wait()
        return 0
    except (CheckError, SetupError, httpx.HTTPError, subprocess.TimeoutExpired, KeyError) as error:
        console.print(f"[bold red]The demo stopped:[/bold red] {escape(in_words(error))}", markup=True)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
