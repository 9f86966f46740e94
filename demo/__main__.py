"""`make demo`: starts an empty platform, walks through the main job, and leaves the console up."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import httpx

from demo.journey import EMAIL, PASSWORD, Journey
from demo.screen import CheckError, console
from setup.failure import SetupError
from setup.stack import Stack, fresh_data_dir, platform_environment


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--exit", action="store_true", help="stop when the journey is over instead of staying up")
    parser.add_argument("--device-python", type=Path, default=Path(".venv-device/bin/python"))
    options = parser.parse_args()
    started = time.monotonic()
    # The demo is the embedded default: services that happen to be configured here are left alone.
    base = {
        name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL", "STORAGE_URL"}
    }
    console.print("Starting an empty platform …")
    try:
        environment = platform_environment(base, data_dir=fresh_data_dir("demo"), port=options.port)
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
    except (CheckError, SetupError, httpx.HTTPError) as error:
        console.print(f"[bold red]The demo stopped:[/bold red] {error}", markup=True)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
