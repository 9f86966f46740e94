"""What a study varies: fields of a spec by their path, and the values that each may have."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from apps.errors import Detail, Refused
from apps.training.spec_fields import value_at
from ml.spec_text import read_yaml
from ml.specs import SpecError

Kind = Literal["float", "int", "categorical"]
KINDS: tuple[Kind, ...] = ("float", "int", "categorical")
KEYS = ("kind", "low", "high", "log", "step", "choices")
# What stays: the data decide the task and the features, and a name or a file's place changes nothing that is learned.
PATH = re.compile(r"hyperparameters(\.\w+)+|trainer(\.\w+)*|students\[\d+\](\.\w+)*")
FIXED = re.compile(r"(trainer|students\[\d+\])\.(id|tflite_output_path)")
WHOLE = re.compile(r"trainer|students\[\d+\]")
MAX_PARAMETERS = 20
MAX_CHOICES = 50
MAX_COMBINATIONS = 10_000  # of a grid


@dataclass(frozen=True)
class Parameter:
    """One field that is varied: from `low` to `high`, both included, or one of `choices` (any JSON values)."""

    path: str
    kind: Kind
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = ()

    @property
    def values(self) -> list[Any] | None:
        """All its values in order; None where there are too many to list."""
        if self.kind == "categorical":
            return list(self.choices)
        assert self.low is not None
        assert self.high is not None
        step = self.step or (1 if self.kind == "int" and not self.log else None)
        if step is None:
            if self.kind != "int" or self.high - self.low > MAX_COMBINATIONS:
                return None
            step = 1
        count = math.floor((self.high - self.low) / step + 1e-9) + 1
        if count > MAX_COMBINATIONS:
            return None
        listed = (self.low + index * step for index in range(count))
        return [int(value) if self.kind == "int" else float(f"{value:.12g}") for value in listed]

    @property
    def bounds(self) -> list[Any]:
        """Its extreme values; all of a choice."""
        if self.kind == "categorical":
            return list(self.choices)
        convert = int if self.kind == "int" else float
        return [convert(self.low or 0), convert(self.high or 0)]

    def contains(self, value: Any) -> bool:
        """Whether `value` is one that it may have."""
        if self.kind == "categorical":
            return any(same(value, choice) for choice in self.choices)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        assert self.low is not None
        assert self.high is not None
        is_between = self.low <= value <= self.high
        if self.step is None or not is_between:
            return is_between
        steps = (value - self.low) / self.step
        return abs(steps - round(steps)) < 1e-9

    def tidy(self, value: Any) -> Any:
        """A value as a sampler gives it, with no more digits than anybody reads."""
        if self.kind != "float" or self.step is not None:
            return value
        assert self.low is not None
        assert self.high is not None
        return min(max(float(f"{value:.4g}"), self.low), self.high)

    def words(self) -> str:
        """What it may be, for people: "0.001 … 0.1, logarithmic"."""
        if self.kind == "categorical":
            return ", ".join(shown(choice) for choice in self.choices)
        more = ", logarithmic" if self.log else f", in steps of {self.step:g}" if self.step else ""
        return f"{shown(self.low)} … {shown(self.high)}{more}"


def same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def shown(value: Any) -> str:
    """A value as YAML would have it on one line."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def stored(space: Sequence[Parameter]) -> list[dict[str, Any]]:
    """As rows of JSON, without what says nothing."""
    rows = [{**asdict(one), "choices": list(one.choices)} for one in space]
    return [
        {name: value for name, value in row.items() if value is not None and value is not False and value != []}
        for row in rows
    ]


def restored(rows: Sequence[Mapping[str, Any]]) -> list[Parameter]:
    """What `stored` gave."""
    return [Parameter(**{**row, "choices": tuple(row.get("choices", ()))}) for row in rows]


def combinations(space: Sequence[Parameter]) -> int | None:
    """How many different sets of values there are; None: too many to list."""
    count = 1
    for parameter in space:
        values = parameter.values
        if values is None:
            return None
        count *= len(values)
    return count


def combination(space: Sequence[Parameter], index: int) -> dict[str, Any]:
    """The set of values number `index` of all, from 0."""
    chosen = {}
    for parameter in space:
        values = parameter.values
        assert values is not None
        index, place = divmod(index, len(values))
        chosen[parameter.path] = values[place]
    return chosen


def read_space(given: str | Mapping[str, Any], base: Mapping[str, Any]) -> list[Parameter]:
    """The parameters in YAML text or plain data: path → list of choices, or {low, high, log, step, kind}.

    `base` is the complete spec in which they are varied: a field that is a fraction there stays one. Raises Refused
    `invalid_space`, tied to `space`, with a sentence for each parameter that is wrong.
    """
    try:
        data = read_yaml(given, noun="search space") if isinstance(given, str) and given.strip() else given
    except SpecError as error:
        raise _refused([error.message]) from None
    if not isinstance(data, Mapping) or not data:
        accepted = (
            "Accepted: a path and its range on each line, as hyperparameters.learning_rate: {low: 0.001, high: 0.1}"
        )
        raise _refused([f"A study varies at least one field of the spec. {accepted}."])
    if len(data) > MAX_PARAMETERS:
        raise _refused([f"A study varies at most {MAX_PARAMETERS} fields. Received: {len(data)}."])
    problems: list[str] = []
    found: dict[str, Parameter] = {}
    for name, values in data.items():
        path = re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", str(name))
        try:
            parameter = _parameter(path, values, value_at(base, path))
            if path in found:
                raise ValueError("is named twice")
            if (student := re.match(r"students\[\d+\]", path)) and value_at(base, student[0]) is None:
                count = len(base["students"])
                raise ValueError(f"names a student that is not there. The spec has {count}, counted from 0")
            found[path] = parameter
        except ValueError as error:
            problems.append(f"{path} {error}.")
    if problems:
        raise _refused(problems)
    return list(found.values())


