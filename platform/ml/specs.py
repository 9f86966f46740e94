"""What a person declares about a training run. No TensorFlow here: forms and serializers import this module.

`TrainingSpec` is the root. Everything is frozen and validated before any work starts; a `SpecError` lists each refused
field with what was received and what is accepted. `TrainingSpec.model_json_schema()` describes a form.
"""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import ClassVar, Self

import pydantic
from pydantic import (
    Field,
    GetJsonSchemaHandler,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ml.architectures import MODEL_TYPES, ModelParams
from ml.declared import ID_PATTERN, Declared, titled
from ml.features import FeatureSpec
from ml.hyperparameters import EarlyStopping, Hyperparameters, LossWeights
from ml.spec_errors import SpecError, details_of, spec_problem
from ml.spec_rules import Problem, learning_problems, model_problems
from ml.spec_text import read_json, read_yaml
from ml.tasks import TaskSpec

__all__ = [
    "MODEL_TYPES",
    "Budget",
    "EarlyStopping",
    "FeatureSpec",
    "Hyperparameters",
    "LossWeights",
    "ModelSpec",
    "SpecError",
    "TaskSpec",
    "TrainingSpec",
]


def relative_path(value: str | None, *, suffixes: tuple[str, ...]) -> str | None:
    """`value`, if it is a path below the spec's folder with one of the suffixes. Raises ValueError."""
    if value is None:
        return None
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or "\\" in value or "\0" in value or path.suffix not in suffixes:
        raise ValueError(f"must be a relative path without '..' that ends in {' or '.join(suffixes)}")
    return value


class Budget(Declared):
    max_bytes: int | None = Field(
        default=None, ge=1, title="Largest file (bytes)", description="A student whose .tflite is larger is not chosen."
    )
    max_latency_ms: float | None = Field(
        default=None,
        gt=0,
        title="Slowest inference (ms)",
        description="A student whose median inference takes longer is not chosen.",
    )
    device_profile: str | None = Field(
        default=None,
        title="Device profile",
        description="A .json beside the spec with the speed of the device that the limit is about, as `python -m ml "
        "profile` writes it; empty: the machine that trains.",
    )

    @field_validator("device_profile")
    @classmethod
    def check_profile_path(cls, value: str | None) -> str | None:
        return relative_path(value, suffixes=(".json",))

    @property
    def has_limit(self) -> bool:
        """Whether a student can be too large or too slow."""
        return self.max_bytes is not None or self.max_latency_ms is not None


class ModelSpec(Declared):
    id: str = Field(
        pattern=ID_PATTERN,
        title="Id",
        description="Names the model in this run: small letters, digits, - and _, at most 40.",
    )
    model_type: str = Field(
        title="Model type",
        description="The architecture.",
        json_schema_extra={"enum": list(MODEL_TYPES)},
    )
    params: SerializeAsAny[ModelParams] = Field(
        default=ModelParams(),
        validate_default=True,
        title="Parameters",
        description="The architecture's own parameters; each has a default.",
    )
    load_checkpoint: str | None = Field(
        default=None,
        title="Load checkpoint",
        description="Start from the weights in this checkpoint.zip of the same architecture: a path beside the spec.",
    )
    freeze_model_from_checkpoint: bool = Field(
        default=False,
        title="Freeze",
        description="Keep the loaded weights as they are: a trainer that teaches and does not learn.",
    )
    tflite_output_path: str | None = Field(
        default=None,
        title="Copy of the .tflite",
        description="Write the .tflite under this relative path as well.",
    )
    output_buckets: int | None = Field(
        default=None,
        ge=2,
        le=1_000_000,
        title="Output buckets",
        description="For very many classes: each class adds up two of so many outputs, found by hashing, instead of "
        "having one of its own.",
    )
    share_with: str | None = Field(
        default=None,
        title="Share with",
        description="The id of a student before this one, whose layers of the same name (share_layers) this one uses.",
    )
    share_layers: list[str] = Field(
        default=[], max_length=100, title="Shared layers", description="Names of the layers that are shared, as conv_0."
    )

    @field_validator("model_type")
    @classmethod
    def check_model_type(cls, value: str) -> str:
        if value not in MODEL_TYPES:
            raise ValueError(f"is not a known model type. Accepted: {', '.join(MODEL_TYPES)}")
        return value

    @field_validator("params", mode="before")
    @classmethod
    def params_of_the_model_type(cls, value: object, info: ValidationInfo) -> object:
        model_type = info.data.get("model_type")
        if model_type is None:  # Its own error is reported; there is nothing to check the parameters against.
            return ModelParams()
        params = MODEL_TYPES[model_type].params
        if isinstance(value, params):
            return value
        if isinstance(value, ModelParams):
            value = value.model_dump()
        return params.model_validate({} if value is None else value)

    @field_validator("load_checkpoint", "tflite_output_path")
    @classmethod
    def check_relative_path(cls, value: str | None, info: ValidationInfo) -> str | None:
        return relative_path(value, suffixes=(".tflite" if info.field_name == "tflite_output_path" else ".zip",))

    @field_validator("share_layers")
    @classmethod
    def check_sharing(cls, value: list[str], info: ValidationInfo) -> list[str]:
        if bool(value) != (info.data.get("share_with") is not None):
            raise ValueError("go together with share_with. Accepted: both or neither")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core_schema))
        schema["properties"]["params"] = {
            "type": "object",
            "title": "Parameters",
            "description": cls.model_fields["params"].description,
            "default": {},
        }
        schema["allOf"] = [
            {
                "if": {"properties": {"model_type": {"const": name}}, "required": ["model_type"]},
                "then": {"properties": {"params": model_type.params.model_json_schema()}},
            }
            for name, model_type in MODEL_TYPES.items()
        ]
        return schema


