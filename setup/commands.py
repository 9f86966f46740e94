"""The commands behind the Makefile's targets."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from setup import ROOT, bench, lint, lock
from setup.failure import SetupError
from setup.install import Installation
from setup.preflight import parse_port, require_free_port

INSTALLED = (".venv", ".venv-device", "node_modules", "var/static", "var/assets", "var/wheels", "var/log")
RUNS = ("var/tests", "var/demo")
CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache")


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line. Returns its exit status, or becomes the program that it starts. Raises SetupError."""
    options = _parser().parse_args(arguments)
    if options.command == "clean":
        return clean()
    if options.command in {"demo", "run"}:
        # Before an installation of minutes, not after it.
        host = options.host if options.command == "run" else "127.0.0.1"
        require_free_port(parse_port(options.port), host=host)
    benchmark: list[str] = []
    if options.command == "bench":
        benchmark = bench.command_line(options.name, options.data, quick=options.quick)
    installation = Installation()
    # Checks and lock files need no collected assets, which change with every edit of a page.
    installation.ensure(assets=options.command in {"install", "demo", "run", "worker", "test"})
    python = str(installation.python)
    if options.command == "demo":
        _become([python, "-m", "demo", "--port", options.port, *(["--exit"] if options.exit else [])])
    if options.command == "run":
        _become([python, "-m", "setup.stack", "run", "--host", options.host, "--port", options.port])
    if options.command == "worker":
        _become([python, "-m", "setup.stack", "worker"])
    if options.command == "test":
        _become([python, "-m", "setup.run_tests", *options.arguments])
    if options.command == "bench":
        _become([python, *benchmark])
    if options.command == "lint":
        return lint.lint(installation)
    if options.command == "lock":
        return lock.lock(installation, upgrade=options.upgrade)
    return 0


def clean() -> int:
    """Remove everything that was made from the lock files and by tests. What `make run` keeps in `var` stays."""
    for name in (*INSTALLED, *RUNS, *CACHES):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    for path in (ROOT / "var" / "static.installed", *ROOT.glob("var/*.lock")):
        path.unlink(missing_ok=True)
    kept = sorted(path.name for path in (ROOT / "var").glob("*"))
    if kept:
        print(f"Kept the data of `make run` in var/: {', '.join(kept)}. Remove the folder to lose it.")
    return 0


def _become(command: list[str]) -> NoReturn:
    """Go on as `command`, so that a signal to the command that was typed reaches what runs."""
    sys.stdout.flush()
    os.chdir(ROOT)
    try:
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        raise SetupError(
            f"{command[0]} could not be started: {error.strerror}. Run `make clean` and try again."
        ) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m setup", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("install", help="install what is missing and nothing more")
    for name, text in (("demo", "take real digits through the whole loop"), ("run", "web server and worker")):
        served = commands.add_parser(name, help=text)
        served.add_argument("--port", default="8000")
        if name == "demo":
            served.add_argument("--exit", action="store_true", help="stop when the last step was checked")
        else:
            served.add_argument("--host", default="127.0.0.1")
    commands.add_parser("worker", help="one more worker for the configured services")
    test = commands.add_parser("test", help="all tests, or those that the arguments name to pytest")
    test.add_argument("arguments", nargs=argparse.REMAINDER)
    commands.add_parser("lint", help="style, types, architecture, migrations, deployment settings")
    renewed = commands.add_parser("lock", help="write the lock files anew from what the project declares")
    renewed.add_argument("--upgrade", action="store_true", help="to the newest versions that the declarations allow")
    measured = commands.add_parser("bench", help="run one benchmark")
    measured.add_argument("--name", default="")
    measured.add_argument("--data", default="", type=lambda text: Path(text) if text else None)
    measured.add_argument("--quick", action="store_true", help="a smoke run")
    commands.add_parser("clean", help="remove what was installed and made")
    return parser
