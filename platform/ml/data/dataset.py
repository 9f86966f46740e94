"""A dataset on disk: dataset.json beside one TFRecord file for each split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml.data.augmentation import Augmentation
from ml.data.examples import Example
from ml.data.tfrecord import read_records
from ml.features import FeatureSpec
from ml.refusal import RefusedError
from ml.tasks import TaskSpec

# `unlabelled` has no labels: the trainer's answers teach the students there.
Split = Literal["train", "validation", "test", "unlabelled"]


class DatasetInfo(BaseModel):
    """What dataset.json says. Labels are indices into `classes`, or numbers for a regression, which has no classes."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    task: TaskSpec
    features: list[FeatureSpec] = Field(min_length=1)
    classes: list[str]
    num_examples: int
    splits: dict[Split, int]
    class_counts: dict[Split, dict[str, int]]
    seed: int
    augmentation: Augmentation = Augmentation()

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads `folder`/dataset.json. Raises RefusedError `not_a_dataset`."""
        try:
            return cls.model_validate_json((folder / "dataset.json").read_bytes())
        except (OSError, ValidationError) as error:
            raise RefusedError(
                "not_a_dataset",
                f"{folder} is not a dataset that can be read ({_first_line(error)}). "
                "Accepted: a folder written by `python -m ml import`.",
            ) from None


def split_path(folder: Path, split: Split) -> Path:
    """The TFRecord file of a split. Raises RefusedError `missing_split` if it is not there."""
    path = folder / f"{split}.tfrecord"
    if not path.is_file():
        raise RefusedError("missing_split", f"The dataset has no {split} split: {path.name} is missing.")
    return path


def read_examples(folder: Path, split: Split, info: DatasetInfo) -> Iterator[Example]:
    """The examples of a split, in the file's order. Raises RefusedError for damage or a label out of range."""
    for record in read_records(split_path(folder, split)):
        example = Example.decode(record, task=info.task, features=info.features)
        check_labels(example.label, info)
        yield example


def check_labels(label: list[int] | list[float] | None, info: DatasetInfo) -> None:
    """Raises RefusedError `label_out_of_range` unless each label is the index of a class. Numbers are all accepted."""
    if info.task.type == "regression" or label is None:
        return
    wrong = [value for value in label if not 0 <= value < len(info.classes)]
    if wrong:
        raise RefusedError(
            "label_out_of_range",
            f"An example has a label outside of the class list. Received: {wrong[0]}. "
            f"Accepted: 0 to {len(info.classes) - 1}.",
        )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
