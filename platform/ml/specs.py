"""What a person declares about a training run. No TensorFlow here: forms and serializers import this module.

`TrainingSpec` is the root. Everything is frozen and validated before any work starts; a `SpecError` lists each refused
field with what was received and what is accepted. `TrainingSpec.model_json_schema()` describes a form.
"""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal, Self

import pydantic
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ml.architectures import MODEL_TYPES, ModelParams
from ml.spec_errors import SpecError, details_of, spec_problem
from ml.spec_text import read_json, read_yaml

__all__ = [
    "MODEL_TYPES",
    "Budget",
    "FeatureSpec",
    "Hyperparameters",
    "LossWeights",
    "ModelSpec",
    "SpecError",
    "TaskSpec",
    "TrainingSpec",
]

ID_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,39}$"


def titled(title: str) -> JsonDict:
    """The title of a field that is a model itself, which pydantic leaves out of the schema otherwise."""
    return {"title": title}


class Declared(BaseModel):
    """Base of everything in a spec: frozen, unknown fields refused, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TaskSpec(Declared):
    type: Literal["classification"] = Field(
        default="classification", title="Task", description="What the models learn: one class for each example."
    )
    label: Literal["label"] = Field(
        default="label", title="Label", description="The field of an example that holds its class."
    )
    num_classes: int = Field(ge=2, le=10_000, title="Classes", description="How many classes the dataset has.")


class FeatureSpec(Declared):
    name: str = Field(
        default="image",
        pattern=r"^[a-z][a-z0-9_]{0,39}$",
        title="Name",
        description="The field of an example, and the name of the model's input on the device.",
    )
    type: Literal["image"] = Field(default="image", title="Type", description="What kind of input it is.")
    shape: tuple[Annotated[int, Field(ge=1, le=4096)], Annotated[int, Field(ge=1, le=4096)], Literal[1, 3]] = Field(
        title="Shape", description="Height, width and channels (1 grey, 3 colour) of the images."
    )


class LossWeights(Declared):
    trainer: float = Field(
        default=1.0, ge=0, le=1000, title="Trainer (λ₁)", description="Weight of the trainer's error on the labels."
    )
    student: float = Field(
        default=1.0, ge=0, le=1000, title="Student (λ₃)", description="Weight of each student's error on the labels."
    )
    cross: float = Field(
        default=0.1,
        ge=0,
        le=1000,
        title="Cross (λ₂)",
        description="Weight of each student's difference from the trainer. Used when there is a trainer.",
    )


class Hyperparameters(Declared):
    optimizer: Literal["adam", "adamw", "sgd", "momentum", "rmsprop", "adagrad"] = Field(
        default="adam", title="Optimizer", description="momentum is sgd with Nesterov momentum 0.9."
    )
    learning_rate: float = Field(default=0.001, gt=0, le=100, title="Learning rate", description="Size of a step.")
    learning_rate_schedule: Literal["constant", "cosine"] = Field(
        default="constant", title="Schedule", description="cosine lowers the rate to zero over the steps."
    )
    batch_size: int = Field(default=200, ge=1, le=65_536, title="Batch size", description="Examples a step.")
    steps: int = Field(default=3000, ge=1, le=100_000_000, title="Steps", description="Updates of the weights.")
    activation: Literal["relu", "relu6", "leaky_relu", "elu", "tanh", "sigmoid", "swish"] = Field(
        default="relu", title="Activation", description="Activation function of all hidden layers."
    )
    seed: int = Field(
        default=7, ge=0, le=2**31 - 1, title="Seed", description="Starts every random number; same seed, same result."
    )
    loss_weights: LossWeights = Field(
        default=LossWeights(),
        description="The three weights of the joint objective.",
        json_schema_extra=titled("Loss weights"),
    )
    cross_loss: Literal["cross_entropy", "kl", "mse_logits"] = Field(
        default="cross_entropy",
        title="Cross loss",
        description="How a student's difference from the trainer is measured.",
    )
    temperature: float = Field(
        default=1.0,
        gt=0,
        le=100,
        title="Temperature",
        description="Softens trainer and student in the cross loss; 1 leaves them as they are.",
    )
    stop_when_cross_below: float | None = Field(
        default=None,
        gt=0,
        title="Stop when cross below",
        description="Stop early once the cross loss of every student, averaged over the last 100 steps, is below this.",
    )
    quantize: None = Field(
        default=None, title="Quantize", description="Learning in a quantized space is not available: leave it empty."
    )

    @field_validator("quantize", mode="before")
    @classmethod
    def refuse_quantize(cls, value: object) -> None:
        if value is not None:
            raise ValueError("learning in a quantized space is not available. Accepted: null")

    @model_validator(mode="after")
    def check_temperature(self) -> Self:
        if self.cross_loss == "mse_logits" and self.temperature != 1.0:
            raise ValueError(
                "temperature has no effect on cross_loss mse_logits. Received: "
                f"temperature {self.temperature:g}. Accepted: temperature 1 with mse_logits, or another cross_loss"
            )
        return self


class Budget(Declared):
    max_bytes: int | None = Field(
        default=None, ge=1, title="Largest file (bytes)", description="A student whose .tflite is larger is not chosen."
    )
    max_latency_ms: float | None = Field(
        default=None,
        gt=0,
        title="Slowest inference (ms)",
        description="A student whose median inference on the training machine takes longer is not chosen.",
    )


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
        if value is None:
            return None
        path = PurePosixPath(value)
        suffix = ".tflite" if info.field_name == "tflite_output_path" else ".zip"
        if path.is_absolute() or ".." in path.parts or "\\" in value or "\0" in value or path.suffix != suffix:
            raise ValueError(f"must be a relative path without '..' that ends in {suffix}")
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
    features: list[FeatureSpec] = Field(min_length=1, max_length=1, title="Features", description="What goes in.")
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
        default=[], max_length=16, title="Students", description="The compact networks that are shipped."
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

    def _model_problems(self) -> list[tuple[tuple[str | int, ...], str, object]]:
        problems: list[tuple[tuple[str | int, ...], str, object]] = []
        if not self.students:
            message = "at least one student is needed: the trainer teaches, students are what is shipped"
            problems.append((("students",), f"{message}. Accepted: 1 to 16 models", []))
        problems += self._duplicates("id") + self._duplicates("tflite_output_path")
        for location, model in self.located_models():
            if model.freeze_model_from_checkpoint and location[0] == "students":
                problems.append(
                    (
                        (*location, "freeze_model_from_checkpoint"),
                        "a student learns and can't be frozen. Accepted: false; only the trainer can be frozen",
                        True,
                    )
                )
            elif model.freeze_model_from_checkpoint and model.load_checkpoint is None:
                problems.append(
                    (
                        (*location, "freeze_model_from_checkpoint"),
                        "a frozen trainer needs weights to start from. Accepted: true together with load_checkpoint",
                        True,
                    )
                )
            unfit = model.params.check_shape(self.features[0].shape)
            if unfit:
                problems.append(((*location, "params"), unfit, model.params.model_dump()))
        hyper = self.hyperparameters
        if self.trainer is None and hyper.stop_when_cross_below is not None:
            problems.append(
                (
                    ("hyperparameters", "stop_when_cross_below"),
                    "there is no trainer to compare the students with. Accepted: null, or a spec with a trainer",
                    hyper.stop_when_cross_below,
                )
            )
        taught = hyper.loss_weights.student + (hyper.loss_weights.cross if self.trainer else 0.0)
        if taught == 0:
            problems.append(
                (
                    ("hyperparameters", "loss_weights", "student"),
                    "the students would learn nothing. Accepted: above 0 for student, or for cross with a trainer",
                    hyper.loss_weights.student,
                )
            )
        return problems

    def _duplicates(self, field: str) -> list[tuple[tuple[str | int, ...], str, object]]:
        counts = Counter(getattr(model, field) for model in self.models())
        seen: set[str] = set()
        problems: list[tuple[tuple[str | int, ...], str, object]] = []
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
