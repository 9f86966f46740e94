"""Files of records that are read through once and then again by number: lines, rows, TFRecords."""

from __future__ import annotations

import csv
import io
import json
import os
import struct
from abc import ABC, abstractmethod
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Generic, Self, TypeVar

from ml.data.examples import Values, decode_fields
from ml.data.tfrecord import RECORD_HEADER, read_records
from ml.features.reader import UnfitValueError
from ml.refusal import RefusedError

# The longest cell of a CSV row; Python's own limit is 128 KiB, which a vector in JSON may need more than.
MAX_CELL = 2**26
Record = TypeVar("Record")


class RecordFile(ABC, Generic[Record]):
    """One file. `name` is what a person knows it by; of each record its place is kept, 16 bytes."""

    noun = "rows"

    def __init__(self, path: Path, name: str) -> None:
        """Raises RefusedError `unreadable_source`."""
        self.name = name
        self.path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise RefusedError("unreadable_source", f"{name} can't be read: {error.strerror}.") from None
        self.size = path.stat().st_size
        self.position = 0  # how far `scan` has come
        self._starts = array("q")
        self._ends = array("q")

    @abstractmethod
    def scan(self) -> Iterator[Record | UnfitValueError]:
        """All records in order; a problem in the place of one that can't be read. To be run to its end once."""

    @abstractmethod
    def parse(self, data: bytes) -> Record:
        """The record in its bytes. Raises UnfitValueError."""

    def fetch(self, number: int) -> Record:
        """A record that `scan` has come by, by number from 0."""
        start, end = self._starts[number], self._ends[number]
        return self.parse(os.pread(self._file.fileno(), end - start, start))

    def where(self, number: int) -> str:
        """The place of a record for a person."""
        return f"{self.name}:{number + 1}"

    def __len__(self) -> int:
        return len(self._starts)

    def close(self) -> None:
        self._file.close()

    def _note(self, start: int, end: int) -> None:
        self._starts.append(start)
        self._ends.append(end)
        self.position = end


class LinesFile(RecordFile[Record]):
    """A file of lines, numbered from 1; records may be longer than one, and blank lines are none."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(path, name)
        self._lines = array("q")

    def where(self, number: int) -> str:
        return f"{self.name}:{self._lines[number]}"


class _DecodedLines:
    """The lines of a file as text, counted; goes on after a line that is not UTF-8."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.bytes = 0
        self.count = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = next(self._file)
        self.bytes += len(line)
        self.count += 1
        return line.decode("utf-8-sig" if self.count == 1 else "utf-8")


class CsvFile(LinesFile[list[str]]):
    """A CSV file with a header: each record is the list of its cells, as many as the header has."""

    def __init__(self, path: Path, name: str) -> None:
        """Raises RefusedError `empty_table`, `duplicate_column` or `broken_table`."""
        super().__init__(path, name)
        csv.field_size_limit(MAX_CELL)
        self._decoded = _DecodedLines(self._file)
        self._rows = csv.reader(self._decoded, strict=True)
        try:
            self.columns = self._header()
        except RefusedError:
            self.close()
            raise

    def _header(self) -> list[str]:
        try:
            columns = [column.strip() for column in next(self._rows, [])]
        except UnicodeDecodeError as error:
            raise self._broken(f"the header is not UTF-8 (byte {error.start})") from None
        except csv.Error as error:
            raise self._broken(str(error)) from None
        if not any(columns):
            raise RefusedError("empty_table", f"{self.name} is empty. Accepted: a line of column names, then rows.")
        repeated = sorted({column for column in columns if column and columns.count(column) > 1})
        if repeated:
            raise RefusedError(
                "duplicate_column",
                f"{self.name} has a column twice. Received: {', '.join(repeated)}. Accepted: different names.",
            )
        return columns

    def scan(self) -> Iterator[list[str] | UnfitValueError]:
        while True:
            start, line = self._decoded.bytes, self._decoded.count + 1
            try:
                row = next(self._rows, None)
            except UnicodeDecodeError as error:
                self._lines.append(line)
                self._note(start, self._decoded.bytes)
                yield _not_utf8(error)
                continue
            except csv.Error as error:
                raise self._broken(f"{error} in line {self._decoded.count}") from None
            if row is None:
                return
            if not row:
                continue
            self._lines.append(line)
            self._note(start, self._decoded.bytes)
            yield row if len(row) == len(self.columns) else self._ragged(row)

    def parse(self, data: bytes) -> list[str]:
        try:
            row = next(csv.reader(io.StringIO(data.decode(), newline=""), strict=True), [])
        except (UnicodeDecodeError, csv.Error) as error:
            raise UnfitValueError("broken_row", str(error), "a row of a CSV file") from None
        if len(row) != len(self.columns):
            raise self._ragged(row)
        return row

    def _ragged(self, row: list[str]) -> UnfitValueError:
        return UnfitValueError("ragged_row", f"{len(row)} fields", f"{len(self.columns)} fields")

    def _broken(self, reason: str) -> RefusedError:
        return RefusedError("broken_table", f"{self.name} is not a CSV file that can be read: {reason}.")


