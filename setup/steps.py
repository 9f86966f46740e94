"""One step of an installation: a line on the screen, the whole output in a file."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from setup import ROOT
from setup.diagnosis import reason_in
from setup.failure import SetupError


def readable(path: Path) -> str:
    """Return `path` as a person in the project's folder would type it."""
    return os.path.relpath(path, ROOT) if ROOT in path.parents else str(path)


def run_step(
    title: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str], cwd: Path = ROOT
) -> None:
    """Run `command` with its output appended to `log`, showing `title` and the seconds it takes.

    Raises SetupError with the reason, as far as the output tells it, and the name of the log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    live = sys.stdout.isatty()
    print(f"  {title} …", end="", flush=True)
    with log.open("a+b") as output:
        before = output.seek(0, os.SEEK_END)
        output.write(("$ " + " ".join(command) + "\n").encode())
        output.flush()
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environment),
                cwd=str(cwd),
            )
        except OSError as error:
            raise SetupError(f"{title} failed: {command[0]} could not be started ({error.strerror}).") from None
        try:
            status = _wait(process, title, started, live)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if status != 0:
            print(flush=True)
            output.seek(before)
            text = output.read().decode(errors="replace")
            last_line = text.rstrip().rsplit("\n", 1)[-1].strip()[:200]
            reason = reason_in(text) or f"{Path(command[0]).name} ended with status {status}, saying {last_line!r}"
            raise SetupError(f"{title} failed: {reason}. The whole output is in {readable(log)}.")
    seconds = f"{time.monotonic() - started:.1f} s"
    print(f"\r  {title} … {seconds}" if live else f" {seconds}", flush=True)


def _wait(process: subprocess.Popen[bytes], title: str, started: float, live: bool) -> int:
    while True:
        try:
            return process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            if live:
                print(f"\r  {title} … {time.monotonic() - started:.0f} s", end="", flush=True)