class TrainingSpec(Declared):
    """The declared description of one training run: what to learn, from what, how, and which models."""

    VERSION: ClassVar[int] = 1

    version: int = Field(default=VERSION, title="Version", description="Version of this format.")
    experiment_name: str = Field(
        pattern=ID_PATTERN,
        title="Experiment",
        description="Names the run: small letters, digits, - and _, at most 40.",
    )
    task: TaskSpec = Field(description="What the models learn.", json_schema_extra=titled("Task"))
    features: list[FeatureSpec] = Field(
        min_length=1, max_length=8, title="Features", description="What goes in; several for a multimodal model."
    )
    hyperparameters: Hyperparameters = Field(
        default=Hyperparameters(),
        description="How the models learn.",
        json_schema_extra=titled("Hyperparameters"),
    )
    budget: Budget = Field(
        default=Budget(),
        description="Limits for choosing the best student among those trained.",
        json_schema_extra=titled("Budget"),
    )
    trainer: ModelSpec | None = Field(
        default=None,
        title="Trainer",
        description="The big network that teaches. Without one, each student learns by itself.",
    )
    students: list[ModelSpec] = Field(
        default=[],
        max_length=16,
        title="Students",
        description="The compact networks that are shipped. With none, but a budget, the engine looks for one.",
    )

    @field_validator("version")
    @classmethod
    def check_version(cls, value: int) -> int:
        if value != cls.VERSION:
            newer = "was written for a newer Bantam" if value > cls.VERSION else "is not a version of this format"
            raise ValueError(f"{newer}. Accepted: {cls.VERSION}")
        return value

    @model_validator(mode="after")
    def check_models(self) -> Self:
        problems = list(self._model_problems())
        if problems:
            raise pydantic.ValidationError.from_exception_data(
                "TrainingSpec",
                [
                    {
                        "type": spec_problem(message),
                        "loc": location,
                        "input": received,
                    }
                    for location, message, received in problems
                ],
            )
        return self

    def _model_problems(self) -> list[Problem]:
        problems: list[Problem] = []
        if not self.students and not self.budget.has_limit:
            message = "at least one student is needed: the trainer teaches, students are what is shipped"
            accepted = "1 to 16 models, or a budget with max_bytes or max_latency_ms for the engine to look for one"
            problems.append((("students",), f"{message}. Accepted: {accepted}", []))
        problems += self._duplicates("id") + self._duplicates("tflite_output_path")
        for location, model in self.located_models():
            found = model_problems(model, location, self)
            problems += [((*location, *path), message, received) for path, message, received in found]
        return [*problems, *self._feature_problems(), *self._sharing_problems(), *learning_problems(self)]

    def _feature_problems(self) -> list[Problem]:
        message = "is the name of another feature or of the label. Accepted: a unique one"
        return [
            (("features", index, "name"), message, feature.name)
            for index, feature in enumerate(self.features)
            if feature.name in {feature.name for feature in self.features[:index]} | {self.task.label, "path"}
        ]

    def _sharing_problems(self) -> list[Problem]:
        problems: list[Problem] = []
        for index, student in enumerate(self.students):
            before = [other.id for other in self.students[:index]]
            if student.share_with is not None and student.share_with not in before:
                message = f"is no student before this one. Accepted: {', '.join(before) or 'none is before it'}"
                problems.append((("students", index, "share_with"), message, student.share_with))
        return problems

    def _duplicates(self, field: str) -> list[Problem]:
        counts = Counter(getattr(model, field) for model in self.models())
        seen: set[str] = set()
        problems: list[Problem] = []
        for location, model in self.located_models():
            value = getattr(model, field)
            if value is not None and counts[value] > 1 and value in seen:
                problems.append(((*location, field), "is already used by another model. Accepted: a unique one", value))
            seen.add(value)
        return problems

    def models(self) -> list[ModelSpec]:
        """The trainer, if there is one, then the students."""
        return [model for _, model in self.located_models()]

    def located_models(self) -> list[tuple[tuple[str | int, ...], ModelSpec]]:
        """Each model with where it stands in the spec: ("trainer",) or ("students", index)."""
        located: list[tuple[tuple[str | int, ...], ModelSpec]] = []
        if self.trainer is not None:
            located.append((("trainer",), self.trainer))
        located += [(("students", index), student) for index, student in enumerate(self.students)]
        return located

    @classmethod
    def parse(cls, data: object) -> Self:
        """A spec from already parsed YAML or JSON. Raises SpecError."""
        try:
            return cls.model_validate(data)
        except pydantic.ValidationError as error:
            raise SpecError.of(details_of(error, cls, data)) from None

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """A spec from YAML text. Raises SpecError, which names the line for text that is not YAML."""
        return cls.parse(read_yaml(text))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """A spec from JSON text. Raises SpecError, which names the line for text that is not JSON."""
        return cls.parse(read_json(text))
