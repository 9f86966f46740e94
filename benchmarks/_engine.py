"""Runs the engine as people do, `python -m ml …`, in a process of its own, and reads what it left."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "var" / "bench" / "runs"


def engine(*arguments: object, quiet: bool = True) -> None:
    """One command of the engine. Raises CalledProcessError; what it said is shown then."""
    command = [sys.executable, "-m", "ml", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "platform")}
    done = subprocess.run(command, env=environment, capture_output=quiet, text=True, check=False)
    if done.returncode:
        print(done.stdout or "", done.stderr or "", file=sys.stderr)
        raise subprocess.CalledProcessError(done.returncode, command)


def train(spec: dict[str, Any], dataset: Path, *, name: str) -> dict[str, Any]:
    """result.json of a training run, its models by id under "by_id"; its files lie in var/bench/runs/<name>/out."""
    folder = RUNS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(spec))
    where = ("--out", folder / "out", "--work", folder / "work")
    engine("train", "--spec", folder / "spec.json", "--dataset", dataset, *where)
    result: dict[str, Any] = json.loads((folder / "out" / "result.json").read_text())
    result["by_id"] = {model["id"]: model for model in result["models"]}
    return result


def tflite_bytes(model: dict[str, Any]) -> int:
    """Size of the .tflite of one entry of a result."""
    return int(next(file["bytes"] for file in model["files"] if file["kind"] == "tflite"))


def figure(bench: str, case: str, metric: str, value: float, unit: str) -> None:
    """Prints one figure as a JSON line."""
    print(json.dumps({"bench": bench, "case": case, "metric": metric, "value": value, "unit": unit}), flush=True)


def options(description: str | None) -> tuple[Path, bool]:
    """--data FOLDER (needed) and --quick of a benchmark whose module says `description`."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with the data sets")
    parser.add_argument("--quick", action="store_true", help="few steps: the figures mean nothing")
    given = parser.parse_args()
    return given.data, given.quick


def table(rows: list[dict[str, object]]) -> None:
    """Prints rows for a person, numbers to the right."""
    columns = list(rows[0])
    widths = {name: max(len(name), *(len(str(row[name])) for row in rows)) for name in columns}
    header: dict[str, object] = dict(zip(columns, columns, strict=True))
    for row in [header, *rows]:
        cells = (
            str(row[name]).rjust(widths[name])
            if isinstance(row[name], int | float)
            else str(row[name]).ljust(widths[name])
            for name in columns
        )
        print("  ".join(cells))


def report(bench: str, cases: dict[str, dict[str, Any]]) -> None:
    """A table and the JSON lines of trained students: cases → entries of result.json."""
    table(
        [
            {
                "case": case,
                "model": model["model_type"],
                "parameters": model["parameters"],
                "bytes": tflite_bytes(model),
                "validation %": round(100 * model["metrics"]["validation"]["accuracy"], 2),
                "test %": round(100 * model["metrics"]["test"]["accuracy"], 2),
                "p50 ms": model["latency_ms"]["p50"],
            }
            for case, model in cases.items()
        ]
    )
    for case, model in cases.items():
        figure(bench, case, "accuracy", round(100 * model["metrics"]["test"]["accuracy"], 3), "%")
        figure(bench, case, "bytes", tflite_bytes(model), "B")
        figure(bench, case, "p50_ms", model["latency_ms"]["p50"], "ms")
