"""The first pass of an import: every row is read and checked, and what is needed to place it is kept."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ml.data.labels import Label, LabelReader
from ml.data.pace import Pace
from ml.data.problems import Problems
from ml.data.sources.base import Row, RowProblem, Source
from ml.data.splits import ACCEPTED_NAMES, SPLITS, UNLABELLED, read_split
from ml.features.reader import FeatureReader, UnfitValueError
from ml.refusal import RefusedError
from ml.reporting import Reporter

BadValues = Literal["refuse", "skip"]
Readers = Mapping[str, FeatureReader[Any]]
_GROUP_BYTES = 16
NOT_SAID = -1
UNLABELLED_CODE = len(SPLITS)
_CODES = {**{name: code for code, name in enumerate(SPLITS)}, UNLABELLED: UNLABELLED_CODE}


@dataclass(frozen=True)
class Survey:
    """Of the rows that can be used, in the source's order; about 30 bytes for each.

    `rows` [n] are their numbers in the source; `labels` [n] those that `LabelReader.note` gave; `groups` [n] are
    equal for equal contents; `splits` [n] are places in SPLITS, UNLABELLED_CODE without a label, NOT_SAID where the
    source says none.
    """

    rows: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int32]
    groups: npt.NDArray[np.int32]
    splits: npt.NDArray[np.int8]
    warnings: list[str]

    @property
    def is_said(self) -> bool:
        """Whether the source says which split its examples belong to."""
        return bool(((self.splits != NOT_SAID) & (self.splits != UNLABELLED_CODE)).any())


class _Surveyor:
    def __init__(self, source: Source, readers: Readers, labels: LabelReader) -> None:
        self._source = source
        self._readers = readers
        self._labels = labels
        self.rows = array("q")
        self.numbers = array("i")
        self.groups = bytearray()
        self.splits = array("b")
        self.bytes = 0
        self.dropped = 0  # examples for measuring that have no label

    def add(self, number: int, row: Row) -> None:
        """Raises _FieldError."""
        values, sizes = {}, {}
        for name, reader in self._readers.items():
            try:
                values[name] = reader.read(row.given.get(name))
                sizes[name] = reader.look(values[name])
            except UnfitValueError as error:
                raise _FieldError(name, error) from None
        split = self._split(row)
        label = self._label(row, values, split)
        noted = self._noted(label)
        if label is None:
            self.dropped += split in (SPLITS.index("validation"), SPLITS.index("test"))
            split = UNLABELLED_CODE
        for name, size in sizes.items():
            self._readers[name].sizes[size] += 1
        self.rows.append(number)
        self.numbers.append(noted)
        self.splits.append(split)
        self.groups += self._group(values)

    def _split(self, row: Row) -> int:
        if row.split is None:
            return NOT_SAID
        name = read_split(row.split)
        if name is None:
            spec = self._source.spec
            raise _FieldError(spec.split or "split", UnfitValueError("invalid_split", repr(row.split), ACCEPTED_NAMES))
        return _CODES[name]

    def _label(self, row: Row, values: Mapping[str, object], split: int) -> Label | None:
        if split == UNLABELLED_CODE:
            return None
        try:
            label = self._labels.read(row.label)
        except UnfitValueError as error:
            raise _FieldError(self._label_field, error) from None
        if label is not None and self._source.spec.is_sequence:
            first = self._source.spec.features[0].name
            steps = self._readers[first].steps(values[first])
            if steps not in (None, len(label)):
                reason = f"{len(label)} labels for {steps} steps"
                mismatch = UnfitValueError("label_length_mismatch", reason, "a label for each step")
                raise _FieldError(self._label_field, mismatch)
        return label

    def _noted(self, label: Label | None) -> int:
        if label is None:
            return -1
        try:
            return self._labels.note(label)
        except UnfitValueError as error:
            raise _FieldError(self._label_field, error) from None

    @property
    def _label_field(self) -> str:
        return ", ".join(self._source.spec.task.places)

    def _group(self, values: Mapping[str, object]) -> bytes:
        digest = hashlib.blake2b(digest_size=_GROUP_BYTES)
        for name, reader in self._readers.items():
            for part in reader.content(values[name]):
                self.bytes += len(part)
                digest.update(len(part).to_bytes(8, "little"))
                digest.update(part)
        return digest.digest()


class _FieldError(Exception):
    def __init__(self, field: str, error: UnfitValueError) -> None:
        super().__init__(str(error))
        self.field = field
        self.error = error


def survey(
    source: Source,
    readers: Readers,
    labels: LabelReader,
    *,
    max_bytes: int,
    bad_values: BadValues,
    reporter: Reporter,
) -> Survey:
    """Looks at every row. Raises RefusedError that names the rows with the first kind of problem found.

    With `bad_values` "skip", rows with numbers that are missing, NaN or infinite are left out and told.
    """
    surveyor, problems, pace, total = _Surveyor(source, readers, labels), Problems(), Pace(), 0
    for number, row in enumerate(source.scan()):
        if pace.is_due():
            reporter.progress(*source.progress(), "checking")
        total = number + 1
        if isinstance(row, RowProblem):
            problems.add(row)
            continue
        try:
            surveyor.add(number, row)
        except _FieldError as error:
            # A class folder has one feature and no columns: its path says all.
            field = "" if source.noun not in ("rows", "records") else error.field
            problems.add(RowProblem(row.path, field, error.error))
        if surveyor.bytes > max_bytes:
            raise RefusedError(
                "source_too_large",
                f"The {source.noun} are too large together. Received: more than {max_bytes} bytes after {total} "
                f"{source.noun}. Accepted: at most {max_bytes} bytes.",
            )
    is_skipping = bad_values == "skip"
    problems.refuse(total, source.noun, but="bad_values" if is_skipping else None)
    warnings = problems.warning("bad_values", total, source.noun)
    if not surveyor.rows:
        raise RefusedError(
            "empty_table", f"There are no {source.noun} to learn from. Received: {total}. Accepted: at least one."
        )
    if all(code == UNLABELLED_CODE for code in surveyor.splits):
        raise RefusedError(
            "no_labels",
            f"None of the {source.noun} has a label. Received: {total} {source.noun}, and no "
            f"'{', '.join(source.spec.task.places)}' in any. Accepted: labels for all, or for some.",
        )
    if surveyor.dropped:
        warnings.append(
            f"{surveyor.dropped} {source.noun} of the validation and test splits have no label and became unlabelled"
        )
    return Survey(
        rows=np.asarray(surveyor.rows, np.int64),
        labels=np.asarray(surveyor.numbers, np.int32),
        groups=_group_numbers(surveyor.groups),
        splits=np.asarray(surveyor.splits, np.int8),
        warnings=warnings,
    )


def _group_numbers(digests: bytearray) -> npt.NDArray[np.int32]:
    """The same number for the same digest, in the order of the digests, so that it does not depend on that of rows."""
    halves = np.frombuffer(digests, "<u8").reshape(-1, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))
    differs = (np.diff(halves[order], axis=0) != 0).any(axis=1)
    numbers = np.empty(len(order), np.int32)
    numbers[order] = np.concatenate([[0], np.cumsum(differs)])
    return numbers
