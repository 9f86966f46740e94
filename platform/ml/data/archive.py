"""A zip of class folders, looked through before anything is taken out of it."""

from __future__ import annotations

import stat
import zipfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ml.refusal import Detail, RefusedError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_RATIO = 200
# Small files of one colour compress without limit and harm nobody.
RATIO_FREE_BYTES = 1_000_000
MAX_NAMED = 20


@dataclass(frozen=True)
class ArchiveImage:
    """One image of the archive: where it is, and the class whose folder it lies in."""

    path: str
    label: str
    info: zipfile.ZipInfo


@dataclass(frozen=True)
class Contents:
    images: list[ArchiveImage]
    classes: list[str]
    warnings: list[str]


def open_archive(path: Path) -> zipfile.ZipFile:
    """The opened archive. Raises RefusedError `not_a_zip`."""
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise RefusedError(
            "not_a_zip", f"The file is not a zip archive that can be read ({error}). Accepted: a .zip of class folders."
        ) from None


def look_through(archive: zipfile.ZipFile, *, max_bytes: int, max_files: int) -> Contents:
    """The images of an archive laid out as `<class>/<file>`, with one optional folder above the classes.

    Reads the directory of the zip only. Raises RefusedError for whatever is unsafe or laid out otherwise.
    """
    entries = archive.infolist()
    _check_limits(entries, max_bytes=max_bytes, max_files=max_files)
    for entry in entries:
        _check_safe(entry)
    files = [entry for entry in entries if not entry.is_dir() and not _is_clutter(entry.filename)]
    repeated = [name for name, count in Counter(entry.filename for entry in files).items() if count > 1]
    if repeated:
        raise _refused("duplicate_path", "The archive holds the same path more than once.", repeated)
    images = [entry for entry in files if entry.filename.lower().endswith(IMAGE_SUFFIXES)]
    others = [entry.filename for entry in files if not entry.filename.lower().endswith(IMAGE_SUFFIXES)]
    if not images:
        raise RefusedError(
            "no_images",
            f"The archive has no images. Received: {len(files)} files. Accepted: .png, .jpg and .jpeg files.",
        )
    depth = _class_depth([entry.filename for entry in images])
    found = defaultdict(list)
    for entry in images:
        found[PurePosixPath(entry.filename).parts[depth]].append(entry)
    folders = _class_folders(entries, depth)
    empty = sorted(folders - set(found))
    if empty:
        raise _refused("empty_class", "A class folder has no images. Add images or remove the folder.", empty)
    if len(found) < 2:
        raise RefusedError(
            "too_few_classes",
            f"A classifier needs at least 2 classes. Received: {len(found)} ({', '.join(found)}). "
            "Accepted: one folder for each class.",
        )
    warnings = [f"{len(others)} files are not images and were left out, for example {others[0]}"] if others else []
    classes = sorted(found)
    return Contents(
        images=[ArchiveImage(e.filename, label, e) for label in classes for e in sorted(found[label], key=_name)],
        classes=classes,
        warnings=warnings,
    )


def _name(entry: zipfile.ZipInfo) -> str:
    return entry.filename


def _refused(code: str, message: str, names: list[str]) -> RefusedError:
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    details: list[Detail] = [{"field": name, "message": message} for name in names[:MAX_NAMED]]
    return RefusedError(code, f"{message} Received: {shown}.", details)


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
        raise _refused("compression_bomb", f"A file unpacks to more than {MAX_RATIO} times its compressed size.", bombs)


def _check_safe(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or "\\" in name or "\0" in name or (parts and ":" in parts[0]):
        raise _refused(
            "unsafe_path", "A path in the archive leads outside of it. Accepted: relative paths without '..'.", [name]
        )
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind and kind not in (stat.S_IFREG, stat.S_IFDIR):
        raise _refused("unsafe_file_type", "The archive holds a link or a special file. Accepted: plain files.", [name])
    if entry.flag_bits & 0x1:
        raise _refused("encrypted_archive", "The archive is encrypted. Accepted: a zip without a password.", [name])


def _is_clutter(name: str) -> bool:
    """What operating systems leave in archives without being asked."""
    parts = PurePosixPath(name).parts
    return (
        parts[0] == "__MACOSX" or parts[-1] in (".DS_Store", "Thumbs.db", "desktop.ini") or parts[-1].startswith("._")
    )


def _class_depth(names: list[str]) -> int:
    """0 if the first folder is the class, 1 if there is one folder above all classes."""
    paths = [PurePosixPath(name).parts for name in names]
    outside = [name for name, parts in zip(names, paths, strict=True) if len(parts) == 1]
    if outside:
        raise _refused("image_outside_class", "An image lies in no class folder. Accepted: <class>/<file>.", outside)
    depth = 1 if all(len(parts) == 3 for parts in paths) and len({parts[0] for parts in paths}) == 1 else 0
    deeper = [name for name, parts in zip(names, paths, strict=True) if len(parts) != depth + 2]
    if deeper:
        raise _refused(
            "unexpected_folder",
            "An image lies in a folder inside a class folder, or beside the classes. Accepted: <class>/<file>, "
            "with at most one folder above all classes.",
            deeper,
        )
    return depth


def _class_folders(entries: list[zipfile.ZipInfo], depth: int) -> set[str]:
    """The names of all class folders that the archive mentions, with or without images."""
    folders = set()
    for entry in entries:
        parts = PurePosixPath(entry.filename).parts
        is_folder = len(parts) > depth + 1 or (entry.is_dir() and len(parts) == depth + 1)
        if is_folder and not _is_clutter(entry.filename):
            folders.add(parts[depth])
    return folders
