"""What an import is told about the data: a part of a training spec, with what may be found in the data left out.

No NumPy here: forms and serializers import this module.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

import pydantic
from pydantic import Field, ValidationInfo, field_validator, model_validator

from ml.data.augmentation import Augmentation
from ml.declared import NAME_PATTERN, Declared
from ml.features.source import FeatureSource, is_tokens
from ml.refusal import RefusedError
from ml.spec_errors import SpecError, details_of
from ml.spec_text import read_json, read_yaml
from ml.tasks import TaskType

if TYPE_CHECKING:
    from ml.data.dataset import DatasetInfo

NOUN = "import spec"
MAX_CLASSES = 1_000_000
PATH_FIELD = "path"  # of an example: where it came from


class ImportTask(Declared):
    """`num_classes` and `num_values` are counted where they are left out."""

    type: TaskType = "classification"
    label: str = Field(default="label", pattern=NAME_PATTERN)
    num_classes: int | None = Field(default=None, ge=2, le=MAX_CLASSES)
    num_values: int | None = Field(default=None, ge=1, le=10_000)
    columns: list[str] | None = Field(
        default=None,
        min_length=1,
        validate_default=True,
        description="Columns of a table that hold the label; by default the one with the label's name.",
    )

    @field_validator("num_classes", "num_values")
    @classmethod
    def check_size(cls, value: int | None, info: ValidationInfo) -> int | None:
        task = info.data.get("type")
        if value is not None and task is not None and (task == "regression") != (info.field_name == "num_values"):
            raise ValueError(f"has no meaning for {task}. Received: {value}. Accepted: null")
        return value

    @field_validator("columns")
    @classmethod
    def check_columns(cls, value: list[str] | None, info: ValidationInfo) -> list[str] | None:
        task = info.data.get("type")
        if value and len(value) > 1 and task not in (None, "regression"):
            raise ValueError(f"are too many for {task}. Received: {value}. Accepted: one column")
        return value

    @property
    def places(self) -> list[str]:
        """The columns of a table that hold the label."""
        return self.columns or [self.label]


class ImportSpec(Declared):
    """`classes` is a closed list: other labels are refused. `split` is the column of a table that names the split."""

    task: ImportTask = ImportTask()
    features: list[FeatureSource] = Field(min_length=1, max_length=16)
    classes: list[str] | None = Field(default=None, min_length=2, max_length=MAX_CLASSES, validate_default=True)
    augmentation: Augmentation = Augmentation()
    split: str | None = None

    @field_validator("classes", mode="before")
    @classmethod
    def name_numbers(cls, value: object) -> object:
        if not isinstance(value, list):
            return value
        return [str(name) if isinstance(name, int) and not isinstance(name, bool) else name for name in value]

    @field_validator("classes")
    @classmethod
    def check_classes(cls, value: list[str] | None, info: ValidationInfo) -> list[str] | None:
        task = info.data.get("task")
        if value is None or task is None:
            return value
        if task.type == "regression":
            raise ValueError("has no meaning for regression. Accepted: null")
        if len(set(value)) != len(value) or not all(name.strip() == name and name for name in value):
            raise ValueError("must be different names without blanks around them")
        if task.num_classes not in (None, len(value)):
            raise ValueError(f"has {len(value)} names. Accepted: {task.num_classes}, as task.num_classes says")
        return value

    @model_validator(mode="after")
    def check_names(self) -> Self:
        names = [self.task.label, *(feature.name for feature in self.features)]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(
                f"the name '{repeated[0]}' is given twice. Accepted: a name for each feature and the label"
            )
        if PATH_FIELD in names:
            raise ValueError(f"the name '{PATH_FIELD}' is taken: it says where an example came from")
        first = self.features[0]
        if self.is_sequence and first.type not in ("sensor", "audio", "video") and not self.has_tokens(first):
            shape = f" {list(first.shape)}" if first.shape else ""
            raise ValueError(
                f"the first feature of a sequence needs steps. Received: {first.type}{shape}. "
                "Accepted: text of shape [tokens, bytes of a token], sensor, audio or video"
            )
        return self

    @property
    def is_sequence(self) -> bool:
        """Whether there is a label for each step."""
        return self.task.type == "sequence"

    def has_tokens(self, feature: FeatureSource) -> bool:
        """Whether a feature is text in tokens."""
        return is_tokens(feature, is_sequence=self.is_sequence)

    @classmethod
    def parse(cls, data: object) -> Self:
        """From parsed YAML or JSON, also that of a training spec, whose other fields are left out. Raises SpecError."""
        from ml.specs import TrainingSpec

        if isinstance(data, dict):
            others = set(TrainingSpec.model_fields) - set(cls.model_fields)
            data = {name: value for name, value in data.items() if name not in others}
        try:
            return cls.model_validate(data)
        except pydantic.ValidationError as error:
            details = details_of(error, cls, data)
            listed = "; ".join(f"{detail['field'] or 'spec'}: {detail['message']}" for detail in details)
            raise SpecError(f"The {NOUN} can't be used. {listed}", details) from None

    @classmethod
    def of_dataset(cls, info: DatasetInfo) -> Self:
        """What a dataset holds that was written by an import."""
        return cls(
            task=ImportTask(**info.task.model_dump()),
            features=[FeatureSource(**feature.model_dump()) for feature in info.features],
            classes=info.classes or None,
            augmentation=info.augmentation,
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """The spec in a .yaml, .yml or .json file. Raises SpecError, or RefusedError `unreadable_spec`."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RefusedError("unreadable_spec", f"The spec {path} can't be read: {error}.") from None
        return cls.parse(read_json(text, noun=NOUN)) if path.suffix == ".json" else cls.from_yaml(text)

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """The spec in YAML text. Raises SpecError, which names the line for text that is not YAML."""
        return cls.parse(read_yaml(text, noun=NOUN))
