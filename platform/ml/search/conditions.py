"""What a proposal needs, and how it is refused. No TensorFlow here, so that what can be refused at once, is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ml.data.dataset import DatasetInfo
from ml.profiling.device_profile import profile_of
from ml.refusal import Detail, RefusedError
from ml.search.pricing import Limits, Price
from ml.specs import TrainingSpec

SPEC_NAME = "spec.yaml"
# One to learn from, one to judge by.
LEAST_EXAMPLES = 2


def check_proposable(spec: TrainingSpec, info: DatasetInfo, *, spec_folder: Path) -> None:
    """Raises RefusedError `no_budget`, `empty_split`, `too_few_examples` or `unreadable_profile`."""
    if spec.students or not spec.budget.has_limit:
        received = f"{len(spec.students)} students" if spec.students else "no limit"
        message = (
            f"students are proposed where there are none, for a budget. Received: {received}. "
            "Accepted: no students, and budget.max_bytes or budget.max_latency_ms"
        )
        raise RefusedError("no_budget", f"{message}.", [{"field": "students", "message": message}])
    if not info.splits.get("validation"):
        raise RefusedError(
            "empty_split",
            "Proposed students are judged on the validation split. Received: a dataset without examples in it. "
            "Accepted: a dataset with some, or a spec with students.",
        )
    if info.splits["train"] < LEAST_EXAMPLES:
        raise RefusedError(
            "too_few_examples",
            "A search needs examples to learn from and others to judge by. "
            f"Received: {info.splits['train']} in the training split. Accepted: at least {LEAST_EXAMPLES}.",
        )
    profile_of(spec.budget, spec_folder)


def check_place(spec_file: Path, out: Path) -> None:
    """Raises RefusedError `spec_in_the_way` if the proposed spec would take the place of the one that is read."""
    written = out / SPEC_NAME
    if written.resolve() == spec_file.resolve():
        raise RefusedError(
            "spec_in_the_way",
            "The spec with students would be written over the one without. "
            f"Received: --spec {spec_file} with --out {out}. Accepted: another folder for --out.",
        )


def budget_too_small(spec: TrainingSpec, limits: Limits, smallest: Mapping[str, Price]) -> RefusedError:
    """`budget_too_small`, which names the smallest and the fastest model that there is."""
    budget = spec.budget
    details: list[Detail] = []
    small = min(smallest, key=lambda name: float(smallest[name].bytes))
    if budget.max_bytes is not None and smallest[small].bytes > budget.max_bytes:
        accepted = f"at least {smallest[small].bytes}, for the smallest {small}"
        message = f"is too small for any model. Received: {budget.max_bytes}. Accepted: {accepted}"
        details.append({"field": "budget.max_bytes", "message": message})
    fast = min(smallest, key=lambda name: float(smallest[name].ms))
    if limits.max_ms is not None and budget.max_latency_ms is not None and smallest[fast].ms > limits.max_ms:
        accepted = f"at least {smallest[fast].ms * budget.max_latency_ms / limits.max_ms:.2g}, for the smallest {fast}"
        message = f"is too short for any model. Received: {budget.max_latency_ms:g}. Accepted: {accepted}"
        details.append({"field": "budget.max_latency_ms", "message": message})
    if not details:
        both = f"max_bytes {budget.max_bytes} and max_latency_ms {budget.max_latency_ms:g}"
        accepted = f"one that leaves {smallest[fast].bytes} bytes for the smallest {fast}, or more time"
        message = f"has no model that is both small and fast enough. Received: {both}. Accepted: {accepted}"
        details.append({"field": "budget", "message": message})
    listed = "; ".join(f"{detail['field']}: {detail['message']}" for detail in details)
    return RefusedError("budget_too_small", f"The budget can't be kept. {listed}.", details)


def nothing_to_propose(spec: TrainingSpec) -> RefusedError:
    """`nothing_to_propose`: no type of model in the family learns such a task."""
    kinds = ", ".join(feature.type for feature in spec.features)
    message = f"there is no family of models for {spec.task.type} of {kinds}. Accepted: a spec with students"
    return RefusedError("nothing_to_propose", f"students: {message}.", [{"field": "students", "message": message}])
