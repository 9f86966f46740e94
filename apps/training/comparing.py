"""What differs between the specs of several runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from apps.training.models import TrainingRun

ABSENT = "–"


@dataclass(frozen=True)
class Difference:
    """One field of the specs, by its path, and what it is in each run, as text; "–" where a run has no such field."""

    path: str
    values: list[str]


def differences(runs: Sequence[TrainingRun]) -> list[Difference]:
    """The fields in which not all `runs` agree, in the order of the specs; first of all the data they learned from.

    Students stand by their ids, so that another order alone is no difference.
    """
    data = [{"data": str(run.dataset_version)} for run in runs]
    fields = [own | dict(_fields(run.spec)) for own, run in zip(data, runs, strict=True)]
    paths = dict.fromkeys(path for one in fields for path in one)
    rows = [Difference(path, [one.get(path, ABSENT) for one in fields]) for path in paths]
    return [row for row in rows if len(set(row.values)) > 1]


def _fields(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, list) and value and all(isinstance(item, dict) and "id" in item for item in value):
        value = {item["id"]: item for item in value}
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            if name != "id":
                yield from _fields(inner, f"{path}.{name}" if path else str(name))
    else:
        yield path, _text(value)


def _text(value: Any) -> str:
    """A value as YAML would show it on one line."""
    if value is None:
        return ABSENT
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
