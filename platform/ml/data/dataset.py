"""A dataset on disk: dataset.json beside one TFRecord file for each split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml.data.tfrecord import Example, read_records
from ml.refusal import RefusedError

Split = Literal["train", "validation", "test"]


class ImageFeature(BaseModel):
    """The image of each example: `shape` is (height, width, channels)."""

    model_config = ConfigDict(frozen=True)

    name: str = "image"
    type: Literal["image"] = "image"
    shape: tuple[int, int, int]


class DatasetInfo(BaseModel):
    """What dataset.json says. Labels are indices into `classes`."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    task: Literal["classification"] = "classification"
    label: str = "label"
    feature: ImageFeature
    classes: list[str] = Field(min_length=2)
    num_examples: int
    splits: dict[Split, int]
    class_counts: dict[Split, dict[str, int]]
    seed: int

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads `folder`/dataset.json. Raises RefusedError `not_a_dataset`."""
        try:
            return cls.model_validate_json((folder / "dataset.json").read_bytes())
        except (OSError, ValidationError) as error:
            raise RefusedError(
                "not_a_dataset",
                f"{folder} is not a dataset that can be read ({_first_line(error)}). "
                "Accepted: a folder written by `python -m ml import-images`.",
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
        example = Example.decode(record, feature=info.feature.name)
        check_label(example.label, info)
        yield example


def check_label(label: int, info: DatasetInfo) -> None:
    """Raises RefusedError `label_out_of_range` unless `label` is the index of a class."""
    if not 0 <= label < len(info.classes):
        raise RefusedError(
            "label_out_of_range",
            f"An example has a label outside of the class list. Received: {label}. "
            f"Accepted: 0 to {len(info.classes) - 1}.",
        )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
