"""Tables: a row for each example, with values in its cells or in the files that they name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import Any

from ml.data.import_spec import ImportSpec
from ml.data.source_files import Files, MissingFileError, UnreadableFileError, leads_outside
from ml.data.sources.base import Row, RowProblem, Source
from ml.data.sources.class_folders import IMAGE_SUFFIXES
from ml.data.sources.records import CsvFile, JsonLinesFile, RecordFile, RecordFiles
from ml.data.splits import UNLABELLED
from ml.features.reader import UnfitValueError
from ml.features.source import FeatureSource
from ml.features.text import split_list
from ml.refusal import RefusedError

SPLIT_COLUMN = "split"
TableFile = CsvFile | JsonLinesFile
# From a record, the cell of one column or a list of several.
_Pick = Callable[[Any], object]


def open_table(path: Path, name: str) -> TableFile:
    """The file of a table, by its suffix."""
    return JsonLinesFile(path, name) if name.lower().endswith(".jsonl") else CsvFile(path, name)


def columns_of(table: TableFile) -> list[str]:
    """The header of a CSV file, or the keys of the first JSON object."""
    return table.columns if isinstance(table, CsvFile) else list(table.first())


def default_spec(columns: Sequence[str]) -> ImportSpec | None:
    """What a table with the columns text and label means without a spec."""
    if {"text", "label"} <= set(columns):
        return ImportSpec(features=[FeatureSource(name="text", type="text")])
    return None


@dataclass(frozen=True)
class _Layout:
    """Where the parts of a row are in the records of one table. `said` is the split of all its rows."""

    features: list[tuple[FeatureSource, _Pick]]
    label: _Pick
    split: _Pick | None
    said: str | None


class TableSource(Source):
    """One table, or several that each hold a split. Files that cells name are those of `files`, below `base`."""

    noun = "rows"

    def __init__(
        self, tables: Sequence[tuple[TableFile, str | None]], spec: ImportSpec, files: Files, *, base: str = ""
    ) -> None:
        """`tables` come with their split. Raises RefusedError `missing_column`."""
        self.spec = spec
        self.warnings = []
        self._records: RecordFiles[Any] = RecordFiles([table for table, _ in tables])
        self._layouts = {table.name: _layout(table, spec, said) for table, said in tables}
        self._files = files
        self._base = base

    def scan(self) -> Iterator[Row | RowProblem]:
        for table, number, record in self._records.scan():
            if isinstance(record, UnfitValueError):
                yield RowProblem(table.where(number), "", record)
                continue
            try:
                yield self._row(table, number, record)
            except _CellError as error:
                yield RowProblem(table.where(number), error.column, error.error)

    def fetch(self, number: int) -> Row:
        table, own = self._records.locate(number)
        try:
            return self._row(table, own, table.fetch(own))
        except _CellError as error:
            raise error.error from None

    def where(self, number: int) -> str:
        table, own = self._records.locate(number)
        return table.where(own)

    def progress(self) -> tuple[int, int, str]:
        return (*self._records.progress, "bytes")

    def _row(self, table: RecordFile[Any], number: int, record: object) -> Row:
        """Raises _CellError."""
        layout = self._layouts[table.name]
        given = {}
        for feature, pick in layout.features:
            try:
                given[feature.name] = self._given(pick(record), feature)
            except UnfitValueError as error:
                raise _CellError(", ".join(feature.places[:3]), error) from None
        split = layout.said
        if layout.split is not None:
            found = layout.split(record)
            split = "" if found is None else str(found)
        return Row(table.where(number), given, layout.label(record), split)

    def _given(self, cell: object, feature: FeatureSource) -> object:
        """What the feature's reader takes: the cell, or the content of what it names."""
        is_medium = feature.type in ("image", "audio", "video")
        if cell is None or (is_medium and cell in ("", [])):
            raise UnfitValueError("missing_value", "nothing", f"a value in every row of '{feature.places[0]}'")
        if feature.type == "video":
            return [self._read(name) for name in self._frames(cell)]
        if is_medium or (feature.type == "sensor" and isinstance(cell, str) and cell.lower().endswith(".csv")):
            return self._read(self._path(cell))
        return cell

    def _frames(self, cell: object) -> list[str]:
        """The paths in a list, or the pictures in a folder in the order of their names."""
        if isinstance(cell, str) and cell.lstrip().startswith("["):
            cell = split_list(cell)
        if isinstance(cell, list):
            return [self._path(item) for item in cell]
        try:
            names = self._files.listed(self._path(cell))
        except MissingFileError:
            raise UnfitValueError("missing_file", str(cell)[:80], "a folder of pictures beside the table") from None
        return [name for name in names if name.lower().endswith(IMAGE_SUFFIXES)]

    def _path(self, cell: object) -> str:
        """The path of what a cell names, among the source's files."""
        if not isinstance(cell, str):
            raise UnfitValueError("missing_file", repr(cell)[:80], "a path relative to the table")
        if leads_outside(cell):
            raise UnfitValueError("unsafe_path", cell[:80], "a path relative to the table, without '..'")
        return str(PurePosixPath(self._base) / cell)

    def _read(self, name: str) -> bytes:
        try:
            return self._files.read(name)
        except MissingFileError:
            shown = name.removeprefix(f"{self._base}/")
            raise UnfitValueError("missing_file", shown[:80], "a file beside the table") from None
        except UnreadableFileError as error:
            raise UnfitValueError("unreadable_file", f"{name[:80]}: {error}", "a file that can be read") from None


class _CellError(Exception):
    def __init__(self, column: str, error: UnfitValueError) -> None:
        super().__init__(str(error))
        self.column = column
        self.error = error


def _layout(table: TableFile, spec: ImportSpec, said: str | None) -> _Layout:
    columns = columns_of(table)
    needed = [place for feature in spec.features for place in feature.places]
    if said != UNLABELLED:
        needed += spec.task.places
    split = spec.split
    if split:
        needed.append(split)
    elif said is None and SPLIT_COLUMN in columns and SPLIT_COLUMN not in needed:
        split = SPLIT_COLUMN
    missing = [place for place in dict.fromkeys(needed) if place not in columns]
    if missing and isinstance(table, CsvFile):  # a JSON object may lack what others have
        raise RefusedError(
            "missing_column",
            f"{table.name} lacks columns. Received: {', '.join(columns[:20])}. "
            f"Accepted: a header with {', '.join(missing[:20])} as well.",
            [{"field": place, "message": "there is no such column"} for place in missing[:20]],
        )
    return _Layout(
        features=[(feature, _pick(table, feature.places)) for feature in spec.features],
        label=_pick(table, spec.task.places),
        split=_pick(table, [split]) if split else None,
        said=said,
    )


def _pick(table: TableFile, places: Sequence[str]) -> _Pick:
    if isinstance(table, CsvFile):
        if not set(places) <= set(table.columns):
            return lambda record: None
        indices = [table.columns.index(place) for place in places]
        return itemgetter(indices[0]) if len(indices) == 1 else lambda record: [record[index] for index in indices]
    if len(places) == 1:
        (only,) = places
        return lambda record: record.get(only)
    return lambda record: [record.get(place) for place in places]
