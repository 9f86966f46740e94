"""The compatibility check: may this file go to devices, and which runtime must they have?"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict

from ml.compatibility.flatbuffer import ModelInfo, NotAModelError, SignatureInfo, TensorInfo, read_model
from ml.compatibility.operators import newest, runtime_table
from ml.files import sha256_of
from ml.refusal import RefusedError

PROBE_SECONDS = 60
# Before signatures there was nothing but the order of the tensors.
IMPLICIT_SIGNATURE = "serving_default"


class Problem(TypedDict):
    """Why a file is refused."""

    code: str
    message: str


class CompatibilityReport(TypedDict):
    """result.json of `check`. `ok` is true exactly if there are no problems."""

    ok: bool
    problems: list[Problem]
    signatures: list[dict[str, Any]]
    ops: list[dict[str, Any]]
    min_runtime: str | None
    metadata: dict[str, Any] | None
    bytes: int
    sha256: str


def check_file(path: Path) -> CompatibilityReport:
    """Checks one file. A bad model is a report with problems; only a file that can't be read raises RefusedError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RefusedError("unreadable_file", f"The file {path} can't be read: {error.strerror}.") from None
    report: CompatibilityReport = {
        "ok": False,
        "problems": [],
        "signatures": [],
        "ops": [],
        "min_runtime": None,
        "metadata": None,
        "bytes": len(data),
        "sha256": sha256_of(path),
    }
    try:
        info = read_model(data)
    except NotAModelError as error:
        report["problems"] = [{"code": "not_a_model", "message": f"{path.name}: {error}."}]
        return report
    report["signatures"] = [asdict(signature) for signature in signatures_of(info)]
    report["ops"] = [
        {"name": name, "version": version, "count": count} for (name, version), count in sorted(info.operators.items())
    ]
    report["metadata"] = info.bantam
    report["min_runtime"] = minimum_runtime(info)
    problems = [*operator_problems(info), *signature_problems(info)]
    # A file with foreign operators can't load; that it doesn't says nothing more.
    if not problems:
        problems = load_problems(path)
    report["problems"] = problems
    report["ok"] = not problems
    return report


def signatures_of(info: ModelInfo) -> list[SignatureInfo]:
    """The named signatures, or one made of the model's inputs and outputs if it has none."""
    return info.signatures or [SignatureInfo(IMPLICIT_SIGNATURE, info.inputs, info.outputs)]


def minimum_runtime(info: ModelInfo) -> str | None:
    """The newest of what each operator's version needs and what the converter wrote down."""
    table = runtime_table()
    needed = [table[operator] for operator in info.operators if operator in table]
    if info.converter_runtime:
        needed.append(info.converter_runtime)
    return newest(needed)


def operator_problems(info: ModelInfo) -> list[Problem]:
    """Operators that the plain runtime does not have, by name, and versions that are newer than what is known."""
    problems: list[Problem] = []
    for name in info.custom:
        if name.startswith("Flex"):
            problems.append(
                {
                    "code": "flex_operator",
                    "message": f"The operator {name} needs TensorFlow on the device. Accepted: builtin operators. "
                    "Convert again with builtin operators only.",
                }
            )
        else:
            problems.append(
                {
                    "code": "custom_operator",
                    "message": f"The operator {name} is a custom one that the plain runtime does not have. "
                    "Accepted: builtin operators.",
                }
            )
    table = runtime_table()
    known: dict[str, int] = {}
    for name, version in table:
        known[name] = max(version, known.get(name, 0))
    for name, version in sorted(info.operators):
        if name.startswith("BUILTIN_") or version > known.get(name, version):
            problems.append(
                {
                    "code": "unknown_operator_version",
                    "message": f"The operator {name} version {version} is newer than any known runtime. "
                    f"Accepted: up to version {known.get(name, 0)}.",
                }
            )
    return problems


def signature_problems(info: ModelInfo) -> list[Problem]:
    """Inputs and outputs that no device could fill or read."""
    problems: list[Problem] = []
    for signature in signatures_of(info):
        if not signature.inputs or not signature.outputs:
            missing = "inputs" if not signature.inputs else "outputs"
            problems.append(
                {
                    "code": "no_signature",
                    "message": f"The signature {signature.name} has no {missing}. Accepted: at least one of each.",
                }
            )
        for tensor in (*signature.inputs, *signature.outputs):
            if not tensor.name:
                problems.append(_unnamed(signature, tensor))
    return problems


def _unnamed(signature: SignatureInfo, tensor: TensorInfo) -> Problem:
    return {
        "code": "unnamed_tensor",
        "message": f"The signature {signature.name} has an input or output without a name "
        f"({tensor.dtype} {tensor.shape}). Accepted: a name for each.",
    }


def load_problems(path: Path) -> list[Problem]:
    """Loads and runs the file once in a process of its own."""
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ml.compatibility.probe", str(path.resolve())],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_SECONDS,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [
            {
                "code": "too_slow",
                "message": f"{path.name} did not load and run once within {PROBE_SECONDS} seconds.",
            }
        ]
    if done.returncode == 0:
        return []
    if done.returncode < 0:
        reason = f"the runtime crashed on it (signal {-done.returncode})"
    else:
        reason = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "the runtime gave no reason"
    return [{"code": "load_failed", "message": f"{path.name} does not load and run in LiteRT: {reason}."}]
