"""Class folders: what lies in the folder of a class is an example of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ml.data.import_spec import ImportSpec
from ml.data.source_files import Files, MissingFileError, UnreadableFileError, by_folder, refused
from ml.data.sources.base import Row, RowProblem, Source
from ml.data.splits import read_split
from ml.features import FeatureType
from ml.features.reader import UnfitValueError
from ml.features.source import FeatureSource
from ml.refusal import RefusedError

UNLABELLED_FOLDER = "_unlabelled"
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
SOUND_SUFFIXES = (".wav",)


@dataclass(frozen=True)
class Medium:
    """What the files are. `is_folder`: whether an example is a folder of files."""

    noun: str
    suffixes: tuple[str, ...]
    broken: str
    is_folder: bool = False

    @property
    def listed(self) -> str:
        *first, last = self.suffixes
        return f"{', '.join(first)} and {last} files" if first else f"{last} files"


MEDIA: dict[FeatureType, Medium] = {
    "image": Medium("images", IMAGE_SUFFIXES, "broken_image"),
    "audio": Medium("recordings", SOUND_SUFFIXES, "broken_audio"),
    "video": Medium("videos", IMAGE_SUFFIXES, "broken_image", is_folder=True),
}


@dataclass(frozen=True)
class Item:
    """One example: its path, the class whose folder it lies in, and its files. The label of unlabelled ones is None."""

    path: str
    label: str | None
    files: tuple[str, ...]
    split: str | None = None


@dataclass(frozen=True)
class Contents:
    items: list[Item]
    classes: list[str]
    warnings: list[str]


class ClassFolders(Source):
    """Images, sounds, or folders of frames, in one folder for each class."""

    def __init__(self, files: Files, spec: ImportSpec | None) -> None:
        """Raises RefusedError for another layout, or a spec that class folders can't fill."""
        self._files = files
        self.spec = spec or ImportSpec(features=[FeatureSource(**_found_feature(files))])
        self._feature = _only_medium(self.spec)
        self._medium = MEDIA[self._feature.type]
        contents = find_classes(files, self._medium)
        self.noun = self._medium.noun
        self.warnings = contents.warnings
        self._items = contents.items
        self._done = 0

    def scan(self) -> Iterator[Row | RowProblem]:
        for number, item in enumerate(self._items):
            self._done = number
            try:
                yield self.fetch(number)
            except UnfitValueError as error:
                yield RowProblem(item.path, "", error)

    def fetch(self, number: int) -> Row:
        item = self._items[number]
        try:
            contents = [self._files.read(name) for name in item.files]
        except (MissingFileError, UnreadableFileError) as error:
            raise UnfitValueError(self._medium.broken, str(error), self._medium.listed) from None
        given = contents if self._medium.is_folder else contents[0]
        return Row(item.path, {self._feature.name: given}, item.label, item.split)

    def where(self, number: int) -> str:
        return self._items[number].path

    def progress(self) -> tuple[int, int, str]:
        return self._done, len(self._items), self.noun


def has_media(files: Files) -> bool:
    """Whether there is any file that class folders could hold."""
    return any(name.lower().endswith(IMAGE_SUFFIXES + SOUND_SUFFIXES) for name in files.names)


