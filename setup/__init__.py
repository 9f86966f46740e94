"""What `make` runs: the first installation, and the processes of a running platform.

`python3 -m setup <command>` works with nothing but the standard library, because it is what installs the rest.
`setup.stack` and `setup.run_tests` run later, with the installed `.venv`.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
