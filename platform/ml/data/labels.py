"""Labels: from what a source holds to indices of classes, or to numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ml.data.import_spec import MAX_CLASSES, ImportTask
from ml.features.numbers import parse_numbers, read_numbers
from ml.features.reader import UnfitValueError
from ml.features.text import split_list
from ml.refusal import RefusedError
from ml.tasks import TaskSpec

# Names of classes, or the numbers of a regression.
Label = list[str] | list[float]


class LabelReader:
    """Reads labels. First `note` every one, then `choose` the classes, then `encode` each.

    `classes` is a closed list, in its order. `has_indices`: whole numbers are indices of classes, not names.
    """

    def __init__(self, task: ImportTask, classes: Sequence[str] | None, *, has_indices: bool = False) -> None:
        self._task = task
        self._closed = None if classes is None else list(classes)
        self._has_indices = has_indices
        self._found: dict[str, int] = {name: index for index, name in enumerate(classes or ())}
        self._used: set[str] = set()
        self._num_values = task.num_values
        self._final = np.zeros(1, np.int32)
        self.classes: list[str] = []
        self.value_ranges: list[tuple[float, float]] = []  # lowest and highest of each value of a regression

    def read(self, given: object) -> Label | None:
        """The label in a cell, JSON or a record; None if there is none. Raises UnfitValueError."""
        if given is None or (isinstance(given, str) and not given.strip()):
            return None
        match self._task.type:
            case "classification":
                if isinstance(given, list):
                    if len(given) > 1:
                        raise UnfitValueError("invalid_label", f"{len(given)} labels", "one label")
                    return [self._name(given[0])] if given else None
                return [self._name(given)]
            case "multi_label":
                return list(dict.fromkeys(self._name(item) for item in self._several(given)))
            case "sequence":
                items = split_list(given) if isinstance(given, str) else given
                if not isinstance(items, list):
                    raise UnfitValueError("invalid_label", repr(given)[:60], "a label for each step")
                return [self._name(item) for item in items]
            case "regression":
                return self._numbers(given)

    def note(self, label: Label) -> int:
        """Counts a label in, and gives a number that is the same for equal first classes. Raises UnfitValueError."""
        if self._task.type == "regression":
            if self._num_values is None:
                self._num_values = len(label)
            if len(label) != self._num_values:
                raise UnfitValueError("wrong_length", f"{len(label)} numbers", f"{self._num_values} numbers")
            self._widen(label)  # type: ignore[arg-type]
            return 0
        for name in label:
            assert isinstance(name, str)
            if name not in self._found:
                if self._closed is not None:
                    raise UnfitValueError("unknown_class", repr(name), _listed(self._closed))
                self._found[name] = len(self._found)
            self._used.add(name)
        return self._found[label[0]] if label else -1  # type: ignore[index]

    def final_indices(self, numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """The indices into `classes`, for numbers that `note` gave; -1 stays -1."""
        return np.where(numbers < 0, numbers, self._final[numbers]).astype(np.int32)

    def choose(self) -> tuple[TaskSpec, list[str]]:
        """The complete task, and what to warn of; sets `classes`. Raises RefusedError if the classes can't be used."""
        task = self._task
        if task.type == "regression":
            return TaskSpec(type=task.type, label=task.label, num_values=self._num_values), []
        self.classes = self._closed or self._ordered()
        if len(self.classes) < 2:
            raise RefusedError(
                "too_few_classes",
                f"At least 2 classes are needed. Received: {len(self.classes)} ({_listed(self.classes)}). "
                "Accepted: examples of each class.",
            )
        if len(self.classes) > MAX_CLASSES:
            raise RefusedError(
                "too_many_classes",
                f"There are too many classes. Received: {len(self.classes)}. Accepted: at most {MAX_CLASSES}.",
            )
        if task.num_classes not in (None, len(self.classes)):
            raise RefusedError(
                "class_count_mismatch",
                f"The spec declares another number of classes than there are. Received: {len(self.classes)} "
                f"({_listed(self.classes)}). Accepted: {task.num_classes}, or a list under `classes`.",
            )
        final = {name: index for index, name in enumerate(self.classes)}
        self._final = np.asarray([final[name] for name in self._found], np.int32)
        self._found = final
        unused = [name for name in self.classes if name not in self._used]
        warnings = [f"{len(unused)} classes have no examples, for example '{unused[0]}'"] if unused else []
        return TaskSpec(type=task.type, label=task.label, num_classes=len(self.classes)), warnings

    def encode(self, label: Label) -> list[int] | list[float]:
        """Indices into `classes`, in order for several at once; or the numbers."""
        if self._task.type == "regression":
            return label  # type: ignore[return-value]
        indices = [self._found[name] for name in label]  # type: ignore[index]
        return sorted(indices) if self._task.type == "multi_label" else indices

    def _widen(self, values: list[float]) -> None:
        ranges = self.value_ranges or [(value, value) for value in values]
        self.value_ranges = [
            (min(low, value), max(high, value)) for (low, high), value in zip(ranges, values, strict=True)
        ]

    def _ordered(self) -> list[str]:
        names = list(self._found)
        if not all(map(_is_index, names)):
            return sorted(names)
        if self._has_indices:
            highest = max((int(name) for name in names), default=-1)
            return [str(index) for index in range(max(highest + 1, self._task.num_classes or 0))]
        return sorted(names, key=int)

    def _name(self, item: object) -> str:
        if isinstance(item, bytes):
            try:
                item = item.decode()
            except UnicodeDecodeError as error:
                raise UnfitValueError("invalid_utf8", str(error), "UTF-8") from None
        if isinstance(item, bool):
            return "true" if item else "false"
        if isinstance(item, int) and self._has_indices:
            return self._indexed(item)
        if isinstance(item, int | float):
            return str(item)
        if isinstance(item, str) and item.strip():
            return item.strip()
        raise UnfitValueError("invalid_label", repr(item)[:60], "the name of a class")

    def _indexed(self, index: int) -> str:
        size = len(self._closed) if self._closed else self._task.num_classes or MAX_CLASSES
        if not 0 <= index < size:
            raise UnfitValueError("unknown_class", str(index), f"0 to {size - 1}")
        return self._closed[index] if self._closed else str(index)

    @staticmethod
    def _several(given: object) -> list[object]:
        if isinstance(given, list):
            return given
        if not isinstance(given, str):
            return [given]
        if given.lstrip().startswith("["):
            return split_list(given)
        return [item for item in re.split(r"[|;]", given) if item.strip()]

    @staticmethod
    def _numbers(given: object) -> list[float] | None:
        if isinstance(given, str):
            given = parse_numbers(given)
        items = given if isinstance(given, list) else [given]
        if all(item is None or (isinstance(item, str) and not item.strip()) for item in items):
            return None  # all columns are empty
        numbers: list[float] = read_numbers(items).tolist()
        return numbers


def _is_index(name: str) -> bool:
    return name.isascii() and name.isdigit() and str(int(name)) == name


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
