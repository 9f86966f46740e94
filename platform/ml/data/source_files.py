"""The files of a folder or a zip archive, read by relative path, none of which leads outside."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from ml.refusal import Detail, RefusedError

MAX_NAMED = 20


class MissingFileError(Exception):
    """There is no such file."""


class UnreadableFileError(Exception):
    """The file is there and can't be read; the message says why."""


class Files(Protocol):
    """What a source of several files gives."""

    @property
    def noun(self) -> str:
        """What to call the whole: archive or folder."""

    @property
    def names(self) -> Sequence[str]:
        """Relative paths of the plain files, without clutter."""

    @property
    def folders(self) -> Sequence[str]:
        """The folders that are known, also empty ones."""

    def read(self, name: str) -> bytes:
        """The content of a file. Raises MissingFileError or UnreadableFileError."""

    def listed(self, folder: str) -> list[str]:
        """The files directly in a folder, 2 before 10. Raises MissingFileError if it is none."""

    def local(self, name: str, scratch: Path) -> Path:
        """The file as one on disk, put into the folder `scratch` if need be. Raises like `read`."""


class FolderFiles:
    """The files below a folder. Also reads files that are not in `names`, as long as they lie in the folder."""

    noun = "folder"

    def __init__(self, root: Path, names: Sequence[str] = (), folders: Sequence[str] = ()) -> None:
        self.root = root
        self.names = names
        self.folders = folders
        self._resolved = root.resolve()

    @classmethod
    def walk(cls, root: Path, *, max_bytes: int, max_files: int) -> FolderFiles:
        """All files below `root`. Raises RefusedError for links, special files, and what is beyond the limits."""
        names, folders, total = [], [], 0
        for path, entry in _entries(root, ""):
            if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
                raise refused(
                    "unsafe_file_type", "The folder holds a link or a special file. Accepted: plain files.", [path]
                )
            if is_clutter(path):
                continue
            if entry.is_dir():
                folders.append(path)
                continue
            names.append(path)
            total += entry.stat().st_size
            if len(names) > max_files:
                raise RefusedError(
                    "too_many_files",
                    f"The folder has too many files. Received: more than {max_files}. Accepted: at most {max_files}.",
                )
            if total > max_bytes:
                raise RefusedError(
                    "source_too_large",
                    f"The folder is too large. Received: more than {max_bytes} bytes. "
                    f"Accepted: at most {max_bytes} bytes.",
                )
        return cls(root, names, folders)

    def read(self, name: str) -> bytes:
        path = self.local(name, self.root)
        try:
            return path.read_bytes()
        except OSError as error:
            raise UnreadableFileError(str(error.strerror or error)) from None

    def listed(self, folder: str) -> list[str]:
        path = (self.root / folder).resolve()
        if not path.is_relative_to(self._resolved) or not path.is_dir():
            raise MissingFileError(folder)
        names = [f"{folder}/{found.name}" for found in path.iterdir() if found.is_file()]
        return sorted((name for name in names if not is_clutter(name)), key=natural_order)

    def local(self, name: str, scratch: Path) -> Path:
        path = (self.root / name).resolve()
        if not path.is_relative_to(self._resolved) or not path.is_file():
            raise MissingFileError(name)
        return path


def _entries(folder: Path, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything below a folder in order, links not followed."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise RefusedError(
            "unreadable_source", f"A folder can't be read. Received: {folder} ({error.strerror})."
        ) from None
    for entry in entries:
        yield prefix + entry.name, entry
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(folder / entry.name, f"{prefix}{entry.name}/")


def leads_outside(name: str) -> bool:
    """Whether a relative path is anything but a path downwards."""
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or "\\" in name or "\0" in name or ":" in parts[0]


def is_clutter(name: str) -> bool:
    """What operating systems leave in folders and archives without being asked."""
    parts = PurePosixPath(name).parts
    return (
        parts[0] == "__MACOSX" or parts[-1] in (".DS_Store", "Thumbs.db", "desktop.ini") or parts[-1].startswith("._")
    )


def natural_order(name: str) -> list[tuple[int, str]]:
    """A key that sorts numbers in names by their value: frame2 before frame10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def by_folder(names: Sequence[str]) -> dict[str, list[str]]:
    """The files that lie directly in each folder, 2 before 10; "" is the topmost folder."""
    folders: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names, key=natural_order):
        folders[name.rpartition("/")[0]].append(name)
    return folders


def refused(code: str, message: str, names: Sequence[str]) -> RefusedError:
    """The refusal of some files by name."""
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    details: list[Detail] = [{"field": name, "message": message} for name in names[:MAX_NAMED]]
    return RefusedError(code, f"{message} Received: {shown}.", details)
