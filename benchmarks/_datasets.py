"""The data of the benchmarks as dataset folders of the engine, made once and kept in var/bench/."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import random
import shutil
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._engine import ROOT, engine
from ml.data.augmentation import Augmentation
from ml.data.dataset import DatasetInfo
from ml.data.examples import Example
from ml.data.images import encode_png
from ml.data.tfrecord import write_record
from ml.features import FeatureSpec
from ml.files import write_json
from ml.tasks import TaskSpec

KEPT = ROOT / "var" / "bench" / "datasets"
VALIDATION = 5_000  # of MNIST's 60,000 training images
PLAIN = Augmentation()


def mnist(
    data: Path, *, augmentation: Augmentation = PLAIN, limit: int | None = None, validation: int = VALIDATION
) -> Path:
    """MNIST: `validation` of the 60,000 training images are kept apart. `limit`: so many of each split at most."""
    key = "plain" if augmentation.is_empty else hashlib.sha256(augmentation.model_dump_json().encode()).hexdigest()[:8]
    folder = KEPT / f"mnist-{key}-{limit or 'all'}-{validation}"
    if (folder / "dataset.json").is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    images, labels = _idx(data, "train")
    order = np.random.default_rng(0).permutation(len(images))
    test_images, test_labels = _idx(data, "t10k")
    parts = {
        "train": (images[order[validation:]], labels[order[validation:]]),
        "validation": (images[order[:validation]], labels[order[:validation]]),
        "test": (test_images, test_labels),
    }
    counts: dict[str, int] = {}
    for split, (pixels, classes) in parts.items():
        if not len(pixels):
            continue
        pixels, classes = pixels[:limit], classes[:limit]
        counts[split] = len(pixels)
        with (folder / f"{split}.tfrecord").open("wb") as file:
            for index, (image, label) in enumerate(zip(pixels, classes.tolist(), strict=True)):
                example = Example({"image": encode_png(image[..., np.newaxis])}, [label], f"{split}/{index}")
                write_record(file, example.encode(label="label"))
    info = DatasetInfo(
        task=TaskSpec(num_classes=10),
        features=[FeatureSpec(shape=(28, 28, 1))],
        classes=[str(digit) for digit in range(10)],
        num_examples=sum(counts.values()),
        splits=counts,
        class_counts={},
        seed=0,
        augmentation=augmentation,
    )
    write_json(folder / "dataset.json", info.model_dump(mode="json"))
    return folder


def _idx(data: Path, part: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Images uint8 [n, 28, 28] and labels of MNIST's own format: http://yann.lecun.com/exdb/mnist/."""
    images = gzip.decompress((data / "mnist" / f"{part}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((data / "mnist" / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    count, height, width = struct.unpack(">III", images[4:16])
    return np.frombuffer(images, np.uint8, offset=16).reshape(count, height, width), np.frombuffer(
        labels, np.uint8, offset=8
    )


def snips(data: Path) -> Path:
    """The seven intents of SNIPS: 13,784 training texts, a tenth of them for validation, and 700 test texts."""

    def rows() -> Iterator[dict[str, Any]]:
        for split in ("train", "test"):
            with (data / "snips" / f"{split}.csv").open(encoding="utf-8", newline="") as file:
                found = list(csv.DictReader(file))
            held_out = _tenth(len(found)) if split == "train" else set()
            for index, row in enumerate(found):
                yield {**row, "split": "validation" if index in held_out else split}

    feature = {"name": "text", "type": "text", "shape": [128]}
    return _imported("snips", rows(), {"features": [feature], "task": {"type": "classification"}, "split": "split"})


def motions(data: Path) -> Path:
    """BasicMotions: 6 channels of 100 steps, 4 classes, 40 and 40 examples; 8 of the 40 are for validation."""

    def rows() -> Iterator[dict[str, Any]]:
        for split, name in (("train", "TRAIN"), ("test", "TEST")):
            lines = (data / "basic_motions" / f"BasicMotions_{name}.ts").read_text().splitlines()
            found = lines[lines.index("@data") + 1 :]
            for index, line in enumerate(found):
                *channels, label = line.split(":")
                values = np.array([[float(value) for value in channel.split(",")] for channel in channels]).T
                held_out = split == "train" and index % 5 == 0
                yield {"motion": values.tolist(), "label": label, "split": "validation" if held_out else split}

    feature = {"name": "motion", "type": "sensor", "shape": [100, 6]}
    return _imported("motions", rows(), {"features": [feature], "task": {"type": "classification"}, "split": "split"})


def fsdd(data: Path) -> Path:
    """Free Spoken Digit Dataset: recordings 5 to 49 of each speaker and digit for training, 0 to 4 for the test."""
    sounds = KEPT / "fsdd-recordings"
    if not sounds.is_dir():
        with zipfile.ZipFile(data / "fsdd" / "recordings.zip") as archive:
            archive.extractall(sounds)
    files = sorted(sounds.rglob("*.wav"))
    held_out = _tenth(len(files))

    def rows() -> Iterator[dict[str, Any]]:
        for number, path in enumerate(files):
            digit, _speaker, index = path.stem.split("_")
            split = "test" if int(index) < 5 else "validation" if number in held_out else "train"
            yield {"sound": str(path.relative_to(sounds)), "label": digit, "split": split}

    feature = {"name": "sound", "type": "audio", "shape": [8000], "sample_rate": 8000}
    spec = {"features": [feature], "task": {"type": "classification"}, "split": "split"}
    return _imported("fsdd", rows(), spec, table_in=sounds)


def _tenth(count: int) -> set[int]:
    return set(random.Random(0).sample(range(count), count // 10))


def _imported(name: str, rows: Iterator[dict[str, Any]], spec: dict[str, Any], *, table_in: Path | None = None) -> Path:
    """Imports rows as a table, as a person would: `python -m ml import`."""
    folder = KEPT / name
    if (folder / "dataset.json").is_file():
        return folder
    source = table_in or KEPT / f"{name}-source"
    source.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    for row in rows:
        text.write(json.dumps(row) + "\n")
    (source / "table.jsonl").write_text(text.getvalue(), encoding="utf-8")
    spec_path = KEPT / f"{name}.json"
    write_json(spec_path, spec)
    shutil.rmtree(folder, ignore_errors=True)
    engine("import", "--source", source, "--spec", spec_path, "--out", folder, "--work", KEPT / f"{name}-work")
    return folder
