"""`python3 -m setup <command>`: what the Makefile calls. Run `make help` for the commands."""

from __future__ import annotations

import signal
import sys

from setup.failure import SetupError
from setup.interpreter import require_accepted


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        require_accepted(arguments)
        # Only now: the rest need not be readable by an old Python.
        from setup.commands import run

        return run(arguments)
    except SetupError as error:
        print(f"bantam: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
