"""Finds out what a file or folder holds: class folders, tables or TFRecords."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from pydantic import ValidationError

from ml.data.archive import ZipFiles
from ml.data.dataset import DatasetInfo
from ml.data.import_spec import ImportSpec
from ml.data.source_files import Files, FolderFiles, MissingFileError, UnreadableFileError
from ml.data.sources.base import Source
from ml.data.sources.class_folders import MEDIA, ClassFolders, has_media
from ml.data.sources.records import TfRecordFile
from ml.data.sources.table import TableFile, TableSource, columns_of, default_spec, open_table
from ml.data.sources.tfrecords import TfRecordSource
from ml.data.splits import ACCEPTED_NAMES, read_split
from ml.refusal import RefusedError

TABLE_SUFFIXES = (".csv", ".jsonl")
# Also "train.tfrecord-00000-of-00010".
AnyFile = TypeVar("AnyFile", TfRecordFile, TableFile)
_TFRECORD = re.compile(r"\.tfrecords?(-\d+-of-\d+)?$", re.IGNORECASE)


@contextmanager
def open_source(
    path: Path, spec: ImportSpec | None, *, scratch: Path, max_bytes: int, max_files: int
) -> Iterator[Source]:
    """The examples at `path`: a folder, or a .zip, .csv, .jsonl or .tfrecord file.

    What has to lie on disk is unpacked into the folder `scratch`. Raises RefusedError for what can't be read, is
    unsafe, or does not hold what `spec` declares.
    """
    if not path.exists():
        raise RefusedError(
            "missing_source", f"There is nothing to import. Received: {path}. Accepted: a file or folder."
        )
    with ExitStack() as stack:
        opening = _Opening(spec=spec, scratch=scratch, stack=stack)
        if path.is_dir():
            source = opening.of_files(FolderFiles.walk(path, max_bytes=max_bytes, max_files=max_files))
        elif path.name.lower().endswith(TABLE_SUFFIXES) or _TFRECORD.search(path.name):
            if path.stat().st_size > max_bytes:
                raise RefusedError(
                    "source_too_large",
                    f"The file is too large. Received: {path.stat().st_size} bytes. "
                    f"Accepted: at most {max_bytes} bytes.",
                )
            source = opening.of_file(path)
        else:
            files = stack.enter_context(ZipFiles(path, max_bytes=max_bytes, max_files=max_files))
            source = opening.of_files(files)
        yield source


@dataclass(frozen=True, kw_only=True)
class _Opening:
    """What is opened is closed by `stack`."""

    spec: ImportSpec | None
    scratch: Path
    stack: ExitStack

    def of_file(self, path: Path) -> Source:
        """A single table, whose cells may name files beside it; or a single TFRecord file."""
        files = FolderFiles(path.parent)
        if _TFRECORD.search(path.name):
            return self._tfrecords([(self._opened(TfRecordFile(path, path.name)), None)], files, "")
        table = self._opened(open_table(path, path.name))
        return self._tables([(table, None)], files, "")

    def of_files(self, files: Files) -> Source:
        records = [name for name in files.names if _TFRECORD.search(name)]
        if records:
            opened = [(self._opened(TfRecordFile(self._local(files, name), name)), name) for name in records]
            return self._tfrecords(_with_splits(opened), files, records[0].rpartition("/")[0])
        names = _top_tables(files)
        return (self._tables_in(files, names) if names else None) or ClassFolders(files, self.spec)

    def _tables_in(self, files: Files, names: Sequence[str]) -> Source | None:
        """The tables, or None if they only lie beside class folders."""
        said = [_split_of(name) for name in names]
        are_splits = len(names) > 1 and all(said)
        tables, refusals = [], []
        for name, split in zip(names, said, strict=True):
            try:
                table = self._opened(open_table(self._local(files, name), name))
                tables.append((table, split if are_splits else None))
            except RefusedError as refusal:
                refusals.append(refusal)
        fitting = [entry for entry in tables if self._fits(columns_of(entry[0]))]
        if not fitting and self._may_be_class_folders(files):
            return None
        if refusals and (are_splits or not fitting):
            raise refusals[0]
        # Other tables may be there because the rows of one name them.
        chosen = tables if are_splits or not fitting else fitting
        if len(chosen) > 1 and not are_splits:
            raise RefusedError(
                "several_tables",
                f"The {files.noun} has several tables. Received: {', '.join(names[:5])}. "
                "Accepted: one, or one for each split: train, validation, test and unlabelled.",
            )
        return self._tables(chosen, files, names[0].rpartition("/")[0])

    def _fits(self, columns: Sequence[str]) -> bool:
        """Whether a table can be the one that is meant."""
        if self.spec is None:
            return default_spec(columns) is not None
        return all(place in columns for feature in self.spec.features for place in feature.places)

    def _may_be_class_folders(self, files: Files) -> bool:
        spec = self.spec
        is_fit = spec is None or (
            len(spec.features) == 1 and spec.features[0].type in MEDIA and spec.task.type == "classification"
        )
        return is_fit and has_media(files)

    def _tables(self, tables: Sequence[tuple[TableFile, str | None]], files: Files, base: str) -> Source:
        columns = columns_of(tables[0][0])
        spec = self.spec or next(filter(None, (default_spec(columns_of(table)) for table, _ in tables)), None)
        if not columns and tables[0][0].size == 0:
            raise RefusedError("empty_table", f"{tables[0][0].name} is empty. Accepted: a JSON object in each line.")
        if spec is None:
            raise RefusedError(
                "spec_needed",
                "What the table holds has to be said. Received: the columns "
                f"{', '.join(map(repr, columns[:20])) or '(none)'}. "
                "Accepted: a spec with features and task, or the columns 'text' and 'label'.",
            )
        return TableSource(tables, spec, files, base=base)

    def _tfrecords(self, records: Sequence[tuple[TfRecordFile, str | None]], files: Files, base: str) -> Source:
        spec = self.spec or self._spec_beside(files, base)
        if spec is None:
            raise RefusedError(
                "spec_needed",
                f"What the records hold has to be said. Received: {records[0][0].name}, and no dataset.json beside it. "
                "Accepted: a spec with features and task.",
            )
        return TfRecordSource(records, spec)

    def _spec_beside(self, files: Files, base: str) -> ImportSpec | None:
        """What the dataset.json of a folder written by an import says."""
        name = f"{base}/dataset.json" if base else "dataset.json"
        try:
            return ImportSpec.of_dataset(DatasetInfo.model_validate_json(files.read(name)))
        except (MissingFileError, UnreadableFileError, ValidationError):
            return None

    def _opened(self, file: AnyFile) -> AnyFile:
        self.stack.callback(file.close)
        return file

    def _local(self, files: Files, name: str) -> Path:
        try:
            return files.local(name, self.scratch)
        except (MissingFileError, UnreadableFileError) as error:
            raise RefusedError("unreadable_source", f"{name} can't be read: {error}.") from None


def _top_tables(files: Files) -> list[str]:
    """The tables that lie in no folder, or in one folder above everything."""
    tops = {name.split("/", 1)[0] for name in files.names}
    depth = 1 if len(tops) == 1 and all("/" in name for name in files.names) else 0
    return [name for name in files.names if name.count("/") == depth and name.lower().endswith(TABLE_SUFFIXES)]


def _with_splits(files: Sequence[tuple[AnyFile, str]]) -> list[tuple[AnyFile, str | None]]:
    """Each file with the split that its name says; None if it is the only one or no name says any.

    Raises RefusedError `invalid_split` if only some names do.
    """
    said = [_split_of(name) for _, name in files]
    if len(files) == 1 or not any(said):
        return [(file, None) for file, _ in files]
    unknown = [name for (_, name), split in zip(files, said, strict=True) if split is None]
    if unknown:
        raise RefusedError(
            "invalid_split",
            f"Some files are named after splits and others are not. Received: {', '.join(unknown[:5])}. "
            f"Accepted: names that begin with {ACCEPTED_NAMES}.",
        )
    return [(file, split) for (file, _), split in zip(files, said, strict=True)]


def _split_of(name: str) -> str | None:
    """The split that a file's name begins with."""
    return read_split(re.split(r"[^A-Za-z]", PurePosixPath(name).name, maxsplit=1)[0])
