"""Run as a script in front of every job's command: ties its life to the worker's, then becomes the command.

    python -I -S launcher.py <pid of the worker> <command> [argument …]

It imports nothing of the platform, because it runs inside the child's process.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    worker, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        # The lease of a dead worker runs out, and the next attempt must not find this one still at work.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != worker:
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
