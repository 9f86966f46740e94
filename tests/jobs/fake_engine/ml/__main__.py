"""Stands in for the engine: a real process that does what the script in its arguments says, one word after the other.

python -m ml play --out OUT --work WORK --steps '[["say", "hello"], ["sleep", 5], …]' --events
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def tell(**event: object) -> None:
    say(json.dumps(event))


def play(steps: list[list], out: Path, work: Path) -> int:
    for word, *values in steps:
        match word:
            case "progress":
                tell(event="progress", done=values[0], total=values[1], unit="steps", message="working")
            case "metrics":
                tell(event="metrics", step=values[0], values=values[1])
            case "log":
                tell(event="log", level=values[0], message=values[1])
            case "print":
                say(values[0])
            case "complain":
                sys.stderr.write(values[0] + "\n")
            case "flood":
                for number in range(values[0]):
                    sys.stdout.write(f"line {number}\n")
            case "long-line":
                say("x" * values[0])
            case "sleep":
                time.sleep(values[0])
            case "clock":
                tell(event="log", level="info", message=f"clock {time.time()}")
            case "repeat":
                for _ in range(values[0]):
                    play(values[1], out, work)
            case "ignore-sigterm":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            case "save-on-sigterm":

                def save(number: int, frame: object) -> None:
                    (work / "checkpoint").write_text("saved")
                    sys.exit(143)

                signal.signal(signal.SIGTERM, save)
            case "orphan":
                # A grandchild that holds the pipes open and outlives its parent. Its command line names the job.
                code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
                subprocess.Popen([sys.executable, "-c", code, str(out)])
            case "file":
                (out / values[0]).write_text(values[1])
            case "environment":
                (out / "environment.json").write_text(json.dumps(dict(os.environ)))
            case "status":
                tell(event="log", level="info", message=Path("/proc/self/status").read_text())
            case "once":
                # What follows happens on the first attempt only.
                mark = work / "been-here"
                if not mark.exists():
                    mark.write_text("")
                    return play(values[0], out, work)
            case "refuse":
                tell(event="error", code=values[0], message=values[1], details=[{"field": "file", "message": "why"}])
                return 2
            case "fail":
                tell(event="error", code="internal_error", message="The engine broke.")
                return 1
            case "signal":
                os.kill(os.getpid(), values[0])
                time.sleep(60)
            case "result":
                (out / "result.json").write_text(json.dumps(values[0]))
            case "exit":
                return int(values[0])
            case _:
                raise ValueError(word)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["play"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=json.loads, required=True)
    parser.add_argument("--events", action="store_true", required=True)
    options = parser.parse_args()
    raise SystemExit(play(options.steps, options.out, options.work))
