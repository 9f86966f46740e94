"""What an import is told of a feature: what a `FeatureSpec` says, as far as it is known, and where a table holds it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from ml.declared import NAME_PATTERN, Declared
from ml.features.spec import MAX_VALUES, FeatureSpec, FeatureType, Spectrogram


class FeatureSource(Declared):
    """`shape` and `sample_rate` are found in the data where they are left out."""

    name: str = Field(default="image", pattern=NAME_PATTERN)
    type: FeatureType = "image"
    shape: tuple[Annotated[int, Field(ge=1, le=MAX_VALUES)], ...] | None = Field(default=None, max_length=4)
    sample_rate: int | None = Field(default=None, ge=1000, le=192_000)
    spectrogram: Spectrogram = Field(default=Spectrogram(), validate_default=True)
    columns: list[str] | None = Field(
        default=None,
        min_length=1,
        validate_default=True,
        description="Columns of a table, or the field of a record; by default the one with the feature's name.",
    )

    @field_validator("shape")
    @classmethod
    def check_shape(cls, value: tuple[int, ...] | None, info: ValidationInfo) -> tuple[int, ...] | None:
        return None if value is None else FeatureSpec.check_shape(value, info)

    @field_validator("sample_rate")
    @classmethod
    def check_sample_rate(cls, value: int | None, info: ValidationInfo) -> int | None:
        return None if value is None else FeatureSpec.check_sample_rate(value, info)

    @field_validator("spectrogram")
    @classmethod
    def check_spectrogram(cls, value: Spectrogram, info: ValidationInfo) -> Spectrogram:
        return FeatureSpec.check_spectrogram(value, info)

    @field_validator("columns")
    @classmethod
    def check_columns(cls, value: list[str] | None, info: ValidationInfo) -> list[str] | None:
        kind = info.data.get("type")
        if value and len(value) > 1 and kind not in (None, "vector", "sensor"):
            raise ValueError(f"are too many for {kind}. Received: {value}. Accepted: one column")
        return value

    @property
    def places(self) -> list[str]:
        """The columns of a table that hold it."""
        return self.columns or [self.name]


def is_tokens(source: FeatureSource, *, is_sequence: bool) -> bool:
    """Whether the text of `source` comes in tokens. `is_sequence`: whether the task has a label for each step."""
    return source.type == "text" and (len(source.shape) == 2 if source.shape else is_sequence)
