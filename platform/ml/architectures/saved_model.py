"""An uploaded model as trainer: any SavedModel, or model of Keras 2 or 3, that gives the task's classes or values."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ml.architectures.base import BuildContext, ModelType
from ml.architectures.named_files import existing_file
from ml.architectures.uploaded import UploadedParams


class SavedModelParams(UploadedParams):
    output: Literal["logits", "probabilities"] = Field(
        default="probabilities",
        title="Output",
        description="What the model gives: probabilities (after softmax or sigmoid), or logits; the values of a "
        "regression count as logits.",
    )
    output_name: str | None = Field(
        default=None,
        max_length=200,
        title="Output name",
        description="Which of the model's outputs; empty: its only one.",
    )


def build(params: SavedModelParams, context: BuildContext) -> Any:
    """See ModelType.build. Frozen or fine-tuned, the model behaves as at inference: see `UploadedModel`.

    Raises RefusedError `file_not_found`, `unreadable_model`, `unsafe_model` or `uploaded_model_mismatch`.
    """
    from ml.uploaded.loading import load_uploaded
    from ml.uploaded.model import uploaded_model

    field = f"{context.name}.params.path"
    path = existing_file(context, params.path, field=field)
    loaded = load_uploaded(path, signature=params.signature, field=field)
    return uploaded_model(
        loaded,
        context,
        input_scale=params.input_scale,
        output_name=params.output_name,
        output=params.output,
    )


MODEL_TYPE = ModelType(
    name="saved_model",
    title="Uploaded model",
    description="A model that you bring along teaches: a Keras file or a SavedModel, frozen or learning on.",
    params=SavedModelParams,
    build=build,
    takes=frozenset({"image", "text", "sensor", "audio", "video", "vector"}),
    steps=frozenset({"text", "sensor", "audio", "video"}),
    takes_several=True,
    is_trainer_only=True,
)
