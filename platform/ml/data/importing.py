"""`import-images`: a zip of class folders becomes an immutable dataset with its splits."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import zipfile
import zlib
from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml.data.archive import MAX_NAMED, ArchiveImage, look_through, open_archive
from ml.data.dataset import DatasetInfo, ImageFeature
from ml.data.images import BrokenImageError, decode_image, encode_png, inspect_image
from ml.data.splits import SPLITS, assign_splits
from ml.data.tfrecord import RECORD_OVERHEAD, Example, write_record
from ml.files import file_record, move_into, sha256_of, write_json
from ml.refusal import Detail, RefusedError
from ml.reporting import Reporter

SAMPLES_A_CLASS = 8
CHECKING_SHARE = 0.4  # of the whole import; the rest is writing
PROGRESS_EVERY = 500


@dataclass(frozen=True, kw_only=True)
class ImportSettings:
    """How to import. `height`, `width` and `channels` are taken from the images where they are None.

    `max_bytes` bounds both what the archive unpacks to and what is written, which may be more: images are enlarged to
    the common size, and a PNG may take more than a JPEG.
    """

    seed: int = 7
    validation: float = 0.1
    test: float = 0.2
    max_bytes: int = 2_000_000_000
    max_files: int = 1_000_000
    height: int | None = None
    width: int | None = None
    channels: int | None = None


def import_images(archive_path: Path, out: Path, work: Path, settings: ImportSettings, reporter: Reporter) -> None:
    """Writes the dataset and result.json into `out`. Raises RefusedError, and then leaves nothing there."""
    staging = work / "dataset"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        with open_archive(archive_path) as archive:
            result = _import(archive, staging, settings, reporter)
        move_into(staging, out)
        write_json(out / "result.json", result)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _import(archive: zipfile.ZipFile, staging: Path, settings: ImportSettings, reporter: Reporter) -> dict[str, Any]:
    contents = look_through(archive, max_bytes=settings.max_bytes, max_files=settings.max_files)
    shapes, hashes = _inspect_all(archive, contents.images, reporter)
    shape, warnings = _choose_shape(shapes, settings)
    warnings = contents.warnings + warnings + _duplicate_warnings(contents.images, hashes)
    labels = [image.label for image in contents.images]
    splits = assign_splits(labels, hashes, seed=settings.seed, validation=settings.validation, test=settings.test)

    counts: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    for label, split in zip(labels, splits, strict=True):
        counts[split][label] += 1
    info = DatasetInfo(
        feature=ImageFeature(shape=shape),
        classes=contents.classes,
        num_examples=len(labels),
        splits={split: counts[split].total() for split in SPLITS},
        class_counts={split: {name: counts[split][name] for name in contents.classes} for split in SPLITS},
        seed=settings.seed,
    )
    samples = _write_examples(archive, contents.images, splits, info, staging, reporter, settings.max_bytes)
    write_json(staging / "dataset.json", info.model_dump(mode="json"))
    for warning in warnings:
        reporter.log("warning", warning)

    hashed = [f"{split}.tfrecord" for split in SPLITS] + ["dataset.json"]
    digest = hashlib.sha256("".join(sorted(sha256_of(staging / name) for name in hashed)).encode()).hexdigest()
    described = info.model_dump(mode="json", include={"feature", "classes", "num_examples", "splits", "class_counts"})
    return {
        **described,
        "samples": samples,
        "files": [file_record(staging / name, relative_to=staging) for name in [*hashed, "index.jsonl"]],
        "sha256": digest,
        "warnings": warnings,
    }


def _read(archive: zipfile.ZipFile, image: ArchiveImage) -> bytes:
    try:
        return archive.read(image.info)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise BrokenImageError(f"the archive is damaged here: {error}") from None


def _inspect_all(
    archive: zipfile.ZipFile, images: list[ArchiveImage], reporter: Reporter
) -> tuple[list[tuple[int, int, int]], list[str]]:
    """The shape and the content's hash of each image. Raises RefusedError `broken_image` that names all of them."""
    reporter.phase(0.0, CHECKING_SHARE)
    shapes, hashes = [], []
    broken: list[Detail] = []
    for index, image in enumerate(images):
        if index % PROGRESS_EVERY == 0:
            reporter.progress(index, len(images), "images", "checking")
        try:
            data = _read(archive, image)
            shapes.append(inspect_image(data))
            hashes.append(hashlib.sha256(data).hexdigest())
        except BrokenImageError as error:
            broken.append({"field": image.path, "message": str(error)})
    if broken:
        named = ", ".join(f"{detail['field']} ({detail['message']})" for detail in broken[:3])
        more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
        raise RefusedError(
            "broken_image",
            f"{len(broken)} of {len(images)} images can't be read: {named}{more}. "
            "Repair or remove them. Accepted: PNG and JPEG.",
            broken[:MAX_NAMED],
        )
    return shapes, hashes