class JsonLinesFile(LinesFile[dict[str, object]]):
    """A file with a JSON object in each line."""

    def scan(self) -> Iterator[dict[str, object] | UnfitValueError]:
        start = 0
        for line, data in enumerate(self._file, start=1):
            if data.strip():
                self._lines.append(line)
                self._note(start, start + len(data))
                try:
                    yield self.parse(data)
                except UnfitValueError as error:
                    yield error
            start += len(data)

    def parse(self, data: bytes) -> dict[str, object]:
        try:
            found = json.loads(data.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise _not_utf8(error) from None
        except (ValueError, RecursionError) as error:
            raise UnfitValueError("broken_row", str(error), "a JSON object in each line") from None
        if not isinstance(found, dict):
            raise UnfitValueError("broken_row", type(found).__name__, "a JSON object in each line")
        return found

    def first(self) -> dict[str, object]:
        """The first object, or an empty one if there is none that can be read."""
        with self.path.open("rb") as file:
            for line in file:
                if line.strip():
                    try:
                        return self.parse(line)
                    except UnfitValueError:
                        break
        return {}


class TfRecordFile(RecordFile[dict[str, Values]]):
    """A TFRecord file of tf.train.Example: each record is its fields by name."""

    noun = "records"

    def scan(self) -> Iterator[dict[str, Values] | UnfitValueError]:
        """Raises RefusedError `broken_tfrecord` for damage."""
        end = 0
        for data in read_records(self.path):
            start = end + RECORD_HEADER
            self._note(start, start + len(data))
            end = start + len(data) + 4
            try:
                yield self.parse(data)
            except UnfitValueError as error:
                yield error

    def parse(self, data: bytes) -> dict[str, Values]:
        try:
            return decode_fields(data)
        except (KeyError, IndexError, TypeError, ValueError, struct.error, StopIteration) as error:
            raise UnfitValueError("broken_record", repr(error)[:80], "a serialized tf.train.Example") from None


def _not_utf8(error: UnicodeDecodeError) -> UnfitValueError:
    return UnfitValueError("invalid_utf8", f"byte {error.object[error.start]:#04x}", "UTF-8")


class RecordFiles(Generic[Record]):
    """Several files as one: records are numbered through all of them."""

    def __init__(self, files: list[RecordFile[Record]]) -> None:
        self.files = files
        self._starts = [0]

    def scan(self) -> Iterator[tuple[RecordFile[Record], int, Record | UnfitValueError]]:
        """File, number in the file, and record or problem."""
        for file in self.files:
            for number, record in enumerate(file.scan()):
                yield file, number, record
            self._starts.append(self._starts[-1] + len(file))

    def locate(self, number: int) -> tuple[RecordFile[Record], int]:
        """File and number in the file of a record that `scan` has come by."""
        place = bisect_right(self._starts, number) - 1
        return self.files[place], number - self._starts[place]

    @property
    def progress(self) -> tuple[int, int]:
        """Bytes that were scanned, and all."""
        return sum(file.position for file in self.files), sum(file.size for file in self.files)
