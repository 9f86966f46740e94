"""A dataset folder from examples that a test writes down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ml.data.dataset import DatasetInfo, Split
from ml.data.examples import Example
from ml.data.tfrecord import write_record
from ml.features import FeatureSpec
from ml.tasks import TaskSpec


def write_dataset(
    folder: Path,
    task: TaskSpec,
    features: Sequence[FeatureSpec],
    splits: Mapping[Split, Sequence[Example]],
    classes: Sequence[str] = (),
) -> DatasetInfo:
    """Writes dataset.json and a TFRecord file for each split."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, examples in splits.items():
        with (folder / f"{split}.tfrecord").open("wb") as file:
            for example in examples:
                write_record(file, example.encode(label=task.label))
    info = DatasetInfo(
        task=task,
        features=list(features),
        classes=list(classes),
        num_examples=sum(map(len, splits.values())),
        splits={split: len(examples) for split, examples in splits.items()},
        class_counts={},
        seed=0,
    )
    (folder / "dataset.json").write_text(info.model_dump_json())
    return info
