"""Importing as the tests do it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ml.data.dataset import DatasetInfo, read_examples
from ml.data.examples import Example
from ml.data.import_spec import ImportSpec
from ml.data.importing import ImportSettings, import_dataset
from ml.refusal import RefusedError
from tests.ml.conftest import quiet_reporter

Content = str | bytes


def imported(tmp_path: Path, source: Path, spec: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    """The result of importing `source` into `tmp_path`/out."""
    declared = ImportSpec.parse(spec) if spec else None
    work, out = tmp_path / "work", tmp_path / "out"
    import_dataset(source, out, work, ImportSettings(**settings), quiet_reporter(), declared)
    assert list(work.iterdir()) == []
    return json.loads((out / "result.json").read_text())


def refusal_of(tmp_path: Path, source: Path, spec: dict[str, Any] | None = None, **settings: Any) -> RefusedError:
    """Why `source` is refused, after which nothing may be left."""
    with pytest.raises(RefusedError) as caught:
        imported(tmp_path, source, spec, **settings)
    assert not (tmp_path / "out").exists()
    work = tmp_path / "work"
    assert not work.exists() or list(work.iterdir()) == []
    return caught.value


def examples(folder: Path) -> dict[str, list[Example]]:
    """All examples of a dataset by split, in the order of the files."""
    info = DatasetInfo.read(folder)
    return {split: list(read_examples(folder, split, info)) for split in info.splits}


def by_path(folder: Path) -> dict[str, Example]:
    """All examples of a dataset by where they came from."""
    return {example.path: example for found in examples(folder).values() for example in found}


def write_files(folder: Path, files: Mapping[str, Content]) -> Path:
    """Writes files below a folder, and gives the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder
