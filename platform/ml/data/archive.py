"""A zip archive, looked through before anything is taken out of it."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Self

from ml.data.source_files import MissingFileError, UnreadableFileError, by_folder, is_clutter, leads_outside, refused
from ml.refusal import RefusedError

MAX_RATIO = 200
# Small files of one colour compress without limit and harm nobody.
RATIO_FREE_BYTES = 1_000_000
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


class ZipFiles:
    """The files of an archive (see `ml.data.source_files.Files`). Close it, or use it as a context."""

    noun = "archive"

    def __init__(self, path: Path, *, max_bytes: int, max_files: int) -> None:
        """Reads the directory of the zip only. Raises RefusedError `not_a_zip`, or for whatever is unsafe in it."""
        self._by_folder: dict[str, list[str]] | None = None
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise RefusedError(
                "not_a_zip",
                f"The file is not a zip archive that can be read ({error}). "
                "Accepted: a .zip, .csv, .jsonl or .tfrecord file.",
            ) from None
        try:
            entries = self._archive.infolist()
            _check_limits(entries, max_bytes=max_bytes, max_files=max_files)
            for entry in entries:
                _check_safe(entry)
            kept = [entry for entry in entries if not is_clutter(entry.filename)]
            self.names = [entry.filename for entry in kept if not entry.is_dir()]
            self.folders = [entry.filename.rstrip("/") for entry in kept if entry.is_dir()]
            repeated = [name for name, count in Counter(self.names).items() if count > 1]
            if repeated:
                raise refused("duplicate_path", "The archive holds the same path more than once.", repeated)
        except BaseException:
            self._archive.close()
            raise

    def read(self, name: str) -> bytes:
        try:
            return self._archive.read(name)
        except KeyError:
            raise MissingFileError(name) from None
        except _DAMAGE as error:
            raise UnreadableFileError(f"the archive is damaged here: {error}") from None

    def listed(self, folder: str) -> list[str]:
        if self._by_folder is None:
            self._by_folder = by_folder(self.names)
        if folder not in self._by_folder:
            raise MissingFileError(folder)
        return self._by_folder[folder]

    def local(self, name: str, scratch: Path) -> Path:
        # A plain number for a name: what the archive calls it may be no name here.
        path = scratch / str(self.names.index(name))
        scratch.mkdir(parents=True, exist_ok=True)
        try:
            with self._archive.open(name) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, 2**20)
        except _DAMAGE as error:
            raise UnreadableFileError(f"the archive is damaged here: {error}") from None
        return path

    def close(self) -> None:
        self._archive.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_limits(entries: list[zipfile.ZipInfo], *, max_bytes: int, max_files: int) -> None:
    if len(entries) > max_files:
        raise RefusedError(
            "too_many_files",
            f"The archive has too many files. Received: {len(entries)}. Accepted: at most {max_files}.",
        )
    total = sum(entry.file_size for entry in entries)
    if total > max_bytes:
        raise RefusedError(
            "archive_too_large",
            f"The archive is too large when unpacked. Received: {total} bytes. Accepted: at most {max_bytes} bytes.",
        )
    bombs = [
        entry.filename
        for entry in entries
        if entry.file_size > RATIO_FREE_BYTES and entry.file_size > MAX_RATIO * max(entry.compress_size, 1)
    ]
    if bombs:
        raise refused("compression_bomb", f"A file unpacks to more than {MAX_RATIO} times its compressed size.", bombs)


def _check_safe(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    if leads_outside(name):
        raise refused(
            "unsafe_path", "A path in the archive leads outside of it. Accepted: relative paths without '..'.", [name]
        )
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind and kind not in (stat.S_IFREG, stat.S_IFDIR):
        raise refused("unsafe_file_type", "The archive holds a link or a special file. Accepted: plain files.", [name])
    if entry.flag_bits & 0x1:
        raise refused("encrypted_archive", "The archive is encrypted. Accepted: a zip without a password.", [name])
