"""What a spec says about an uploaded model. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, field_validator

from ml.architectures.base import ModelParams
from ml.architectures.named_files import relative_file
from ml.features import FeatureSpec
from ml.uploaded.scaling import SCALES, InputScale


class UploadedParams(ModelParams):
    path: str = Field(
        title="File",
        description="The model, as a path beside the spec: a .keras or .h5 file, or a .zip of a SavedModel.",
    )
    signature: str = Field(
        default="serving_default",
        min_length=1,
        max_length=200,
        title="Signature",
        description="Of a SavedModel: the function that is called.",
    )
    input_scale: InputScale = Field(
        default="raw",
        title="Input scale",
        description="How the model wants pixels or, with -1..1, samples of sound. raw: as they are, like all other "
        "values.",
    )

    @field_validator("path")
    @classmethod
    def check_path(cls, value: str) -> str:
        return relative_file(value, suffixes=(".keras", ".h5", ".zip"))

    def check(self, feature: FeatureSpec, features: Sequence[FeatureSpec]) -> str | None:
        if any(self.input_scale in SCALES[one.type] for one in features):
            return None
        accepted = ", ".join(SCALES[feature.type])
        return f"input_scale does not go with {feature.type}. Received: {self.input_scale}. Accepted: {accepted}"

    @property
    def brings_weights(self) -> bool:
        return True


class UploadedBaseParams(UploadedParams):
    """An uploaded model as the base of another one."""

    base_output: str | None = Field(
        default=None,
        max_length=200,
        title="Base output",
        description="What the new top is put on: a layer of a Keras model, or an output of a SavedModel. Empty: what "
        "the last dense layer gets, or the only output.",
    )