def _choose_shape(
    shapes: list[tuple[int, int, int]], settings: ImportSettings
) -> tuple[tuple[int, int, int], list[str]]:
    """The shape that all images get, and what to tell about it. Sizes that were not asked for are the most common."""
    sizes = Counter(shape[:2] for shape in shapes)
    # The largest of equally common ones: by the size itself, not by the order in the archive.
    common = max(sizes, key=lambda size: (sizes[size], size))
    height, width = settings.height or common[0], settings.width or common[1]
    channels = settings.channels or max(shape[2] for shape in shapes)
    if channels not in (1, 3) or not (1 <= height <= 4096 and 1 <= width <= 4096):
        raise RefusedError(
            "invalid_shape",
            f"The images can't have this shape. Received: {height}x{width}x{channels}. "
            "Accepted: height and width from 1 to 4096, 1 or 3 channels.",
        )
    warnings = []
    resized = sum(count for size, count in sizes.items() if size != (height, width))
    if resized:
        warnings.append(f"{resized} of {len(shapes)} images have another size and were resized to {height}x{width}")
    return (height, width, channels), warnings


def _duplicate_warnings(images: list[ArchiveImage], hashes: list[str]) -> list[str]:
    labels = defaultdict(set)
    paths = defaultdict(list)
    for image, content in zip(images, hashes, strict=True):
        labels[content].add(image.label)
        paths[content].append(image.path)
    warnings = []
    repeated = [found for found in paths.values() if len(found) > 1]
    if repeated:
        extra = sum(len(found) - 1 for found in repeated)
        warnings.append(
            f"{extra} images are exact copies of others, for example {repeated[0][1]} of {repeated[0][0]}; "
            "copies within a class were kept in the same split"
        )
    conflicts = [content for content, found in labels.items() if len(found) > 1]
    if conflicts:
        listed = ", ".join(paths[conflicts[0]][:3])
        warnings.append(f"{len(conflicts)} images lie in more than one class, for example {listed}")
    return warnings


def _write_examples(
    archive: zipfile.ZipFile,
    images: list[ArchiveImage],
    splits: list[str],
    info: DatasetInfo,
    staging: Path,
    reporter: Reporter,
    max_bytes: int,
) -> list[dict[str, str]]:
    """Writes the TFRecord files, index.jsonl in the same order, and the samples. Returns the samples.

    Raises RefusedError `dataset_too_large` before more than `max_bytes` are written.
    """
    reporter.phase(CHECKING_SHARE, 1.0)
    samples: list[dict[str, str]] = []
    shown: Counter[str] = Counter()
    written = 0
    labels = {name: label for label, name in enumerate(info.classes)}
    with ExitStack() as stack:
        files = {split: stack.enter_context((staging / f"{split}.tfrecord").open("wb")) for split in SPLITS}
        index_file = stack.enter_context((staging / "index.jsonl").open("w", encoding="utf-8"))
        # In random order, so that a shuffle buffer smaller than the dataset still mixes the classes.
        order = list(range(len(images)))
        random.Random(info.seed).shuffle(order)  # noqa: S311 — reproducible, not secret
        for done, index in enumerate(order):
            if done % PROGRESS_EVERY == 0:
                reporter.progress(done, len(images), "images", "writing")
            image, split = images[index], splits[index]
            label = labels[image.label]
            png = encode_png(decode_image(_read(archive, image), info.feature.shape))
            record = Example(image=png, label=label, path=image.path).encode()
            entry = json.dumps({"path": image.path, "label": image.label, "split": split}, ensure_ascii=False) + "\n"
            is_sample = shown[image.label] < SAMPLES_A_CLASS
            written += len(record) + RECORD_OVERHEAD + len(entry.encode()) + (len(png) if is_sample else 0)
            if written > max_bytes:
                height, width, channels = info.feature.shape
                raise RefusedError(
                    "dataset_too_large",
                    f"The images take too much room as PNG of {height}x{width}x{channels}. Received: more than "
                    f"{max_bytes} bytes after {done} of {len(images)} images. Accepted: at most {max_bytes} bytes.",
                )
            write_record(files[split], record)
            index_file.write(entry)
            if is_sample:
                path = Path("samples") / str(label) / f"{shown[image.label]}.png"
                (staging / path).parent.mkdir(parents=True, exist_ok=True)
                (staging / path).write_bytes(png)
                samples.append({"path": path.as_posix(), "label": image.label})
                shown[image.label] += 1
    reporter.progress(len(images), len(images), "images", "writing")
    return samples
