"""Files written whole, and their hashes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any, TypedDict

# A zip without times is the same for the same content.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


class FileRecord(TypedDict):
    """A written file: path relative to the output folder, length, and SHA-256 in hex."""

    path: str
    bytes: int
    sha256: str


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_record(path: Path, *, relative_to: Path) -> FileRecord:
    """The record of an existing file."""
    return {
        "path": path.relative_to(relative_to).as_posix(),
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
    }


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """Writes the whole file or none of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)  # noqa: PTH105 — Path.replace is the same call


def write_json(path: Path, data: Any, *, indent: int | None = 1) -> None:
    """Writes JSON atomically. NaN and infinity, which are not JSON, raise ValueError."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=indent)
    write_bytes_atomically(path, text.encode() + b"\n")


def pack_folder(folder: Path, archive: Path) -> None:
    """Zips the files of `folder`, in order and without times, so that equal folders give equal archives."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for path in sorted(found for found in folder.rglob("*") if found.is_file()):
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _ZIP_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            with path.open("rb") as source, out.open(info, "w") as target:
                shutil.copyfileobj(source, target)


def move_into(source: Path, target: Path) -> None:
    """Moves all that is in `source` into `target`, replacing what has the same name, also across file systems."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        destination = target / path.name
        if destination.is_dir():
            shutil.rmtree(destination)
        shutil.move(path, destination)
