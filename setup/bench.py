"""`make bench`: one module of `benchmarks/` is one benchmark.

It is run as `python -m benchmarks.<name> [--data FOLDER] [--quick]`.
"""

from __future__ import annotations

from pathlib import Path

from setup import ROOT
from setup.failure import SetupError


def names() -> list[str]:
    """Return the benchmarks there are."""
    return sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if not path.stem.startswith("_"))


def command_line(name: str, data: Path | None, *, quick: bool) -> list[str]:
    """Return Python's arguments for benchmark `name`.

    Raises SetupError for an unknown name or a folder that is not there.
    """
    known = names()
    if name not in known:
        accepted = ", ".join(known) or "none yet"
        raise SetupError(f"make bench needs BENCH=<name>. Received: {name!r}. There are: {accepted}.")
    if data is not None and not data.is_dir():
        raise SetupError(f"DATA must name a folder. Received: {str(data)!r}")
    options = ["--data", str(data.resolve())] if data is not None else []
    return ["-m", f"benchmarks.{name}", *options, *(["--quick"] if quick else [])]