def parts_of(path: str) -> Iterator[str | int]:
    for part in re.findall(r"[^.\[\]]+", path):
        yield int(part) if part.isdigit() else part


def _parameter(path: str, values: Any, now: Any) -> Parameter:
    if not PATH.fullmatch(path) or FIXED.fullmatch(path):
        raise ValueError(
            "is nothing that a study varies. Accepted: fields of hyperparameters, of the trainer and of students, such "
            "as hyperparameters.learning_rate, students[0].params.bits and students[0].model_type"
        )
    if isinstance(values, list):
        values = {"choices": values}
    if not isinstance(values, Mapping):
        raise ValueError(
            f"needs a list of choices or a range. Received: {shown(values)[:80]}. "
            "Accepted: [16, 32, 64], or {low: 0.001, high: 0.1, log: true}"
        )
    if unknown := [str(name) for name in values if name not in KEYS]:
        raise ValueError(f"has no {', '.join(unknown)}. Accepted: {', '.join(KEYS)}")
    kind = values.get("kind") or ("categorical" if "choices" in values else None)
    if kind is not None and kind not in KINDS:
        raise ValueError(f"has no such kind. Received: {shown(kind)[:80]}. Accepted: {', '.join(KINDS)}")
    return _choice(path, values) if kind == "categorical" else _range(path, values, kind, now)


def _choice(path: str, values: Mapping[str, Any]) -> Parameter:
    choices = values.get("choices")
    if others := [name for name in ("low", "high", "log", "step") if values.get(name)]:
        raise ValueError(f"has choices and {', '.join(others)}. Accepted: either choices or a range")
    if not isinstance(choices, list) or not 2 <= len(choices) <= MAX_CHOICES:
        received = len(choices) if isinstance(choices, list) else shown(choices)[:80]
        raise ValueError(f"needs a list of 2 to {MAX_CHOICES} choices. Received: {received}")
    try:
        texts = [json.dumps(choice, sort_keys=True, allow_nan=False) for choice in choices]
    except (TypeError, ValueError):
        raise ValueError(
            "has a choice that is no plain value. Accepted: numbers, texts, true, false, null, lists"
        ) from None
    if repeated := [choice for index, choice in enumerate(texts) if choice in texts[:index]]:
        raise ValueError(f"has a choice twice. Received: {', '.join(repeated)}")
    if WHOLE.fullmatch(path):
        for choice in choices:
            is_absent = choice is None and path == "trainer"
            if not is_absent and not (isinstance(choice, Mapping) and choice and "id" not in choice):
                raise ValueError(
                    f"is a whole network. Received: {shown(choice)[:80]}. Accepted: choices such as "
                    "{model_type: feed_forward, params: {units: [16]}}, without an id"
                    + (", or null for no trainer" if path == "trainer" else "")
                )
    return Parameter(path, "categorical", choices=tuple(choices))


def _range(path: str, values: Mapping[str, Any], kind: str | None, now: Any) -> Parameter:
    low, high, step = (_number(values, name) for name in ("low", "high", "step"))
    if low is None or high is None:
        raise ValueError("needs low and high, or choices")
    if not low < high:
        raise ValueError(f"needs a low that is less than high. Received: low {low:g}, high {high:g}")
    are_whole = all(isinstance(number, int) for number in (low, high, step or 0))
    if kind is None:
        kind = "float" if isinstance(now, float) or not are_whole else "int"
    if kind == "int" and not are_whole:
        raise ValueError(f"is of the kind int. Received: low {low:g}, high {high:g}. Accepted: whole numbers")
    log = values.get("log") or False
    if not isinstance(log, bool):
        raise ValueError(f"has a log that is neither true nor false. Received: {shown(log)[:80]}")
    if log and low <= 0:
        raise ValueError(f"can't be logarithmic from {low:g} on. Accepted: a low greater than 0")
    if step is not None and (log or not 0 < step <= high - low):
        why = "is logarithmic" if log else f"goes from {low:g} to {high:g}"
        raise ValueError(
            f"has a step of {step:g} and {why}. Accepted: a step from more than 0 to high - low, without log"
        )
    if kind == "int":
        high = low + (high - low) // step * step if step else high
        return Parameter(path, "int", int(low), int(high), log, None if step is None else int(step))
    if step:
        high = float(f"{low + math.floor((high - low) / step + 1e-9) * step:.12g}")
    return Parameter(path, "float", float(low), float(high), log, step)


def _number(values: Mapping[str, Any], name: str) -> float | None:
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, str):  # YAML reads 1e-3 as text
        try:
            value = float(value)
        except ValueError:
            value = math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        raise ValueError(f"has a {name} that is no number. Received: {shown(values.get(name))[:80]}")
    return value


def _refused(problems: list[str]) -> Refused:
    details: list[Detail] = [{"field": "space", "message": problem} for problem in problems]
    return Refused("invalid_space", " ".join(problems), details=details)
