"""`import`: class folders, a table or TFRecord files become an immutable dataset with its splits.

The source is read twice: once to check every row and to find sizes and classes, and once to write. Between the two only
some 30 bytes for each row are kept, so that memory does not grow with the contents.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ml.data.dataset import DatasetInfo
from ml.data.import_spec import ImportSpec
from ml.data.labels import LabelReader
from ml.data.placing import place_examples, repetition_warnings
from ml.data.sources import open_source
from ml.data.sources.base import Source
from ml.data.splits import SPLITS, UNLABELLED, check_fractions
from ml.data.survey import BadValues, survey
from ml.data.writing import ALL_SPLITS, Writer
from ml.features.reader import AskedSize
from ml.features.readers import make_reader
from ml.files import file_record, move_into, sha256_of, write_json
from ml.reporting import Reporter

CHECKING_SHARE = 0.4  # of the whole import; the rest is writing


@dataclass(frozen=True, kw_only=True)
class ImportSettings:
    """How to import. `height`, `width` and `channels` are taken from the pictures where they are None.

    `max_bytes` bounds both what the source unpacks to and what is written, which may be more: images are enlarged to
    the common size, and a PNG may take more than a JPEG. `bad_values`: what happens to rows with numbers that are
    missing, NaN or infinite.
    """

    seed: int = 7
    validation: float = 0.1
    test: float = 0.2
    max_bytes: int = 2_000_000_000
    max_files: int = 1_000_000
    height: int | None = None
    width: int | None = None
    channels: int | None = None
    bad_values: BadValues = "refuse"


def import_dataset(
    source: Path, out: Path, work: Path, settings: ImportSettings, reporter: Reporter, spec: ImportSpec | None = None
) -> None:
    """Writes the dataset and result.json into `out`. Raises RefusedError, and then leaves nothing there.

    Without a `spec`, class folders of images or sounds are recognised, and tables with the columns text and label.
    """
    check_fractions(validation=settings.validation, test=settings.test)
    staging, scratch = work / "dataset", work / "source"
    _clear(staging, scratch)
    staging.mkdir(parents=True)
    try:
        with open_source(
            source, spec, scratch=scratch, max_bytes=settings.max_bytes, max_files=settings.max_files
        ) as opened:
            result = _import(opened, staging, settings, reporter)
        move_into(staging, out)
        write_json(out / "result.json", result)
    finally:
        _clear(staging, scratch)


def _clear(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _import(source: Source, staging: Path, settings: ImportSettings, reporter: Reporter) -> dict[str, Any]:
    spec = source.spec
    asked = AskedSize(settings.height, settings.width, settings.channels)
    readers = {
        feature.name: make_reader(feature, is_sequence=spec.is_sequence, asked=asked) for feature in spec.features
    }
    labels = LabelReader(spec.task, spec.classes, has_indices=source.has_indices)
    reporter.phase(0.0, CHECKING_SHARE)
    found = survey(
        source,
        readers,
        labels,
        max_bytes=settings.max_bytes,
        bad_values=settings.bad_values,
        reporter=reporter,
    )
    warnings = source.warnings + found.warnings
    chosen = [reader.choose() for reader in readers.values()]
    features = [feature for feature, _ in chosen]
    for _, told in chosen:
        warnings += told
    task, told = labels.choose()
    warnings += told
    has_classes = task.type == "classification"
    if has_classes:
        found = replace(found, labels=labels.final_indices(found.labels))
    warnings += repetition_warnings(found, source, has_classes=has_classes)
    splits, told = place_examples(
        found,
        names=labels.classes if has_classes else None,
        noun=source.noun,
        seed=settings.seed,
        validation=settings.validation,
        test=settings.test,
    )
    warnings += told

    writer = Writer(
        source=source,
        readers=readers,
        labels=labels,
        features=features,
        task=task,
        staging=staging,
        max_bytes=settings.max_bytes,
    )
    reporter.phase(CHECKING_SHARE, 1.0)
    writer.write(found.rows, splits, seed=settings.seed, reporter=reporter)
    counts = dict(zip(ALL_SPLITS, np.bincount(splits, minlength=len(ALL_SPLITS)).tolist(), strict=True))
    info = DatasetInfo(
        task=task,
        features=features,
        classes=labels.classes,
        num_examples=len(splits),
        splits={split: count for split, count in counts.items() if count or split != UNLABELLED},
        class_counts={
            split: dict(zip(labels.classes, row, strict=True))
            for split, row in zip(SPLITS, writer.class_counts.tolist(), strict=False)
        },
        seed=settings.seed,
        augmentation=spec.augmentation,
    )
    write_json(staging / "dataset.json", info.model_dump(mode="json"))
    for warning in warnings:
        reporter.log("warning", warning)
    return _result(info, staging, labels, samples=writer.samples, warnings=warnings)


def _result(
    info: DatasetInfo, staging: Path, labels: LabelReader, *, samples: list[dict[str, str]], warnings: list[str]
) -> dict[str, Any]:
    hashed = [f"{split}.tfrecord" for split in info.splits] + ["dataset.json"]
    digest = hashlib.sha256("".join(sorted(sha256_of(staging / name) for name in hashed)).encode()).hexdigest()
    return {
        **info.model_dump(
            mode="json", include={"task", "features", "classes", "num_examples", "splits", "class_counts"}
        ),
        "value_ranges": [list(one) for one in labels.value_ranges],
        "samples": samples,
        "files": [file_record(staging / name, relative_to=staging) for name in [*hashed, "index.jsonl"]],
        "sha256": digest,
        "warnings": warnings,
    }