def find_classes(files: Files, medium: Medium) -> Contents:
    """The examples of files laid out as `<class>/<example>`.

    There may be one folder above the classes, or one for each split. What lies in `_unlabelled` has no class.
    Raises RefusedError for another layout.
    """
    names = [name for name in files.names if name.lower().endswith(medium.suffixes)]
    others = [name for name in files.names if not name.lower().endswith(medium.suffixes)]
    if not names:
        raise RefusedError(
            f"no_{medium.noun}",
            f"The {files.noun} has no {medium.noun}. Received: {len(files.names)} files. Accepted: {medium.listed}.",
        )
    depth, has_splits = _class_depth(names, medium)
    found: dict[str, list[Item]] = defaultdict(list)
    for path, own in _examples(names, medium):
        parts = PurePosixPath(path).parts
        label = None if parts[depth] == UNLABELLED_FOLDER else parts[depth]
        split = read_split(parts[0]) if has_splits else None
        found[parts[depth]].append(Item(path, label, tuple(own), split))
    empty = sorted(_class_folders(files, depth) - set(found))
    if empty:
        raise refused(
            "empty_class", f"A class folder has no {medium.noun}. Add {medium.noun} or remove the folder.", empty
        )
    classes = sorted(set(found) - {UNLABELLED_FOLDER})
    if len(classes) < 2:
        raise RefusedError(
            "too_few_classes",
            f"A classifier needs at least 2 classes. Received: {len(classes)} ({', '.join(classes)}). "
            "Accepted: one folder for each class.",
        )
    warnings = []
    if others:
        warnings.append(f"{len(others)} files are not {medium.noun} and were left out, for example {others[0]}")
    items = [item for label in sorted(found) for item in found[label]]
    return Contents(items, classes, warnings)


def _found_feature(files: Files) -> dict[str, FeatureType]:
    names = [name.lower() for name in files.names]
    sounds = sum(name.endswith(SOUND_SUFFIXES) for name in names)
    images = sum(name.endswith(IMAGE_SUFFIXES) for name in names)
    kind: FeatureType = "audio" if sounds > images else "image"
    return {"name": kind, "type": kind}


def _only_medium(spec: ImportSpec) -> FeatureSource:
    feature = spec.features[0]
    if len(spec.features) > 1 or feature.type not in MEDIA or spec.task.type != "classification":
        listed = ", ".join(f"{one.name} ({one.type})" for one in spec.features)
        raise RefusedError(
            "unfit_source",
            f"Class folders can't hold what the spec declares. Received: {spec.task.type} with {listed}. "
            "Accepted: classification with one image, audio or video; or a .csv or .jsonl table in their place.",
        )
    return feature


def _examples(names: Sequence[str], medium: Medium) -> Iterator[tuple[str, list[str]]]:
    """Path and files of each example, in the order of the paths."""
    if not medium.is_folder:
        yield from ((name, [name]) for name in sorted(names))
        return
    folders = by_folder(names)
    yield from ((folder, folders[folder]) for folder in sorted(folders))


def _class_depth(names: Sequence[str], medium: Medium) -> tuple[int, bool]:
    """How many folders stand above the classes, 0 or 1, and whether these are the splits."""
    noun = {"images": "An image", "recordings": "A recording", "videos": "A video"}[medium.noun]
    layout = "<class>/<folder of frames>/<file>" if medium.is_folder else "<class>/<file>"
    own = 2 if medium.is_folder else 1  # parts of a path below the class
    paths = [PurePosixPath(name).parts for name in names]
    outside = [name for name, parts in zip(names, paths, strict=True) if len(parts) <= own]
    if outside:
        code = {"images": "image_outside_class", "recordings": "recording_outside_class"}.get(
            medium.noun, "video_outside_class"
        )
        raise refused(code, f"{noun} lies in no class folder. Accepted: {layout}.", outside)
    tops = {parts[0] for parts in paths}
    is_deep = all(len(parts) == own + 2 for parts in paths)
    has_splits = is_deep and len(tops) > 1 and all(read_split(top) for top in tops)
    depth = 1 if is_deep and (len(tops) == 1 or has_splits) else 0
    deeper = [name for name, parts in zip(names, paths, strict=True) if len(parts) != depth + own + 1]
    if deeper:
        raise refused(
            "unexpected_folder",
            f"{noun} lies in a folder inside a class folder, or beside the classes. Accepted: {layout}, "
            "with at most one folder above all classes.",
            deeper,
        )
    return depth, has_splits


def _class_folders(files: Files, depth: int) -> set[str]:
    """The names of all class folders that are known, with or without examples."""
    folders = {parts[depth] for name in files.names if len(parts := PurePosixPath(name).parts) > depth + 1}
    return folders | {parts[depth] for name in files.folders if len(parts := PurePosixPath(name).parts) > depth}
